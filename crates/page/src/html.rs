//! A page with data in it.

use serde::Serialize;

use crate::error::{Error, Result};

/// The built report page; empty when it was not built.
pub(crate) const REPORT: &str = include_str!(concat!(env!("OUT_DIR"), "/page.html"));

/// The built decision page; empty when it was not built.
pub(crate) const DECISION: &str = include_str!(concat!(env!("OUT_DIR"), "/decision.html"));

/// What stands where the data goes, inside `<script type="application/json">`.
const PLACE: &str = "\"glasswork-report-data\"";

/// Fails early, before a release is read for nothing.
pub(crate) fn expect_built(page: &str) -> Result<()> {
    if page.is_empty() {
        Err(Error::PageNotBuilt)
    } else {
        Ok(())
    }
}

pub(crate) fn with_data(page: &str, data: &impl Serialize) -> Result<Vec<u8>> {
    expect_built(page)?;
    fill(page, data)
}

fn fill(page: &str, data: &impl Serialize) -> Result<Vec<u8>> {
    let parts: Vec<&str> = page.split(PLACE).collect();
    let [before, after] = parts[..] else {
        return Err(Error::PageOfAnotherVersion {
            found: parts.len() - 1,
        });
    };
    // In JSON `<` only occurs inside strings; escaped there, no text can end the script element or open another.
    let json = serde_json::to_string(data)?.replace('<', "\\u003c");
    Ok([before, &json, after].concat().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str =
        "<html><script type=\"application/json\">\"glasswork-report-data\"</script></html>";

    #[test]
    fn attack_text_that_would_end_the_script_element() {
        let hostile = "</script><script>alert(1)</script><!--";
        let html = String::from_utf8(fill(EMPTY, &hostile).expect("fills")).expect("is text");
        assert_eq!(html.matches("</script>").count(), 1);
        assert!(!html.contains("<!--"));
        let json = html
            .split_once("json\">")
            .and_then(|(_, rest)| rest.split_once("</script>"))
            .expect("the block")
            .0;
        assert_eq!(
            serde_json::from_str::<String>(json).expect("is JSON"),
            hostile
        );
    }

    #[test]
    fn attack_text_that_looks_like_the_place() {
        let html = fill(EMPTY, &"glasswork-report-data").expect("fills");
        assert_eq!(html, EMPTY.as_bytes());
    }

    #[test]
    fn a_page_without_a_place_is_refused() {
        let error = fill("<html></html>", &1).expect_err("is refused");
        assert!(matches!(error, Error::PageOfAnotherVersion { found: 0 }));
        assert!(error.hint().expect("has one").contains("cargo xtask web"));
    }
}
