//! Guessing at codes of apps: when it ends, and who hears of it.
//!
//! Whoever guesses here has come past the password, or holds a session or the mailbox.

use std::time::Duration;

use super::{Error, store};
use crate::{
    accounts,
    app::App,
    audit,
    entity::factor::Model,
    kernel::{Facts, Principal, Timestamp, ids::AccountId},
    mail::Letter,
    notifications,
};

/// Tries at codes of apps before they are locked.
const TRIES: i64 = 10;
/// In how long a time.
const WINDOW: Duration = Duration::from_mins(15);
/// For how long.
const LOCK: Duration = Duration::from_mins(15);
/// Wrong codes in a row, over however long a time, after which an app is off until another factor is shown: three codes
/// of a million are right at any moment, so that all these guesses hit one in three thousand times.
const MOST_IN_A_ROW: i64 = 100;

/// Counts a try at the account's apps, durably, and returns those that may be looked at: one at least.
///
/// # Errors
/// [`Error::Locked`] or [`Error::Off`]; [`Error::WrongCode`] if there is no app.
pub async fn take_try(app: &App, account: AccountId) -> Result<Vec<Model>, Error> {
    let now = app.clock.now();
    let tries =
        store::Tries { most: TRIES, since: now - WINDOW, now, locked_until: now + LOCK, in_a_row: MOST_IN_A_ROW };
    let apps = store::update_counted_tries(&app.db, account, tries).await?;
    if apps.is_empty() { Err(why_none(&store::list_active(&app.db, account).await?, now)) } else { Ok(apps) }
}

/// Why no app of these factors may be looked at.
fn why_none(factors: &[Model], now: Timestamp) -> Error {
    let waiting = factors.iter().filter(|factor| !is_off(factor)).filter_map(|factor| factor.locked_until).max();
    match waiting.filter(|until| *until > now) {
        Some(until) => Error::Locked { retry_after: until.since(now) },
        None if factors.iter().any(is_off) => Error::Off,
        None => Error::WrongCode,
    }
}

/// Whether codes of this app are refused until another factor is shown.
pub fn is_off(factor: &Model) -> bool {
    factor.failures >= MOST_IN_A_ROW
}

/// After a wrong code at these apps: if it was the last one before a lock, the owner and the trail hear of it. Once an
/// episode: one try alone reaches the number.
///
/// # Errors
/// When the database fails.
pub async fn tell(app: &App, facts: &Facts, account: AccountId, apps: &[Model]) -> Result<(), Error> {
    let now = app.clock.now();
    let off = apps.iter().any(is_off);
    if !off && apps.iter().all(|factor| factor.locked_until.is_none_or(|until| until <= now)) {
        return Ok(());
    }
    let Some(account) = accounts::find(&app.db, account).await? else { return Ok(()) };
    let letter = Letter::FactorLocked { off };
    let until = if off { "another_factor" } else { "time" };
    let tx = app.db.begin_write().await?;
    let key = format!("factor_locked/{}/{}", account.id, now.micros());
    notifications::post(&tx, app, &key, &account, &letter).await?;
    let event = audit::Event::new(Principal::Anonymous, "authn_factor_lock", "account", account.id)
        .with(serde_json::json!({ "until": until }));
    audit::write(&tx, app, Some(facts), event).await?;
    tx.commit().await?;
    Ok(())
}
