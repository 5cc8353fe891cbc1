//! Where published models come from: a folder, or the Hub as the environment says to reach it.

use crate::args::DoorArgs;
use crate::failure::Failure;
use glasswork_hub::{HUGGING_FACE, Hub, Settings};
use std::env;
use std::path::PathBuf;

/// A token is a short line; a longer file is none.
const MAX_TOKEN: u64 = 4096;

/// The Hub as `huggingface_hub` would reach it: `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_CACHE`, `HF_HOME`,
/// `HF_HUB_OFFLINE`, and the usual proxy variables.
pub(crate) fn hub(args: &DoorArgs, offline: bool) -> Result<Hub, Failure> {
    let home = home()?;
    let cache = args
        .cache
        .clone()
        .or_else(|| variable("HF_HUB_CACHE").map(PathBuf::from));
    let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| HUGGING_FACE.to_owned());
    let proxies = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let settings = Settings {
        endpoint: endpoint.trim_end_matches('/').to_owned(),
        token: token(&home)?,
        offline: offline || variable("HF_HUB_OFFLINE").is_some_and(|v| v != "0"),
        proxy: proxies.iter().find_map(|name| variable(name)),
        ..Settings::new(cache.unwrap_or_else(|| home.join("hub")))
    };
    Ok(Hub::new(settings)?)
}

/// A variable that is set and not empty.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The home of `huggingface_hub`.
fn home() -> Result<PathBuf, Failure> {
    if let Some(home) = variable("HF_HOME") {
        return Ok(home.into());
    }
    let cache = variable("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| env::home_dir().map(|home| home.join(".cache")));
    let cache = cache.ok_or_else(|| {
        Failure::new(
            "the home directory is unknown, so there is no place to keep what is downloaded",
            Some("name one with --cache".to_owned()),
        )
    })?;
    Ok(cache.join("huggingface"))
}

/// `HF_TOKEN`, or what `hf auth login` left.
fn token(home: &std::path::Path) -> Result<Option<String>, Failure> {
    if let Some(token) = variable("HF_TOKEN") {
        return Ok(Some(token.trim().to_owned()));
    }
    let path = variable("HF_TOKEN_PATH").map_or_else(|| home.join("token"), PathBuf::from);
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = glasswork_release::files::read(&path, MAX_TOKEN)?;
    let token = String::from_utf8_lossy(&bytes).trim().to_owned();
    Ok((!token.is_empty()).then_some(token))
}
