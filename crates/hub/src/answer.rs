//! What comes back: JSON within bounds, or a stretch of a file that is exactly the one asked for.

use std::io::Read;
use std::ops::Range;
use std::time::Duration;

use ureq::BodyReader;
use ureq::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LINK, RETRY_AFTER,
};
use ureq::http::{HeaderMap, HeaderName, StatusCode};

use crate::error::{Error, Result};
use crate::origin::Origin;
use crate::wire::Wire;

/// Bytes of one page of JSON.
const JSON_LIMIT: u64 = 64 << 20;

/// An answer whose status is a success; its body has not been read.
pub(crate) struct Answer<'a> {
    pub(crate) wire: &'a Wire,
    pub(crate) what: String,
    /// Who answered.
    pub(crate) host: Origin,
    /// Whether it says that it is a part (status 206).
    pub(crate) partial: bool,
    pub(crate) headers: HeaderMap,
    pub(crate) body: BodyReader<'static>,
}

impl<'a> Answer<'a> {
    fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn bad(&self, problem: impl Into<String>) -> Error {
        Error::bad_answer(&self.what, problem)
    }

    /// We ask for no compression: with it, lengths would mean something else.
    fn check_plain(&self) -> Result<()> {
        match self.header(CONTENT_ENCODING) {
            None | Some("identity") => Ok(()),
            Some(_) => Err(self.bad("it is compressed, which was not asked for")),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let n = self
            .body
            .read(buffer)
            .map_err(|e| self.wire.broken(&self.what, &self.host, e.into()))?;
        self.wire.count(n);
        Ok(n)
    }

    /// Where it says that the next page of a listing is. Unchecked.
    pub(crate) fn next_page(&self) -> Option<&str> {
        self.header(LINK).and_then(next_link)
    }

    /// The whole body, which says that it is JSON.
    pub(crate) fn json(mut self) -> Result<Vec<u8>> {
        if !self
            .header(CONTENT_TYPE)
            .is_some_and(|t| t.contains("json"))
        {
            return Err(self.bad("it is not JSON; a portal or proxy may have answered"));
        }
        self.check_plain()?;
        let mut json = Vec::new();
        let mut chunk = vec![0; 64 << 10];
        loop {
            let n = self.read(&mut chunk)?;
            if n == 0 {
                return Ok(json);
            }
            if (json.len() + n) as u64 > JSON_LIMIT {
                return Err(Error::TooLarge {
                    what: self.what,
                    limit: JSON_LIMIT,
                    unit: "bytes of JSON",
                });
            }
            json.extend_from_slice(&chunk[..n]);
        }
    }

    /// The body as `wanted` of a file of `size` bytes, or as the whole file if that is what it says it is.
    pub(crate) fn content(self, wanted: &Range<u64>, size: u64) -> Result<Content<'a>> {
        self.check_plain()?;
        let range = if self.partial {
            let (range, total) = self
                .header(CONTENT_RANGE)
                .and_then(content_range)
                .ok_or_else(|| self.bad("it is partial and does not say which part"))?;
            if range != *wanted || total.is_some_and(|t| t != size) {
                let total = total.map_or("*".into(), |t| t.to_string());
                return Err(self.bad(format!(
                    "asked for bytes {}..{} of {size}, it says {}..{} of {total}",
                    wanted.start, wanted.end, range.start, range.end
                )));
            }
            range
        } else {
            0..size
        };
        let left = range.end - range.start;
        if self
            .header(CONTENT_LENGTH)
            .is_some_and(|l| l.parse() != Ok(left))
        {
            return Err(self.bad(format!(
                "{left} bytes were to come; it announces another length"
            )));
        }
        Ok(Content {
            range,
            left,
            answer: self,
        })
    }
}

/// The body of a file or of a stretch of it, exactly as long as it should be.
pub(crate) struct Content<'a> {
    /// Where in the file the bytes belong: what was asked for, or the whole.
    pub(crate) range: Range<u64>,
    left: u64,
    answer: Answer<'a>,
}

impl Content<'_> {
    /// What to say where next to nothing comes.
    pub(crate) fn trickled(&self, moved: u64, window: Duration) -> Error {
        Error::Stalled {
            host: self.answer.host.host(),
            problem: format!("only {moved} bytes came in {window:?}"),
        }
    }

    /// Fills `buffer` in part; 0 when all has come. A body that ends early or goes on is an error.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.left == 0 {
            return match self.answer.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(self.answer.bad("it goes on after its last byte")),
            };
        }
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let n = self.answer.read(&mut buffer[..most])?;
        if n == 0 {
            return Err(Error::Interrupted {
                host: self.answer.host.host(),
                problem: format!("{} bytes were still to come", self.left),
            });
        }
        self.left -= n as u64;
        Ok(n)
    }
}

/// What a status other than success means. The Hub hides what is private behind 401, and says so in a header.
pub(crate) fn refusal(what: &str, status: StatusCode, headers: &HeaderMap) -> Option<Error> {
    let code = headers.get("x-error-code").and_then(|c| c.to_str().ok());
    let hidden = matches!(
        code,
        Some("RepoNotFound" | "RevisionNotFound" | "EntryNotFound")
    );
    let what = what.to_owned();
    let number = status.as_u16();
    match number {
        200 | 206 => None,
        401 | 403 if !hidden => Some(Error::Gated {
            what,
            status: number,
        }),
        401 | 403 | 404 => Some(Error::NotFound { what }),
        416 => Some(Error::bad_answer(
            &what,
            "it says that the file is shorter than listed (status 416)",
        )),
        429 | 503 => Some(Error::Busy {
            what,
            status: number,
            after: headers
                .get(RETRY_AFTER)
                .and_then(|a| a.to_str().ok()?.trim().parse().ok())
                .map(Duration::from_secs),
        }),
        _ => Some(Error::Status {
            what,
            status: number,
        }),
    }
}

/// The target of `rel="next"` in a `Link` header (RFC 8288).
fn next_link(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        parameters
            .split(';')
            .any(|p| matches!(p.trim(), "rel=\"next\"" | "rel=next"))
            .then_some(target)
    })
}

/// Reads `bytes a-b/total` (RFC 9110, 14.4); the end becomes exclusive, a total of `*` is none.
fn content_range(header: &str) -> Option<(Range<u64>, Option<u64>)> {
    let (range, total) = header.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, end) = (
        first.parse::<u64>().ok()?,
        last.parse::<u64>().ok()?.checked_add(1)?,
    );
    let total = match total {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    (first < end).then_some((first..end, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_the_standards_write_them() {
        assert_eq!(content_range("bytes 0-99/1000"), Some((0..100, Some(1000))));
        assert_eq!(content_range("bytes 5-5/*"), Some((5..6, None)));
        for bad in [
            "",
            "bytes",
            "bytes 5-4/9",
            "bytes a-b/c",
            "bytes 0-18446744073709551615/1",
            "items 0-1/2",
            "bytes */9",
        ] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
        assert_eq!(
            next_link("<https://a/b?c=d>; rel=\"next\""),
            Some("https://a/b?c=d")
        );
        assert_eq!(
            next_link("<x>; rel=\"prev\", </y>; rel=\"next\""),
            Some("/y")
        );
        assert_eq!(next_link("<x>; rel=\"prev\""), None);
        assert_eq!(next_link("nonsense"), None);
    }
}
