//! The worker: claims what is due and runs it.

use std::{collections::HashMap, future::Future, pin::Pin, sync::Arc, time::Duration};

use sea_orm::DbErr;
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, error, info_span, warn};
use uuid::Uuid;

use super::{
    Job, JobError, Schedule, gauges,
    store::{self, End},
};
use crate::{
    app::App,
    cache::Signal,
    entity::job::Model,
    kernel::{
        Timestamp,
        ids::{Id, JobId},
    },
    telemetry,
};

type Run = for<'a> fn(&'a App, &'a str) -> Pin<Box<dyn Future<Output = Result<(), JobError>> + Send + 'a>>;

/// All kinds of jobs, by name.
#[derive(Clone, Default)]
pub struct Registry {
    runs: HashMap<&'static str, Run>,
    schedules: Vec<Schedule>,
}

impl Registry {
    #[must_use]
    pub fn with<J: Job>(mut self) -> Self {
        self.runs.insert(J::NAME, |app, args| {
            Box::pin(async move {
                let job: J = serde_json::from_str(args).map_err(JobError::fail)?;
                job.run(app).await
            })
        });
        self
    }

    /// A job, and how often it is due.
    #[must_use]
    pub fn with_schedule<J: Job + Default>(mut self, every: Duration) -> Self {
        self.schedules.push(Schedule::every::<J>(every));
        self.with::<J>()
    }
}

/// Runs jobs until told to stop.
#[derive(Clone)]
pub struct Worker {
    app: App,
    registry: Arc<Registry>,
    /// Names this worker in leases; another one of the same process has another name.
    name: Arc<str>,
}

impl Worker {
    pub fn new(app: App, registry: Registry) -> Self {
        let name = JobId::new(app.clock.now(), &app.dice).to_string();
        Self { app, registry: Arc::new(registry), name: name.into() }
    }

    /// Works until `stop`. Running jobs may finish until `stop`'s grace is over; the caller bounds it.
    pub async fn work(self, stop: CancellationToken) {
        let config = &self.app.config.work;
        let slots = Arc::new(Semaphore::new(config.concurrency));
        let running = TaskTracker::new();
        let mut signals = self.app.cache.listen();
        let mut chores_due = Instant::now();
        while !stop.is_cancelled() {
            if Instant::now() >= chores_due {
                self.chores().await;
                chores_due = Instant::now() + config.poll_every * 5;
            }
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
            match self.claim().await {
                Ok(Some(job)) => {
                    let worker = self.clone();
                    let stop = stop.clone();
                    running.spawn(async move {
                        worker.run_one(job, &stop).await;
                        drop(slot);
                    });
                    continue;
                }
                Ok(None) => {}
                Err(error) => warn!(%error, "the queue cannot be read"),
            }
            drop(slot);
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(config.poll_every) => {}
                () = enqueued(&mut signals) => {}
            }
        }
        running.close();
        running.wait().await;
    }

    /// Runs everything that is due, one after the other, and returns how many. For tests and one-off commands.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn run_due(&self) -> Result<usize, DbErr> {
        Schedule::enqueue_due(&self.registry.schedules, &self.app).await?;
        let never = CancellationToken::new();
        let mut count = 0;
        while let Some(job) = self.claim().await? {
            self.run_one(job, &never).await;
            count += 1;
        }
        Ok(count)
    }

    async fn claim(&self) -> Result<Option<Model>, DbErr> {
        let now = self.app.clock.now();
        if !store::any_due(&self.app.db, now).await? {
            return Ok(None);
        }
        store::claim(&self.app.db, &self.name, now, now + self.app.config.work.lease).await
    }

    /// What is seldom due: schedules, leases of silent workers.
    async fn chores(&self) {
        let freed = async {
            Schedule::enqueue_due(&self.registry.schedules, &self.app).await?;
            let now = self.app.clock.now();
            if store::any_expired_lease(&self.app.db, now).await? {
                return store::update_expired_leases(&self.app.db, now).await;
            }
            Ok::<u64, DbErr>(0)
        };
        match freed.await {
            Ok(0) => {}
            Ok(jobs) => warn!(jobs, "jobs of silent workers were given back"),
            Err(error) => warn!(%error, "the queue's chores were not done"),
        }
        if let Err(error) = gauges::measure(&self.app.db, self.app.clock.now()).await {
            warn!(%error, "the queue was not measured");
        }
    }

    async fn run_one(&self, job: Model, stop: &CancellationToken) {
        let span = info_span!("job", job.id = %job.id, job.kind = job.kind, attempt = job.attempt);
        let scope = telemetry::job(&job.kind, Uuid::from(job.id).into_bytes(), job.attempt);
        async {
            // On a task of its own: a panic is a failed attempt, not a dead worker.
            let registry = Arc::clone(&self.registry);
            let (app, kind, args) = (self.app.clone(), job.kind.clone(), job.args.clone());
            let within = scope.clone();
            let work = tokio::spawn(
                within
                    .run(async move {
                        let run = registry.runs.get(kind.as_str());
                        let run = run.ok_or_else(|| JobError::fail(format!("no job is called {kind}")))?;
                        run(&app, &args).await
                    })
                    .in_current_span(),
            );
            let abort = work.abort_handle();
            let ended = tokio::select! {
                ended = work => ended.unwrap_or_else(|_| Err(JobError::retry("the job panicked"))),
                () = self.keep_lease(job.id) => {
                    abort.abort();
                    warn!("another worker has taken this job");
                    return;
                }
                () = stopped_long_enough(stop, self.app.config.server.grace) => {
                    abort.abort();
                    self.close(&job, End::GivenBack).await;
                    return;
                }
            };
            if ended.is_err() {
                telemetry::job_failed(&scope);
            }
            self.conclude(&job, ended).await;
        }
        .instrument(span)
        .await;
    }

    async fn conclude(&self, job: &Model, ended: Result<(), JobError>) {
        let outcome = match &ended {
            Ok(()) => "completed",
            Err(JobError::Retry(_)) if job.attempt < job.max_attempts => "retried",
            Err(_) => "discarded",
        };
        metrics::counter!("backline_jobs_total", "kind" => job.kind.clone(), "outcome" => outcome).increment(1);
        match ended {
            Ok(()) => self.close(job, End::Completed).await,
            Err(JobError::Retry(error)) if job.attempt < job.max_attempts => {
                warn!(error, "a job failed and will be tried again");
                let at = self.retry_at(job.attempt);
                self.close(job, End::Retry { at, error: &error }).await;
            }
            Err(JobError::Retry(error) | JobError::Fail(error)) => {
                error!(error, "a job was discarded");
                self.close(job, End::Discarded { error: &error }).await;
            }
        }
    }

    async fn close(&self, job: &Model, end: End<'_>) {
        let closed = store::update_ended(&self.app.db, job.id, &self.name, self.app.clock.now(), end).await;
        if let Err(error) = closed {
            warn!(%error, "the job's end was not noted; it will run again when its lease ends");
        }
    }

    /// attempt⁴ seconds, and up to a tenth more so that failed jobs do not come back in step.
    fn retry_at(&self, attempt: i64) -> Timestamp {
        let seconds = u32::try_from(attempt).unwrap_or(u32::MAX).saturating_pow(4);
        let jitter = Duration::from_millis(u64::from(self.app.dice.below(seconds.saturating_mul(100).max(1))));
        self.app.clock.now() + Duration::from_secs(u64::from(seconds)) + jitter
    }

    /// Beats three times a lease; returns only when the lease was lost.
    async fn keep_lease(&self, id: JobId) {
        let lease = self.app.config.work.lease;
        loop {
            tokio::time::sleep(lease / 3).await;
            let until = self.app.clock.now() + lease;
            match store::update_lease(&self.app.db, id, &self.name, until).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => warn!(%error, "a lease was not extended"),
            }
        }
    }
}

async fn stopped_long_enough(stop: &CancellationToken, grace: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(grace).await;
}

/// Waits until a job was enqueued here or on an instance that told us, or some signals were missed.
async fn enqueued(signals: &mut tokio::sync::broadcast::Receiver<Signal>) {
    use tokio::sync::broadcast::error::RecvError;
    loop {
        match signals.recv().await {
            Ok(Signal::JobEnqueued(_) | Signal::Missed) | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
