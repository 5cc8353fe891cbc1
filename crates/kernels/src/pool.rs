//! The threads of a run. They divide outputs; no sum ever crosses a thread.

use crate::Isa;
use std::sync::Mutex;

/// A fixed set of threads and the instruction set that they use.
pub struct Pool {
    threads: rayon::ThreadPool,
    isa: Isa,
    /// Packed right-hand operand of the matrix product under way; one product runs at a time.
    pub(crate) packed: Mutex<Vec<f32>>,
}

impl Pool {
    /// Starts `threads` threads (at least one) that compute with `isa`.
    ///
    /// # Errors
    /// When the operating system refuses the threads.
    pub fn new(threads: usize, isa: Isa) -> Result<Self, rayon::ThreadPoolBuildError> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(|index| format!("kernel-{index}"))
            .build()?;
        Ok(Self {
            threads,
            isa,
            packed: Mutex::new(Vec::new()),
        })
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.threads.current_num_threads()
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Runs `work` on the pool's threads, so that rayon iterators inside use them.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.threads.install(work)
    }

    /// Rows per task for `rows` rows of cheap work: a few tasks per thread, none tiny.
    pub(crate) fn block(&self, rows: usize) -> usize {
        rows.div_ceil(self.threads() * 4).max(16)
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool({} threads, {})", self.threads(), self.isa.name())
    }
}
