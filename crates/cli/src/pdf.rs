//! A page as PDF, through the browser that is installed.

use crate::failure::Failure;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names under which Chromium and its kin are installed.
const BROWSERS: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
];

/// Prints the page at `html` to `pdf`, A4 as its style sheet says.
///
/// # Errors
/// Where no browser is installed, or it prints nothing.
pub(crate) fn print(html: &Path, pdf: &Path) -> Result<(), Failure> {
    let runs = |name: &&&str| {
        let version = Command::new(name).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    };
    let Some(browser) = BROWSERS.iter().find(runs) else {
        return Err(Failure::new(
            "a PDF needs Chromium, which is not installed",
            Some(format!(
                "`apt-get install chromium`, or print {} from any browser: the page is made for A4",
                html.display()
            )),
        ));
    };
    let absolute = |path: &Path| -> Result<PathBuf, Failure> {
        std::path::absolute(path)
            .map_err(|e| Failure::new(format!("{}: {e}", path.display()), None))
    };
    let (html, pdf) = (absolute(html)?, absolute(pdf)?);
    let failed = |what: &str, error: std::io::Error| Failure::new(format!("{what}: {error}"), None);
    // An older one must not pass for what is printed now.
    if pdf.exists() {
        std::fs::remove_file(&pdf).map_err(|e| failed(&pdf.display().to_string(), e))?;
    }
    // A profile of its own: nothing of the reader's browser is read or changed.
    let profile = tempfile::tempdir().map_err(|e| failed("a folder for the browser", e))?;
    let printed = Command::new(browser)
        .args([
            "--headless",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--no-pdf-header-footer",
            // The page's own script runs in a page that can reach nothing; Chromium's sandbox does not start for root.
            "--no-sandbox",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--print-to-pdf={}", pdf.display()))
        .arg(address(&html))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match printed {
        Ok(status) if status.success() && pdf.exists() => Ok(()),
        Ok(status) => Err(Failure::new(
            format!("{browser} printed no PDF ({status})"),
            Some(format!("print {} from a browser by hand", html.display())),
        )),
        Err(error) => Err(Failure::new(
            format!("{browser} does not start: {error}"),
            None,
        )),
    }
}

/// The address of a file: what has a meaning in addresses is written as its number.
fn address(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let written = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .map(|&byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        });
    format!("file://{}", written.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lead_to_the_file() {
        let written = address(Path::new("/a b/50%#1?/頁.html"));
        assert_eq!(written, "file:///a%20b/50%25%231%3F/%E9%A0%81.html");
    }
}
