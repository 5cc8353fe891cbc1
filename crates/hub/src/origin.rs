//! Which hosts a request may go to. Everything that an answer points at passes through here first.

use std::fmt;
use std::net::IpAddr;

use ureq::http::Uri;

use crate::error::{Error, Result};

/// Scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    https: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of an absolute address without user and password.
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        let https = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') {
            return None;
        }
        let port = match authority.as_str()[authority.host().len()..].strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None if https => 443,
            None => 80,
        };
        Some(Self {
            https,
            host: authority.host().to_ascii_lowercase(),
            port,
        })
    }

    /// Reads an endpoint: scheme and host, nothing after them but a `/`.
    pub(crate) fn parse(endpoint: &str, allow_http: bool) -> Result<Self> {
        let bad = |problem| Error::bad_name("endpoint", endpoint, problem);
        let uri: Uri = endpoint
            .parse()
            .map_err(|_| bad("it is not an address such as https://huggingface.co"))?;
        let origin = Self::of(&uri)
            .ok_or_else(|| bad("https:// and a host without user and password are needed"))?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(bad("it has a path"));
        }
        if !origin.https && !allow_http && !origin.is_loopback() {
            return Err(Error::NotEncrypted {
                endpoint: origin.to_string(),
            });
        }
        Ok(origin)
    }

    /// Whether this is the machine itself.
    pub(crate) fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        self.host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Whether an answer of this endpoint may send us to `target`: itself, or the public Hub's own file servers.
    pub(crate) fn permits(&self, target: &Self) -> bool {
        let public = self.https && self.host == "huggingface.co" && self.port == 443;
        let served = target.host.ends_with(".hf.co") || target.host.ends_with(".huggingface.co");
        target == self || (public && target.https && target.port == 443 && served)
    }

    /// Host and port, for errors.
    pub(crate) fn host(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the default port: it would stand in the Host header, which some servers compare as text.
        match (self.https, self.port) {
            (true, 443) => write!(f, "https://{}", self.host),
            (false, 80) => write!(f, "http://{}", self.host),
            (true, port) => write!(f, "https://{}:{port}", self.host),
            (false, port) => write!(f, "http://{}:{port}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Option<Origin> {
        Origin::of(&text.parse().ok()?)
    }

    #[test]
    fn the_public_hub_may_point_at_its_own_file_servers() {
        let hub = Origin::parse(crate::HUGGING_FACE, false).unwrap();
        for good in [
            "https://huggingface.co/x",
            "https://HUGGINGFACE.co:443/x",
            "https://cdn-lfs.hf.co/x?Signature=1",
            "https://cas-bridge.xethub.hf.co/x",
            "https://cdn-lfs-us-1.huggingface.co/x",
        ] {
            assert!(hub.permits(&origin(good).unwrap()), "{good}");
        }
    }

    #[test]
    fn attack_hosts_that_look_like_the_hubs() {
        let hub = Origin::parse(crate::HUGGING_FACE, false).unwrap();
        for bad in [
            "http://huggingface.co/x",
            "http://cdn-lfs.hf.co/x",
            "https://huggingface.co:8443/x",
            "https://cdn-lfs.hf.co:444/x",
            "https://hf.co.evil.example/x",
            "https://evilhf.co/x",
            "https://huggingface.co.evil.example/x",
            "https://huggingface.co@evil.example/x",
            "https://evil.example/huggingface.co",
            "https://huggingface.co./x",
            "ftp://huggingface.co/x",
        ] {
            assert!(!origin(bad).is_some_and(|o| hub.permits(&o)), "{bad}");
        }
        // A mirror serves its files itself: the public servers are not its own.
        let mirror = Origin::parse("https://mirror.example", false).unwrap();
        assert!(!mirror.permits(&origin("https://cdn-lfs.hf.co/x").unwrap()));
        let local = Origin::parse("http://127.0.0.1:8000", false).unwrap();
        assert!(!local.permits(&origin("http://127.0.0.1:8001/").unwrap()));
        assert!(!local.permits(&origin("http://localhost:8000/").unwrap()));
    }

    #[test]
    fn endpoints_are_encrypted_or_on_this_machine() {
        let hub = Origin::parse("https://HuggingFace.co:443/", false).unwrap();
        assert_eq!(hub.to_string(), crate::HUGGING_FACE);
        for good in [
            "https://huggingface.co/",
            "http://localhost:1",
            "http://127.0.0.1:9",
            "http://[::1]:9",
        ] {
            Origin::parse(good, false).unwrap();
        }
        for bad in [
            "huggingface.co",
            "",
            "https://",
            "ftp://x",
            "https://x/y",
            "https://u:p@x",
            "https://x?y",
            "file:///x",
        ] {
            assert!(
                matches!(Origin::parse(bad, true), Err(Error::BadName { .. })),
                "{bad}"
            );
        }
        assert!(matches!(
            Origin::parse("http://mirror.example", false),
            Err(Error::NotEncrypted { .. })
        ));
        Origin::parse("http://mirror.example", true).unwrap();
    }
}
