//! How often one account may hand in.

use std::time::Duration;

use super::{Error, store};
use crate::db::WriteTx;
use crate::{
    accounts,
    app::App,
    entity::account::Tier,
    kernel::{Timestamp, ids::AccountId},
};

/// The window slides: what was handed in longer ago than this does not count.
pub const WINDOW: Duration = Duration::from_hours(1);

/// What is left of the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub limit: u32,
    pub remaining: u32,
}

const fn limit(tier: Tier) -> u32 {
    match tier {
        Tier::Free => 20,
        Tier::Premium => 100,
    }
}

/// What will be left after one more hand-in, which `tx` makes.
///
/// The history is the count, so the limit holds over restarts and instances. The account's row is held until the commit:
/// of two calls at the same moment one counts the other's.
///
/// # Errors
/// [`Error::TooMany`], with the time after which a place is free.
pub async fn take(tx: &WriteTx, app: &App, account: AccountId) -> Result<Allowance, Error> {
    let now = app.clock.now();
    accounts::touch(tx, account, now).await?;
    let most = limit(Tier::Premium);
    let rows = store::list_hand_ins(tx, account, now - WINDOW, most.into()).await?;
    let tier = rows.first().map_or(Tier::Free, |(tier, _)| *tier);
    let times: Vec<Timestamp> = rows.into_iter().filter_map(|(_, at)| at).collect();
    left(tier, &times, now)
}

/// `times` are those in the window, newest first.
fn left(tier: Tier, times: &[Timestamp], now: Timestamp) -> Result<Allowance, Error> {
    let limit = limit(tier);
    let used = u32::try_from(times.len()).unwrap_or(u32::MAX);
    if let Some(remaining) = limit.checked_sub(used.saturating_add(1)) {
        return Ok(Allowance { limit, remaining });
    }
    // A place is free once the last of those that fill the limit has left the window.
    let frees = times.get(limit as usize - 1).map_or(now, |last| *last + WINDOW);
    Err(Error::TooMany { tier, limit, retry_after: frees.since(now) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_slides() {
        let now = Timestamp::from_micros(10_000_000_000);
        let minutes_ago = |minutes: u64| now - Duration::from_mins(minutes);
        let times: Vec<Timestamp> = (0..20).map(|n| minutes_ago(n * 2)).collect();

        assert_eq!(left(Tier::Free, &times[..19], now).unwrap(), Allowance { limit: 20, remaining: 0 });
        assert_eq!(left(Tier::Premium, &times, now).unwrap(), Allowance { limit: 100, remaining: 79 });
        let Err(Error::TooMany { limit: 20, retry_after, .. }) = left(Tier::Free, &times, now) else {
            panic!("the limit holds")
        };
        assert_eq!(retry_after, Duration::from_mins(22));
    }
}
