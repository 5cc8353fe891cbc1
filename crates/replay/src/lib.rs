//! Recompute segments of a release and say whether the bits agree.
