//! The report page.

use crate::shell::{Result, output, root, run};

/// Installs the page's packages where the lock file changed, and builds `web/dist/index.html` and `decision.html`.
pub(crate) fn build() -> Result {
    install()?;
    run(&root().join("web"), "npm", &["run", "build", "--silent"])
}

/// `npm ci`, unless it was done for this very lock file.
pub(crate) fn install() -> Result {
    let web = root().join("web");
    let version = output("node", &["--version"])
        .ok_or("Node.js is missing: the report page is built with it. Install Node 20.19 or later (nodejs.org)")?;
    let number = |part: usize| {
        version
            .trim_start_matches('v')
            .split('.')
            .nth(part)
            .and_then(|n| n.parse::<u32>().ok())
    };
    if (number(0), number(1)) < (Some(20), Some(19)) {
        return Err(format!(
            "Node.js {version} is too old: the report page needs 20.19 or later"
        ));
    }
    let lock = std::fs::read(web.join("package-lock.json"))
        .map_err(|e| format!("web/package-lock.json: {e}"))?;
    let stamp = web.join("node_modules/.installed-lock");
    if std::fs::read(&stamp).ok() != Some(lock.clone()) {
        run(
            &web,
            "npm",
            &["ci", "--no-audit", "--no-fund", "--loglevel=error"],
        )?;
        std::fs::write(&stamp, lock).map_err(|e| format!("{}: {e}", stamp.display()))?;
    }
    Ok(())
}
