//! Hearing of sessions that ended or were opened, and roles that changed, anywhere: other instances, workers, the command line.
//! Redis tells sooner, and may be away; this is what everybody can rely on.

use std::time::Duration;

use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use super::{end::cause_name, store};
use crate::{
    accounts,
    app::App,
    cache::{CurrentRoles, News, Revoked},
    config::SessionsConfig,
    kernel::Timestamp,
};

/// How often the database is asked.
const EVERY: Duration = Duration::from_secs(1);
/// Clocks of instances differ, and a commit becomes visible after the time it carries.
const OVERLAP: Duration = Duration::from_secs(10);

/// Keeps the cache's sets as the database has them. Loads them once before it returns, then follows on a task until
/// `stop`.
///
/// # Errors
/// When the first load fails: without it a restart would forget who was signed out.
pub async fn follow_changes(app: &App, stop: CancellationToken) -> Result<tokio::task::JoinHandle<()>, DbErr> {
    let app = App { db: app.db.in_background(), ..app.clone() };
    // Not the configured life: tokens from before it was shortened live on.
    let life = SessionsConfig::MOST_ACCESS_TOKEN_LIFE;
    load(&app, app.clock.now() - life - OVERLAP).await?;
    Ok(tokio::spawn(async move {
        let mut since = app.clock.now();
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = tick.tick() => {}
            }
            let now = app.clock.now();
            match load(&app, since - OVERLAP).await {
                Ok(()) => since = now,
                Err(error) => {
                    tracing::warn!(%error, "ended sessions could not be read; those of other instances live on");
                }
            }
            app.cache.forget_before(now - life - OVERLAP);
        }
    }))
}

async fn load(app: &App, since: Timestamp) -> Result<(), DbErr> {
    for (session, at, cause) in store::list_ended_since(&app.db, since).await? {
        app.cache.learn(News::ended(session, Revoked { cause: cause_name(cause), at }));
    }
    if app.cache.has_session_watchers() {
        for (session, account, at) in store::list_opened_since(&app.db, since).await? {
            app.cache.learn(News::SessionOpened { account, session, at });
        }
    }
    for account in accounts::list_roles_changed_since(&app.db, since).await? {
        let at = account.roles_changed_at.unwrap_or(since);
        let current = CurrentRoles { version: account.roles_version, roles: account.roles, at };
        app.cache.learn(News::roles(account.id, current));
    }
    Ok(())
}
