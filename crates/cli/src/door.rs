//! Where published models come from: a folder, or the Hub as the environment says to reach it.

use crate::args::DoorArgs;
use crate::failure::Failure;
use glasswork_hub::{HUGGING_FACE, Hub, Settings};
use std::env;
use std::path::PathBuf;

/// A token is a short line; a longer file is none.
const MAX_TOKEN: u64 = 4096;

/// The Hub as `huggingface_hub` would reach it: `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_CACHE`, `HF_HOME`,
/// `HF_HUB_OFFLINE`, and the usual proxy variables. One proxy, or none, serves the endpoint and its file servers.
pub(crate) fn hub(args: &DoorArgs, offline: bool) -> Result<Hub, Failure> {
    let home = home()?;
    let cache = args
        .cache
        .clone()
        .or_else(|| variable("HF_HUB_CACHE").map(PathBuf::from));
    let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| HUGGING_FACE.to_owned());
    let proxies = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let except = variable("NO_PROXY").or_else(|| variable("no_proxy"));
    let settings = Settings {
        endpoint: endpoint.trim_end_matches('/').to_owned(),
        token: token(&home)?,
        offline: offline || variable("HF_HUB_OFFLINE").is_some_and(|value| is_on(&value)),
        proxy: proxies
            .iter()
            .find_map(|name| variable(name))
            .filter(|_| !is_excepted(&endpoint, except.as_deref().unwrap_or_default())),
        ..Settings::new(cache.unwrap_or_else(|| home.join("hub")))
    };
    Ok(Hub::new(settings)?)
}

/// Whether a switch is on. What is no plain "no" is: who sets it wants no connection.
fn is_on(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    !matches!(
        value.as_str(),
        "" | "0" | "false" | "no" | "off" | "n" | "f"
    )
}

/// Whether `NO_PROXY` names the endpoint's host: itself, a domain that it lies in, or everything (`*`).
fn is_excepted(endpoint: &str, except: &str) -> bool {
    let address = endpoint
        .split_once("://")
        .map_or(endpoint, |(_, rest)| rest);
    let address = address.split('/').next().unwrap_or(address);
    let address = address.to_ascii_lowercase();
    let host = match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => address.as_str(),
    };
    except.split([',', ' ']).any(|entry| {
        let entry = entry.trim().to_ascii_lowercase();
        let domain = entry.trim_start_matches("*.").trim_start_matches('.');
        let within = host
            .strip_suffix(domain)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'));
        entry == "*" || !domain.is_empty() && (within || domain == address)
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_off_where_it_says_so() {
        for off in ["0", "false", "False", "NO", "off", " no "] {
            assert!(!is_on(off), "{off}");
        }
        for on in ["1", "true", "TRUE", "yes", "on", "please"] {
            assert!(is_on(on), "{on}");
        }
    }

    #[test]
    fn hosts_without_a_proxy_are_those_named() {
        let hub = "https://huggingface.co";
        for except in [
            "huggingface.co",
            "a.org, HuggingFace.co",
            ".co",
            "*",
            "*.co",
            "co",
        ] {
            assert!(is_excepted(hub, except), "{except}");
        }
        for except in [
            "",
            ",",
            "face.co",
            "huggingface.com",
            "www.huggingface.co",
            ".",
        ] {
            assert!(!is_excepted(hub, except), "{except}");
        }
        let mirror = "https://mirror.example.org:8443/";
        assert!(is_excepted(mirror, "mirror.example.org:8443"));
        assert!(is_excepted(mirror, "example.org"));
        assert!(!is_excepted(mirror, "mirror.example.org:443"));
    }
}
