//! Requests: redirects, the token, waits and retries.
//!
//! ureq follows no redirect here and its proxy is the one of the settings or none; every hop is checked by [`Origin::permits`] first.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ureq::http::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderValue, LOCATION, RANGE};
use ureq::http::{Request, StatusCode, Uri};
use ureq::{Agent, Proxy, Timeout};

use crate::answer::{Answer, Content, refusal};
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::origin::Origin;
use crate::settings::{LEAST_RATE, Settings, Timeouts};

/// Redirects that one request may take. The public Hub uses one or two.
const REDIRECTS: u32 = 5;

/// What went over the network since the [`crate::Hub`] was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests sent, redirects and retries included.
    pub requests: u64,
    /// Bytes of answers' bodies received.
    pub bytes: u64,
}

/// The one place that opens connections.
pub(crate) struct Wire {
    agent: Agent,
    origin: Origin,
    token: Option<HeaderValue>,
    timeouts: Timeouts,
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Wire {
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let origin = Origin::parse(&settings.endpoint, settings.allow_http)?;
        let token = settings.token.as_deref().map(authorization).transpose()?;
        let proxy = match &settings.proxy {
            Some(address) if !origin.is_loopback() => {
                Some(Proxy::new(address).map_err(|_| Error::BadProxy)?)
            }
            _ => None,
        };
        let timeouts = settings.timeouts;
        let config = Agent::config_builder()
            .proxy(proxy)
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("glasswork/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(timeouts.connect))
            .timeout_connect(Some(timeouts.connect))
            .timeout_per_read(Some(timeouts.silence))
            .timeout_per_write(Some(timeouts.silence))
            .timeout_recv_response(Some(timeouts.small_answer))
            .build();
        Ok(Self {
            agent: config.into(),
            origin,
            token,
            timeouts,
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        })
    }

    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            requests: self.requests.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// Adds to the bytes received.
    pub(crate) fn count(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The pauses of one undertaking.
    pub(crate) fn pauses(&self) -> Pauses {
        Pauses {
            left: self.timeouts.retries,
            next: self.timeouts.pause,
            longest: self.timeouts.longest_pause,
        }
    }

    /// How long a small answer of so many bytes may take, retries included.
    pub(crate) fn small_answer(&self, bytes: u64) -> Deadline {
        let more = Duration::from_secs(bytes / LEAST_RATE);
        Deadline::within(self.timeouts.small_answer.saturating_add(more))
    }

    /// How long all pages of a listing may take.
    pub(crate) fn listing(&self) -> Deadline {
        Deadline::within(self.timeouts.listing)
    }

    /// Over which time a download must make progress.
    pub(crate) fn window(&self) -> Duration {
        self.timeouts.window
    }

    /// Tries again, with pauses, while the error is one that passes and there is time. `attempt` is told how much.
    pub(crate) fn persist<T>(
        &self,
        mut deadline: Deadline,
        mut attempt: impl FnMut(Duration) -> Result<T>,
    ) -> Result<T> {
        let mut pauses = self.pauses();
        loop {
            let left = deadline.left();
            if left.is_zero() {
                return Err(Error::Stalled {
                    host: self.origin.host(),
                    problem: format!("no whole answer within {:?}", deadline.whole()),
                });
            }
            match attempt(left) {
                Err(error) if error.passes() => deadline.later(pauses.wait(error)?),
                other => return other,
            }
        }
    }

    /// A page of JSON at `target` (path and query), and the path and query of the next page.
    pub(crate) fn json(
        &self,
        what: &str,
        target: &str,
        left: Duration,
    ) -> Result<(Vec<u8>, Option<String>)> {
        let answer = self.get(what, target, None, Some(left))?;
        let next = match answer.next_page() {
            Some(link) => Some(self.own_target(what, link)?),
            None => None,
        };
        Ok((answer.json()?, next))
    }

    /// A stretch of a file of `size` bytes. [`Content::range`] is the whole where the server ignores ranges.
    /// Its last byte has to come within `limit`, where there is one.
    pub(crate) fn content(
        &self,
        what: &str,
        target: &str,
        wanted: &Range<u64>,
        size: u64,
        limit: Option<Duration>,
    ) -> Result<Content<'_>> {
        let whole = *wanted == (0..size);
        let header = (!whole).then(|| format!("bytes={}-{}", wanted.start, wanted.end - 1));
        self.get(what, target, header.as_deref(), limit)?
            .content(wanted, size)
    }

    /// Sends a GET and follows its redirects, each only where [`Origin::permits`] it.
    fn get(
        &self,
        what: &str,
        target: &str,
        range: Option<&str>,
        limit: Option<Duration>,
    ) -> Result<Answer<'_>> {
        let mut hop = Hop {
            uri: format!("{}{target}", self.origin)
                .parse()
                .map_err(|_| Error::bad_name("address", target, "it cannot be parsed"))?,
            at: self.origin.clone(),
            trusted: true,
        };
        for _ in 0..=REDIRECTS {
            let mut request = Request::get(hop.uri.clone()).header(ACCEPT_ENCODING, "identity");
            if let Some(range) = range {
                request = request.header(RANGE, range);
            }
            if let Some(token) = self.token.as_ref().filter(|_| hop.trusted) {
                request = request.header(AUTHORIZATION, token);
            }
            let request = request
                .body(())
                .map_err(|_| Error::bad_name("address", target, "it cannot be sent"))?;
            let request = self
                .agent
                .configure_request(request)
                .timeout_global(limit)
                .build();
            self.requests.fetch_add(1, Ordering::Relaxed);
            let response = self
                .agent
                .run(request)
                .map_err(|e| self.broken(what, &hop.at, e))?;
            let (parts, body) = response.into_parts();
            if !matches!(parts.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                if let Some(error) = refusal(what, parts.status, &parts.headers) {
                    return Err(error);
                }
                return Ok(Answer {
                    wire: self,
                    what: what.into(),
                    host: hop.at,
                    partial: parts.status == StatusCode::PARTIAL_CONTENT,
                    headers: parts.headers,
                    body: body.into_reader(),
                });
            }
            let location = parts.headers.get(LOCATION).and_then(|l| l.to_str().ok());
            hop = self.follow(what, &hop, location.unwrap_or(""))?;
        }
        Err(Error::TooManyRedirects {
            what: what.into(),
            limit: REDIRECTS,
        })
    }

    /// Where `reference` leads from `hop`, if we may go there.
    fn follow(&self, what: &str, hop: &Hop, reference: &str) -> Result<Hop> {
        let absolute = if reference.starts_with('/') && !reference.starts_with("//") {
            format!("{}{reference}", hop.at)
        } else {
            reference.to_owned()
        };
        let uri: Option<Uri> = absolute.parse().ok();
        let target = uri.as_ref().and_then(Origin::of);
        match (uri, target) {
            (Some(uri), Some(at)) if self.origin.permits(&at) => Ok(Hop {
                trusted: hop.trusted && at == self.origin,
                uri,
                at,
            }),
            (uri, target) => Err(Error::Elsewhere {
                from: hop.at.host(),
                what: what.into(),
                to: match (target, uri.as_ref().and_then(Uri::host)) {
                    (Some(target), _) => target.to_string(),
                    (None, Some(host)) => host.chars().take(200).collect(),
                    (None, None) => "an address without a host".into(),
                },
            }),
        }
    }

    /// Path and query of a link that must stay on the endpoint.
    fn own_target(&self, what: &str, link: &str) -> Result<String> {
        let here = Hop {
            uri: Uri::default(),
            at: self.origin.clone(),
            trusted: true,
        };
        let next = self.follow(what, &here, link)?;
        if !next.trusted {
            return Err(Error::Elsewhere {
                from: self.origin.host(),
                what: what.into(),
                to: next.at.to_string(),
            });
        }
        let target = next.uri.path_and_query();
        Ok(target.map_or("/", |t| t.as_str()).to_owned())
    }

    /// ureq's error as one of ours. Nothing of an address is repeated: it may be signed.
    pub(crate) fn broken(&self, what: &str, at: &Origin, error: ureq::Error) -> Error {
        use std::io::ErrorKind as Kind;
        let host = at.host();
        match error {
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => Error::Unreachable {
                host,
                problem: format!("no connection within {:?}", self.timeouts.connect),
            },
            ureq::Error::Timeout(Timeout::PerRead | Timeout::PerWrite) => Error::Stalled {
                host,
                problem: format!("nothing moved for {:?}", self.timeouts.silence),
            },
            ureq::Error::Timeout(_) => Error::Stalled {
                host,
                problem: "its answer was not complete in time".into(),
            },
            ureq::Error::HostNotFound => Error::Unreachable {
                host,
                problem: "no such host".into(),
            },
            ureq::Error::Io(e)
                if matches!(
                    e.kind(),
                    Kind::ConnectionRefused
                        | Kind::HostUnreachable
                        | Kind::NetworkUnreachable
                        | Kind::NetworkDown
                        | Kind::AddrNotAvailable
                        | Kind::PermissionDenied
                        // A certificate that does not hold.
                        | Kind::InvalidData
                ) =>
            {
                Error::Unreachable {
                    host,
                    problem: e.to_string(),
                }
            }
            ureq::Error::Io(e) => Error::Interrupted {
                host,
                problem: e.to_string(),
            },
            ureq::Error::Rustls(e) => Error::Unreachable {
                host,
                problem: e.to_string(),
            },
            ureq::Error::Tls(problem) => Error::Unreachable {
                host,
                problem: problem.into(),
            },
            ureq::Error::ConnectionFailed => Error::Unreachable {
                host,
                problem: "the connection failed".into(),
            },
            ureq::Error::ConnectProxyFailed(_) => Error::Unreachable {
                host,
                problem: "the proxy refuses".into(),
            },
            ureq::Error::LargeResponseHeader(..) => {
                Error::bad_answer(what, "its headers are too large")
            }
            _ => Error::bad_answer(what, "it is not valid HTTP"),
        }
    }
}

/// One address on the way to an answer.
struct Hop {
    uri: Uri,
    at: Origin,
    /// Whether the token may go there: once a redirect has left the endpoint it stays out, even if another leads back.
    trusted: bool,
}

/// Pauses between tries, each twice the one before.
pub(crate) struct Pauses {
    left: u32,
    next: Duration,
    longest: Duration,
}

impl Pauses {
    /// Sleeps before the next try, or gives `error` back when there is to be none. Says how much of it a busy server asked for.
    pub(crate) fn wait(&mut self, error: Error) -> Result<Duration> {
        let asked = match &error {
            Error::Busy { after, .. } => after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        if self.left == 0 || asked > self.longest {
            return Err(error);
        }
        self.left -= 1;
        std::thread::sleep(asked.max(self.next));
        self.next = (self.next * 2).min(self.longest);
        Ok(asked)
    }
}

/// The `Authorization` header; marked so that no log shows it.
fn authorization(token: &str) -> Result<HeaderValue> {
    if token.is_empty() || token.len() > 4096 || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::BadToken);
    }
    let mut header =
        HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Error::BadToken)?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_token_with_a_line_break() {
        for bad in ["", "hf_a\r\nX: y", "hf a", "hf_é"] {
            let error = authorization(bad).unwrap_err();
            assert!(matches!(error, Error::BadToken));
            assert!(bad.is_empty() || !format!("{error} {error:?}").contains(bad));
        }
        let header = authorization("hf_secret").unwrap();
        assert!(!format!("{header:?}").contains("secret"));
    }

    #[test]
    fn attack_the_token_leaves_with_a_redirect() {
        let hub = Wire::new(&Settings::new("cache".into())).unwrap();
        let start = Hop {
            uri: Uri::default(),
            at: hub.origin.clone(),
            trusted: true,
        };
        let renamed = hub.follow("x", &start, "/api/models/new/name").unwrap();
        assert!(renamed.trusted && renamed.uri == "https://huggingface.co/api/models/new/name");
        let files = hub.follow("x", &start, "https://cdn-lfs.hf.co/x").unwrap();
        assert!(!files.trusted);
        let on = hub.follow("x", &files, "/y").unwrap();
        assert!(!on.trusted && on.uri == "https://cdn-lfs.hf.co/y");
        let back = hub.follow("x", &files, "https://huggingface.co/z").unwrap();
        assert!(!back.trusted);
        assert!(hub.own_target("x", "https://cdn-lfs.hf.co/x").is_err());
        assert_eq!(
            hub.own_target("x", "https://huggingface.co/a?b=c").unwrap(),
            "/a?b=c"
        );
    }
}
