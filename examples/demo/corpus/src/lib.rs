//! Empty on purpose: this package only names the crates of the demo corpus in its lock file.
