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
    // A profile of its own, beside the page: nothing of the reader's browser is read or changed.
    let profile = pdf.with_extension("browser");
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
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--print-to-pdf={}", pdf.display()))
        .arg(format!("file://{}", html.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    // What is left of the profile is of no use to anybody.
    drop(std::fs::remove_dir_all(&profile));
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
