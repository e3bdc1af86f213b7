//! Health that tells the truth about what we depend on.
//!
//! Without its database no service can do anything: all say `NOT_SERVING` once it has been away for a few seconds. Without
//! the object store only the services that move bytes do; the server as a whole stays ready, degraded. So it is without its
//! mail server: letters wait in the queue. And so it is where it has other keys than the other instances, or another time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};
use tracing::{info, warn};

use crate::{app::App, fleet::Agreement, mail::Mailer, rpc::list::ALL};

/// How often dependencies are asked.
const EVERY: Duration = Duration::from_secs(1);
/// How often the mail server is asked: each time is a sign-in over there.
const MAIL_EVERY: Duration = Duration::from_secs(30);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the database may be away before we say so: shorter gaps are ridden out by retries.
const TOLERANCE: Duration = Duration::from_secs(3);
/// Without the object store these cannot work.
const MOVES_BYTES: &str = "backline.v1.StorageService";

/// What depends on what, right now. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    database: AtomicBool,
    objects: AtomicBool,
    mail: AtomicBool,
    draining: AtomicBool,
    agreement: Agreement,
}

impl Health {
    /// Asks once, then follows on a task until `stop`.
    pub async fn start(app: App, stop: CancellationToken) -> Self {
        let state = State { mail: AtomicBool::new(true), ..State::default() };
        let health = Self { reporter: HealthReporter::new(), state: Arc::new(state) };
        let (database, objects) = ask(&app).await;
        health.publish(database, objects).await;
        tokio::spawn(agree(&health.state.agreement, &app, stop.clone()));
        tokio::spawn(health.clone().follow_mail(app.mailer.clone(), stop.clone()));
        let following = health.clone();
        tokio::spawn(async move {
            let mut database_seen = Instant::now();
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(EVERY) => {}
                }
                let (database, objects) = ask(&app).await;
                if database {
                    database_seen = Instant::now();
                }
                following.publish(database || database_seen.elapsed() < TOLERANCE, objects).await;
            }
        });
        health
    }

    pub fn service(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    /// Whether calls can be served at all.
    pub fn is_ready(&self) -> bool {
        self.state.database.load(Ordering::Relaxed) && !self.state.draining.load(Ordering::Relaxed)
    }

    /// Each dependency by name, and whether it answers.
    pub fn dependencies(&self) -> [(&'static str, bool); 5] {
        [
            ("database", self.state.database.load(Ordering::Relaxed)),
            ("object_store", self.state.objects.load(Ordering::Relaxed)),
            ("mail", self.state.mail.load(Ordering::Relaxed)),
            ("keys", self.state.agreement.on_keys()),
            ("clock", self.state.agreement.on_time()),
        ]
    }

    /// From here on everything is `NOT_SERVING`: the server is going.
    pub async fn stop_serving(&self) {
        self.state.draining.store(true, Ordering::Relaxed);
        self.report().await;
    }

    /// Asks the mail server now and then: it may be slow, and nobody waits for it.
    async fn follow_mail(self, mailer: Mailer, stop: CancellationToken) {
        loop {
            let answers = mailer.answers().await;
            match (self.state.mail.swap(answers, Ordering::Relaxed), answers) {
                (true, false) => warn!(part = "mail", "is away"),
                (false, true) => info!(part = "mail", "answers"),
                _ => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(MAIL_EVERY) => {}
            }
        }
    }

    async fn publish(&self, database: bool, objects: bool) {
        let changed = [
            ("database", self.state.database.swap(database, Ordering::Relaxed), database),
            ("object store", self.state.objects.swap(objects, Ordering::Relaxed), objects),
        ];
        for (part, before, now) in changed {
            match (before, now) {
                (false, true) => info!(part, "answers"),
                (true, false) => warn!(part, "is away"),
                _ => {}
            }
        }
        if changed.iter().any(|(_, before, now)| before != now) {
            self.report().await;
        }
    }

    async fn report(&self) {
        let ready = self.is_ready();
        let bytes = ready && self.state.objects.load(Ordering::Relaxed);
        let status = |serving| if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.reporter.set_service_status("", status(ready)).await;
        for service in service_names() {
            let serving = if service == MOVES_BYTES { bytes } else { ready };
            self.reporter.set_service_status(service, status(serving)).await;
        }
    }
}

/// Goes on comparing with the other instances.
fn agree(agreement: &Agreement, app: &App, stop: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
    let (db, keys, clock) = (app.db.clone(), (*app.keys).clone(), app.clock.clone());
    agreement.clone().follow(db, keys, clock, app.config.keys_dir(), stop)
}

async fn ask(app: &App) -> (bool, bool) {
    let database = tokio::time::timeout(PATIENCE, app.db.ping());
    let objects = tokio::time::timeout(PATIENCE, app.objects.ping());
    let (database, objects) = tokio::join!(database, objects);
    (matches!(database, Ok(Ok(()))), matches!(objects, Ok(Ok(()))))
}

/// Full names of our services, each once.
fn service_names() -> Vec<&'static str> {
    let mut names: Vec<&str> =
        ALL.iter().filter_map(|(path, _)| path.trim_start_matches('/').split('/').next()).collect();
    names.dedup();
    names
}
