//! How old the newest backup and the newest drill are, for whoever watches over the server.
//!
//! Read from the place and never from memory: every instance tells the same, from its start on.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Error, Manifest, Name, Place, jobs};
use crate::{app::App, kernel::Timestamp};

/// How often the place is looked at.
const EVERY: Duration = Duration::from_mins(1);

/// Tells the age of backups and drills until `stop`. Nothing to do where no backups are made.
pub async fn follow(app: App, stop: CancellationToken) {
    let Some(to) = app.config.backup.to.clone() else { return };
    let place = match Place::open(&app.config, &to) {
        Ok(place) => place,
        Err(error) => {
            warn!(%error, "the age of backups is not told");
            return;
        }
    };
    let mut known = None;
    loop {
        if let Err(error) = tell(&app, &place, &mut known).await {
            warn!(%error, "the place of the backups cannot be read");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn tell(app: &App, place: &Place, known: &mut Option<(Name, Manifest)>) -> Result<(), Error> {
    let found = place.find().await?;
    let now = app.clock.now();
    // None at all is as old as can be, so that an alert on the age needs no second rule.
    let never = Timestamp::from_micros(0);
    if let Some(newest) = found.whole.last()
        && known.as_ref().is_none_or(|(name, _)| name != newest)
    {
        *known = Some((newest.clone(), place.manifest(newest).await?));
    }
    let last = known.as_ref().filter(|(name, _)| found.whole.contains(name)).map(|(_, manifest)| manifest);
    let at = last.map_or(never, Manifest::created_at);
    metrics::gauge!("backline_backup_last_success_timestamp_seconds").set(seconds(at.since(never)));
    metrics::gauge!("backline_backup_age_seconds").set(seconds(now.since(at)));
    metrics::gauge!("backline_backup_kept").set(number(found.whole.len() as u64));
    if let Some(last) = last {
        metrics::gauge!("backline_backup_duration_seconds").set(seconds(Duration::from_millis(last.took_ms)));
        metrics::gauge!("backline_backup_size_bytes").set(number(last.total_bytes()));
        metrics::gauge!("backline_backup_new_bytes").set(number(last.new_bytes));
    }
    let drilled = jobs::last_drill(place, &found).await?.unwrap_or(never);
    metrics::gauge!("backline_restore_drill_last_success_timestamp_seconds").set(seconds(drilled.since(never)));
    metrics::gauge!("backline_restore_drill_age_seconds").set(seconds(now.since(drilled)));
    Ok(())
}

fn seconds(span: Duration) -> f64 {
    span.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers")]
fn number(count: u64) -> f64 {
    count as f64
}
