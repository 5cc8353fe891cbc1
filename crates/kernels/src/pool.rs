//! The threads of a run. They divide outputs; no sum ever crosses a thread.

use crate::aligned::Aligned;
use crate::gemm::Blocking;
use crate::{Isa, Numerics, Profile};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A fixed set of threads and the instruction set that they use.
pub struct Pool {
    threads: rayon::ThreadPool,
    isa: Isa,
    /// Other cache blocks than the usual ones.
    blocking: Option<Blocking>,
    /// Packed right operand of the product under way; one product runs at a time.
    packed: Mutex<Aligned>,
    /// Whoever keeps the threads awake holds it.
    turn: Mutex<()>,
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
            turn: Mutex::new(()),
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
    /// look for those parts without sleeping: in such a sequence, waking them took a tenth of the CPU's time
    /// (`docs/log.md`). Callers from outside take turns; on one of the pool's threads `work` merely runs.
    pub fn run_awake<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        if self.threads.current_thread_index().is_some() {
            return work();
        }
        // A turn that ended in a panic left nothing behind.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (over, awake) = (&AtomicBool::new(false), &AtomicUsize::new(1));
        self.threads.scope(|scope| {
            let worker = rayon::current_thread_index();
            scope.spawn_broadcast(move |_, context| {
                // The worker would wait for itself.
                if Some(context.index()) != worker {
                    awake.fetch_add(1, Ordering::Release);
                    look_for_work_until(over);
                }
            });
            let _over = SetOnDrop(over);
            // Before all of them look nothing is handed out: a thread that first took a part, and began to look while that part
            // waited for another, would look until the end of work that waits for this part.
            while awake.load(Ordering::Acquire) < self.threads() {
                std::thread::yield_now();
            }
            work()
        })
    }

    /// Rows per task for `rows` rows of cheap work: a few tasks per thread, none tiny.
    pub(crate) fn block(&self, rows: usize) -> usize {
        rows.div_ceil(self.threads() * 4).max(16)
    }
}

/// Does what the pool's other threads hand out.
fn look_for_work_until(over: &AtomicBool) {
    /// Vain attempts before the system, too, may run others.
    const PATIENCE: usize = 100;
    let mut vain = 0;
    while !over.load(Ordering::Acquire) {
        if rayon::yield_now() == Some(rayon::Yield::Executed) {
            vain = 0;
        } else if vain < PATIENCE {
            vain += 1;
            std::hint::spin_loop();
        } else {
            // Where threads outnumber cores, the worker may be waiting for this one.
            std::thread::yield_now();
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::{Start, View, gemm};
    use rayon::prelude::*;

    fn pool(threads: usize) -> Pool {
        Pool::new(threads, Isa::Scalar).expect("threads")
    }

    fn sum(pool: &Pool) -> usize {
        let part = || pool.run(|| (0..1000_usize).into_par_iter().sum::<usize>());
        (0..50).map(|_| part()).sum()
    }

    #[test]
    fn awake_threads_do_the_same_work() {
        for threads in [1, 2, 8] {
            let pool = pool(threads);
            let nested = || pool.run_awake(|| sum(&pool));
            assert_eq!(pool.run_awake(nested), 50 * 499_500, "{threads} threads");
        }
    }

    /// A thread that takes a part before it began to look must not look within that part: nobody would end it.
    #[test]
    fn short_turns_end_whoever_wakes_when() {
        let pool = pool(8);
        let uneven = || {
            let part = |i: usize| (0..i % 64 * 200).fold(i, |sum, x| sum.wrapping_mul(31) ^ x);
            pool.run(|| (0..64_usize).into_par_iter().map(part).sum::<usize>())
        };
        let expected = uneven();
        for _ in 0..3000 {
            assert_eq!(pool.run_awake(uneven), expected);
        }
    }

    #[test]
    fn after_a_panic_the_next_turn_comes() {
        let pool = pool(2);
        let fails = || pool.run_awake(|| panic!("as expected"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(fails)).is_err());
        assert_eq!(pool.run_awake(|| sum(&pool)), 50 * 499_500);
    }

    /// Products hold the pool's buffer: a second caller on the same threads would wait for it for ever.
    #[test]
    fn callers_take_turns() {
        let pool = pool(2);
        let (a, b) = (vec![1.0; 64 * 64], vec![2.0; 64 * 64]);
        let products = || {
            let mut c = vec![0.0; 64 * 64];
            for _ in 0..50 {
                let [a, b] = [&a, &b].map(|x| View::new(x, 64, 64));
                gemm(&pool, Profile::F32V1, &mut c, 64, a, b, Start::Zero);
            }
            c
        };
        std::thread::scope(|scope| {
            let all = [(); 3].map(|()| scope.spawn(|| pool.run_awake(products)));
            for one in all {
                let c = one.join().expect("no panic");
                assert!(c.iter().all(|&x| x == 128.0));
            }
        });
    }
}
