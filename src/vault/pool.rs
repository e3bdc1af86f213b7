//! Where passwords are hashed: a few at a time, in turn, and only for callers who can still hear the answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use argon2::Block;
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::kernel::{Dice, deadline};

/// How long a call may wait for its turn, at most, whatever its own deadline.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many may wait for each permit.
const QUEUE_PER_PERMIT: usize = 4;
/// Callers that are refused come again after this many milliseconds, and up to twice as many more by chance.
const RETRY_MS: u32 = 1000;

/// Why nothing was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unhashed {
    /// Too many are waiting already, or too long for this caller. The wait differs from one refusal to the next, so that
    /// those who were refused together do not come back together.
    #[error("too many people are signing in at once; try again in a moment")]
    Full { retry_after: Duration },
    /// A fault of ours, and in the log: to come again is in vain.
    #[error("the password could not be hashed")]
    Failed,
}

/// Cheap to clone; all clones are one.
#[derive(Clone)]
pub(super) struct Pool {
    permits: Arc<Semaphore>,
    size: usize,
    /// Blocks of memory that a worker keeps for the next job.
    keeps: usize,
    line: Arc<Line>,
    dice: Dice,
}

#[derive(Default)]
struct Line {
    waiting: AtomicUsize,
    running: AtomicUsize,
    /// How long a job takes: a moving average, 0 before the first.
    typical_micros: AtomicU64,
    /// Working memory of jobs that are done, for the next ones.
    memory: Mutex<Vec<Vec<Block>>>,
}

impl Pool {
    /// `size` jobs at once, each of which usually wants `keeps` blocks of memory.
    pub fn new(size: usize, keeps: usize, dice: Dice) -> Self {
        Self { permits: Arc::new(Semaphore::new(size)), size, keeps, line: Arc::default(), dice }
    }

    /// Runs `job` with working memory, when its turn comes.
    ///
    /// The permit belongs to the job: a caller that goes away while it runs does not free it early.
    ///
    /// # Errors
    /// [`Unhashed::Full`], at once, when the queue is full or would not be through before the caller's deadline;
    /// [`Unhashed::Failed`] when the job panics.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static,
    ) -> Result<T, Unhashed> {
        let permit = self.turn(deadline::within(PATIENCE)).await.ok_or_else(|| self.full())?;
        let running = Counted::up(&self.line, |line| &line.running, "backline_password_hashes_running");
        let (line, keeps) = (Arc::clone(&self.line), self.keeps);
        let done = tokio::task::spawn_blocking(move || {
            let (_permit, _running) = (permit, running);
            let begun = Instant::now();
            let mut memory = line.memory.lock().pop().unwrap_or_default();
            let outcome = job(&mut memory);
            // One hash with far dearer parameters must not hold its memory for ever.
            if memory.capacity() <= keeps {
                line.memory.lock().push(memory);
            }
            line.learn(begun.elapsed());
            outcome
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "hashing a password failed");
            Unhashed::Failed
        })
    }

    /// Waits for a permit, unless the work would not be done `by` then.
    ///
    /// Who need not wait is let in whatever the estimate says: only jobs that run can mend a wrong one.
    async fn turn(&self, by: Instant) -> Option<OwnedSemaphorePermit> {
        if Instant::now() >= by {
            return None;
        }
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Some(permit);
        }
        let ahead = self.line.waiting.load(Ordering::Acquire) + self.line.running.load(Ordering::Acquire);
        let typical = self.line.typical();
        let rounds = u32::try_from(ahead / self.size + 1).unwrap_or(u32::MAX);
        if Instant::now() + typical.saturating_mul(rounds) > by {
            return None;
        }
        let waiting = Counted::up(&self.line, |line| &line.waiting, "backline_password_hashes_waiting");
        if waiting.place > QUEUE_PER_PERMIT * self.size {
            return None;
        }
        let begin_by = by.checked_sub(typical).unwrap_or(by);
        tokio::time::timeout_at(begin_by, Arc::clone(&self.permits).acquire_owned()).await.ok()?.ok()
    }

    fn full(&self) -> Unhashed {
        metrics::counter!("backline_password_hashes_refused_total").increment(1);
        let ms = RETRY_MS + self.dice.below(2 * RETRY_MS + 1);
        Unhashed::Full { retry_after: Duration::from_millis(ms.into()) }
    }
}

impl Line {
    fn typical(&self) -> Duration {
        Duration::from_micros(self.typical_micros.load(Ordering::Relaxed))
    }

    /// The average moves by an eighth: one slow job is no storm. A machine that stood still counts as slow, no more.
    fn learn(&self, took: Duration) {
        metrics::histogram!("backline_password_hash_seconds").record(took.as_secs_f64());
        let took = u64::try_from(took.min(PATIENCE).as_micros()).unwrap_or(u64::MAX);
        let known = self.typical_micros.load(Ordering::Relaxed);
        let next = if known == 0 { took } else { known - known / 8 + took / 8 };
        self.typical_micros.store(next, Ordering::Relaxed);
    }
}

/// One more, until dropped.
struct Counted {
    line: Arc<Line>,
    which: fn(&Line) -> &AtomicUsize,
    gauge: &'static str,
    /// How many there are with this one.
    place: usize,
}

impl Counted {
    fn up(line: &Arc<Line>, which: fn(&Line) -> &AtomicUsize, gauge: &'static str) -> Self {
        let place = which(line).fetch_add(1, Ordering::AcqRel) + 1;
        metrics::gauge!(gauge).increment(1);
        Self { line: Arc::clone(line), which, gauge, place }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.which)(&self.line).fetch_sub(1, Ordering::AcqRel);
        metrics::gauge!(self.gauge).decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn pool(size: usize) -> Pool {
        Pool::new(size, 8, Dice::seeded(1))
    }

    /// Starts a job that runs until the sender is dropped, and waits until it runs.
    async fn occupy(pool: &Pool) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<(), Unhashed>>) {
        let (sender, receiver) = mpsc::channel::<()>();
        let (before, at) = (pool.line.running.load(Ordering::Acquire), pool.clone());
        let task = tokio::spawn(async move { at.run(move |_| receiver.recv().unwrap_or_default()).await });
        while pool.line.running.load(Ordering::Acquire) == before {
            tokio::task::yield_now().await;
        }
        (sender, task)
    }

    async fn queue(pool: &Pool, how_many: usize) -> Vec<tokio::task::JoinHandle<Result<(), Unhashed>>> {
        let tasks = (0..how_many).map(|_| {
            let at = pool.clone();
            tokio::spawn(async move { at.run(|_| ()).await })
        });
        let tasks = tasks.collect();
        while pool.line.waiting.load(Ordering::Acquire) < how_many {
            tokio::task::yield_now().await;
        }
        tasks
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_by_different_waits() {
        let pool = pool(1);
        let (release, running) = occupy(&pool).await;
        let waiting = queue(&pool, QUEUE_PER_PERMIT).await;
        let begun = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..20 {
            let Err(Unhashed::Full { retry_after }) = pool.run(|_| ()).await else { panic!("let in") };
            waits.push(retry_after);
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "nobody waited");
        assert!(waits.iter().all(|wait| (1000..=3000).contains(&wait.as_millis())), "{waits:?}");
        waits.sort();
        waits.dedup();
        assert!(waits.len() > 10, "{waits:?}");
        drop(release);
        running.await.unwrap().unwrap();
        for task in waiting {
            task.await.unwrap().unwrap();
        }
        assert_eq!(pool.line.waiting.load(Ordering::Acquire), 0);
    }

    #[tokio::test]
    async fn who_cannot_be_served_in_time_is_refused_before_any_work() {
        let pool = pool(1);
        pool.line.learn(Duration::from_millis(500));
        let in_time = |ms| deadline::until(Instant::now() + Duration::from_millis(ms), pool.run(|_| ()));
        let (release, running) = occupy(&pool).await;
        let begun = Instant::now();
        assert!(in_time(900).await.is_err(), "the one before it takes its time as well");
        assert!(begun.elapsed() < Duration::from_millis(150));
        drop(release);
        running.await.unwrap().unwrap();
        in_time(900).await.unwrap();
        assert!(in_time(0).await.is_err(), "nobody hears the answer any more");
    }

    #[tokio::test]
    async fn a_wrong_estimate_mends_itself() {
        let pool = pool(1);
        // The machine was asleep for an hour.
        pool.line.learn(Duration::from_hours(1));
        assert!(pool.line.typical() <= PATIENCE);
        pool.line.typical_micros.store(u64::MAX / 2, Ordering::Relaxed);
        for _ in 0..400 {
            pool.run(|_| ()).await.unwrap();
        }
        assert!(pool.line.typical() < PATIENCE, "{:?}", pool.line.typical());
        let (release, running) = occupy(&pool).await;
        let waiting = queue(&pool, 1).await;
        drop(release);
        running.await.unwrap().unwrap();
        for task in waiting {
            task.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn who_goes_away_leaves_the_queue_but_not_the_permit() {
        let pool = pool(1);
        let (release, running) = occupy(&pool).await;
        let waiting = queue(&pool, 2).await;
        for task in waiting {
            task.abort();
            task.await.unwrap_err();
        }
        assert_eq!(pool.line.waiting.load(Ordering::Acquire), 0);

        running.abort();
        running.await.unwrap_err();
        assert_eq!(pool.permits.available_permits(), 0, "its job still runs");
        drop(release);
        pool.run(|_| ()).await.unwrap();
    }

    #[tokio::test]
    async fn memory_is_used_again() {
        let pool = pool(2);
        let kept = || pool.line.memory.lock().iter().map(Vec::len).collect::<Vec<_>>();
        for _ in 0..10 {
            pool.run(|memory| memory.resize(8, Block::default())).await.unwrap();
        }
        assert_eq!(kept(), [8]);
        pool.run(|memory| memory.resize(1000, Block::default())).await.unwrap();
        assert!(kept().is_empty(), "what one job needed beyond the usual is given back");
    }

    #[tokio::test]
    async fn a_job_that_panics_frees_its_place() {
        let pool = pool(1);
        assert_eq!(pool.run(|_| panic!("a fault of ours")).await, Err::<(), _>(Unhashed::Failed));
        pool.run(|_| ()).await.unwrap();
        assert_eq!(pool.line.running.load(Ordering::Acquire), 0);
    }
}
