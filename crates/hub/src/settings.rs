//! Where the Hub is, what to keep and how long to wait. Nothing here is read from the environment: the caller says it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The public Hub.
pub const HUGGING_FACE: &str = "https://huggingface.co";

/// How a [`crate::Hub`] reaches the Hub and where it keeps things.
#[derive(Clone)]
pub struct Settings {
    /// Scheme and host, such as [`HUGGING_FACE`]; `https` unless it is on this machine.
    pub endpoint: String,
    /// A read token. Sent to the endpoint's host only.
    pub token: Option<String>,
    /// A folder in the layout of `huggingface_hub`, which may hold things already.
    pub cache: PathBuf,
    /// Open no connection at all.
    pub offline: bool,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// A proxy's address, such as `http://user:password@proxy:3128`. Not used for an endpoint on this machine.
    pub proxy: Option<String>,
    /// Accept an `http://` endpoint that is not on this machine. A token would travel in the clear.
    pub allow_http: bool,
}

impl Settings {
    /// The public Hub without a token or proxy, online, default waits.
    #[must_use]
    pub fn new(cache: PathBuf) -> Self {
        Self {
            endpoint: HUGGING_FACE.into(),
            token: None,
            cache,
            offline: false,
            timeouts: Timeouts::default(),
            proxy: None,
            allow_http: false,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token is a secret and the proxy's address may hold one: only whether they are there is shown.
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("cache", &self.cache)
            .field("offline", &self.offline)
            .field("timeouts", &self.timeouts)
            .field("proxy", &self.proxy.as_ref().map(|_| "…"))
            .field("allow_http", &self.allow_http)
            .finish()
    }
}

/// Bytes a second that a ranged read is given time for.
pub(crate) const LEAST_RATE: u64 = 64 << 10;
/// Bytes a second that a download must bring on average over [`Timeouts::window`].
pub(crate) const LEAST_PROGRESS: u64 = 1 << 10;

/// How long to wait, and how often to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands, encryption included.
    pub connect: Duration,
    /// Without a single byte, before or in an answer.
    pub silence: Duration,
    /// For one page of a listing, or one ranged read, with its retries; a ranged read gets a second more for every
    /// 64 KiB. Pauses that a busy server asks for do not count. Whole files have no such limit.
    pub small_answer: Duration,
    /// For all pages of a listing together.
    pub listing: Duration,
    /// A download of a whole file during which less than a kibibyte a second came for so long has stalled.
    pub window: Duration,
    /// How often a request that broke, stalled or met a busy server is sent again.
    pub retries: u32,
    /// Before the first retry; doubled for each one after it.
    pub pause: Duration,
    /// The longest pause that a server's `Retry-After` can ask of us.
    pub longest_pause: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            silence: Duration::from_secs(30),
            small_answer: Duration::from_secs(60),
            listing: Duration::from_secs(300),
            window: Duration::from_secs(60),
            retries: 5,
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
        }
    }
}
