//! When an undertaking must have ended, whatever trickles in.

use std::time::{Duration, Instant};

/// An end, and the time that there was until it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    end: Option<Instant>,
    whole: Duration,
}

impl Deadline {
    /// So long from now.
    pub(crate) fn within(whole: Duration) -> Self {
        // A wait beyond all clocks is none.
        let end = Instant::now().checked_add(whole);
        Self { end, whole }
    }

    /// The earlier of this one and `other`.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self.end, other.end) {
            (Some(own), Some(others)) if own <= others => self,
            (Some(_), None) => self,
            _ => other,
        }
    }

    /// What is left of it; nothing when it has passed.
    pub(crate) fn left(&self) -> Duration {
        self.end.map_or(Duration::MAX, |end| {
            end.saturating_duration_since(Instant::now())
        })
    }

    /// Moves the end: waiting because a server asks for it is no trickling.
    pub(crate) fn later(&mut self, by: Duration) {
        self.end = self.end.and_then(|end| end.checked_add(by));
    }

    /// The time that there was.
    pub(crate) fn whole(&self) -> Duration {
        self.whole
    }
}
