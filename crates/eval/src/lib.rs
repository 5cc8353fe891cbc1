//! Held-out bits per byte, greedy samples, verbatim stretches.
