//! The threads of a run. They divide outputs; no sum ever crosses a thread.

use crate::aligned::Aligned;
use crate::gemm::Blocking;
use crate::{Isa, Numerics, Profile};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

/// A fixed set of threads and the instruction set that they use.
pub struct Pool {
    threads: rayon::ThreadPool,
    isa: Isa,
    /// Other cache blocks than the usual ones.
    blocking: Option<Blocking>,
    /// Packed right operand of the product under way; one product runs at a time.
    packed: Mutex<Aligned>,
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
            blocking: None,
            packed: Mutex::new(Aligned::new()),
        })
    }

    /// The same pool with other cache blocks; every choice gives the same bits.
    ///
    /// # Panics
    /// When the depth is no multiple of 32 or the panel none of 16.
    pub fn with_blocking(self, blocking: Blocking) -> Self {
        assert!(blocking.depth > 0 && blocking.depth.is_multiple_of(32));
        assert!(blocking.panel > 0 && blocking.panel.is_multiple_of(16) && blocking.rows > 0);
        let blocking = Some(blocking);
        Self { blocking, ..self }
    }

    /// The cache blocks in use.
    pub fn blocking(&self, profile: Profile) -> Blocking {
        let usual = || Blocking::of(self.numerics(profile));
        self.blocking.unwrap_or_else(usual)
    }

    /// The profile computed by this pool.
    pub fn numerics(&self, profile: Profile) -> Numerics {
        let isa = self.isa;
        Numerics { profile, isa }
    }

    /// The buffer of the product under way.
    pub(crate) fn packed(&self) -> MutexGuard<'_, Aligned> {
        self.packed
            .lock()
            .expect("a product that panicked ends the run")
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

    /// Runs `work`, a long sequence of short parallel parts, on one of the pool's threads while the others
    /// look for those parts without ever sleeping: to wake a thread costs as much as a small product.
    pub fn run_awake<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let over = &AtomicBool::new(false);
        self.threads.scope(|scope| {
            let worker = rayon::current_thread_index();
            scope.spawn_broadcast(move |_, context| {
                // The worker would wait for itself.
                if Some(context.index()) == worker {
                    return;
                }
                let mut fruitless = 0;
                while !over.load(Ordering::Acquire) {
                    if rayon::yield_now() == Some(rayon::Yield::Executed) {
                        fruitless = 0;
                    } else if fruitless < PATIENCE {
                        fruitless += 1;
                        std::hint::spin_loop();
                    } else {
                        // Where threads outnumber cores, the worker may be waiting for this one.
                        std::thread::yield_now();
                    }
                }
            });
            let _over = SetOnDrop(over);
            work()
        })
    }

    /// Rows per task for `rows` rows of cheap work: a few tasks per thread, none tiny.
    pub(crate) fn block(&self, rows: usize) -> usize {
        rows.div_ceil(self.threads() * 4).max(16)
    }
}

/// How often an awake thread looks for work before it also lets the system run others.
const PATIENCE: usize = 100;

/// Set however the work ends.
struct SetOnDrop<'f>(&'f AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool({} threads, {})", self.threads(), self.isa.name())
    }
}
