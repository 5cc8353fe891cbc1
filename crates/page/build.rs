//! Puts the built pages (`cargo xtask web`, which runs `npm run build` in `web/`) where the crate includes it. Without
//! it the crate still compiles, and says so when a report is asked for.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    for (built, embedded) in [
        ("index.html", "page.html"),
        ("decision.html", "decision.html"),
    ] {
        let built = manifest.join("../../web/dist").join(built);
        println!("cargo:rerun-if-changed={}", built.display());
        let page = fs::read(&built).unwrap_or_default();
        fs::write(out.join(embedded), page)
            .expect("cargo gives a directory that can be written to");
    }
}
