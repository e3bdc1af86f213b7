//! Health that tells the truth about what we depend on.
//!
//! What each part's absence means stands in [`parts`]. Without its database no service can do anything: all say
//! `NOT_SERVING` once it has been away for a few seconds. Without the object store only the services that move bytes do;
//! the server as a whole stays ready, degraded. So it is without its mail server: letters wait in the queue; and without
//! Redis: each instance counts limits by itself. And so it is where it has other keys than the other instances, or another
//! time.
//!
//! Away and back again are felt within ten and five seconds. Whoever watches by `grpc.health.v1.Health/Watch` is told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, join_all, ready},
};
use tokio::{sync::Mutex, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};
use tracing::{info, warn};

use crate::{app::App, cache::Shared, fleet::Agreement, rpc::list::ALL};

/// How often dependencies are asked.
const EVERY: Duration = Duration::from_secs(1);
/// How often the mail server is asked: each time is a sign-in over there.
const MAIL_EVERY: Duration = Duration::from_secs(30);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the database may be away before we say so: shorter gaps are ridden out by retries.
const TOLERANCE: Duration = Duration::from_secs(3);

/// What cannot work without a part.
enum Need {
    /// No call at all: the server is not ready.
    Everything,
    /// These services; the server is ready, degraded.
    Services(&'static [&'static str]),
    /// Nothing that a caller would feel; degraded all the same.
    Nothing,
}

type Ask = Box<dyn Fn(&App) -> BoxFuture<'_, bool> + Send + Sync>;

/// Something that we depend on.
struct Part {
    /// As `/readyz` and the metrics call it.
    name: &'static str,
    needed_by: Need,
    every: Duration,
    patience: Duration,
    /// How long it may be away before anything is said.
    tolerance: Duration,
    /// Whether it answers.
    ask: Ask,
    up: AtomicBool,
}

impl Part {
    fn new(
        name: &'static str,
        needed_by: Need,
        ask: impl Fn(&App) -> BoxFuture<'_, bool> + Send + Sync + 'static,
    ) -> Self {
        let (tolerance, ask) = (Duration::ZERO, Box::new(ask));
        Self { name, needed_by, every: EVERY, patience: PATIENCE, tolerance, ask, up: AtomicBool::new(true) }
    }

    fn tolerated_for(self, tolerance: Duration) -> Self {
        Self { tolerance, ..self }
    }

    fn asked_every(self, every: Duration, patience: Duration) -> Self {
        Self { every, patience, ..self }
    }

    fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    async fn answers(&self, app: &App) -> bool {
        tokio::time::timeout(self.patience, (self.ask)(app)).await.unwrap_or(false)
    }

    /// Whether that is news.
    fn turn(&self, up: bool) -> bool {
        metrics::gauge!("backline_dependency_up", "part" => self.name).set(f64::from(u8::from(up)));
        let before = self.up.swap(up, Ordering::Relaxed);
        match (before, up) {
            (false, true) => info!(part = self.name, "answers"),
            (true, false) => warn!(part = self.name, "is away"),
            _ => {}
        }
        before != up
    }
}

/// Everything that we depend on.
fn parts(app: &App, agreement: &Agreement) -> Vec<Part> {
    let redis = Part::new("redis", Need::Nothing, |app| ready(app.cache.shared() == Shared::Up).boxed());
    let redis = (app.cache.shared() != Shared::NotConfigured).then_some(redis);
    let always = [
        Part::new("database", Need::Everything, |app| {
            // For those whom nobody asks for the page: the exporter sends what is there.
            app.db.measure();
            async { app.db.ping().await.is_ok() }.boxed()
        })
        .tolerated_for(TOLERANCE),
        Part::new("object_store", Need::Services(&["backline.v1.StorageService"]), |app| {
            async { app.objects.ping().await.is_ok() }.boxed()
        }),
        // It has its own time limits.
        Part::new("mail", Need::Nothing, |app| app.mailer.answers().boxed()).asked_every(MAIL_EVERY, MAIL_EVERY),
        Part::new("keys", Need::Nothing, {
            let agreement = agreement.clone();
            move |_| ready(agreement.on_keys()).boxed()
        }),
        Part::new("clock", Need::Nothing, {
            let agreement = agreement.clone();
            move |_| ready(agreement.on_time()).boxed()
        }),
    ];
    always.into_iter().chain(redis).collect()
}

/// What depends on what, right now. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
    state: Arc<State>,
}

struct State {
    parts: Vec<Part>,
    draining: AtomicBool,
    /// One report at a time, so that the last one tells the latest.
    reporting: Mutex<()>,
}

impl Health {
    /// Asks once for what calls need, then follows each part on a task of its own until `stop`.
    pub async fn start(app: App, stop: CancellationToken) -> Self {
        let agreement = Agreement::default();
        let state =
            State { parts: parts(&app, &agreement), draining: AtomicBool::new(false), reporting: Mutex::default() };
        let health = Self { reporter: HealthReporter::new(), state: Arc::new(state) };
        tokio::spawn(agree(&agreement, &app, stop.clone()));
        let needed = health.state.parts.iter().filter(|part| !matches!(part.needed_by, Need::Nothing));
        join_all(needed.map(async |part| part.turn(part.answers(&app).await))).await;
        health.report().await;
        for part in 0..health.state.parts.len() {
            let following = health.clone().follow(part, app.clone());
            let stop = stop.clone();
            tokio::spawn(async move { stop.run_until_cancelled(following).await });
        }
        health
    }

    pub fn service(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    /// Whether calls can be served at all.
    pub fn is_ready(&self) -> bool {
        let lacking = |part: &Part| matches!(part.needed_by, Need::Everything) && !part.is_up();
        !self.state.draining.load(Ordering::Relaxed) && !self.state.parts.iter().any(lacking)
    }

    /// Each dependency by name, and whether it answers.
    pub fn dependencies(&self) -> Vec<(&'static str, bool)> {
        self.state.parts.iter().map(|part| (part.name, part.is_up())).collect()
    }

    /// From here on everything is `NOT_SERVING`: the server is going.
    pub async fn stop_serving(&self) {
        self.state.draining.store(true, Ordering::Relaxed);
        self.report().await;
    }

    async fn follow(self, part: usize, app: App) {
        let part = &self.state.parts[part];
        let mut seen = Instant::now();
        loop {
            let answers = part.answers(&app).await;
            if answers {
                seen = Instant::now();
            }
            if part.turn(answers || (part.is_up() && seen.elapsed() < part.tolerance)) {
                self.report().await;
            }
            tokio::time::sleep(part.every).await;
        }
    }

    async fn report(&self) {
        let _alone = self.state.reporting.lock().await;
        let ready = self.is_ready();
        let status = |serving| if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.reporter.set_service_status("", status(ready)).await;
        for service in service_names() {
            self.reporter.set_service_status(service, status(ready && !self.lacks(service))).await;
        }
    }

    /// Whether a part is away that this service cannot do without.
    fn lacks(&self, service: &str) -> bool {
        let needs = |part: &Part| matches!(part.needed_by, Need::Services(names) if names.contains(&service));
        self.state.parts.iter().any(|part| needs(part) && !part.is_up())
    }
}

/// Goes on comparing with the other instances.
fn agree(agreement: &Agreement, app: &App, stop: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
    let (db, keys, clock) = (app.db.clone(), (*app.keys).clone(), app.clock.clone());
    agreement.clone().follow(db, keys, clock, app.config.keys_dir(), stop)
}

/// Full names of our services, each once.
fn service_names() -> Vec<&'static str> {
    let mut names: Vec<&str> =
        ALL.iter().filter_map(|(path, _)| path.trim_start_matches('/').split('/').next()).collect();
    names.dedup();
    names
}
