//! Training: optimizer, schedule, checkpoints, resume.
