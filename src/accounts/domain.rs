//! One's own account.

use super::{Error, store};
use crate::{
    app::App,
    audit,
    entity::account,
    kernel::{Caller, Principal},
    rpc::once::Record,
};

/// Changes one's own profile.
pub async fn update_profile(
    app: &App,
    caller: &Caller,
    profile: &store::Profile,
    seen: Option<i64>,
    once: &impl Record<account::Model>,
) -> Result<account::Model, Error> {
    let tx = app.db.begin_write().await?;
    let changed = store::update_profile(&tx, caller.account, profile, seen, app.clock.now()).await?;
    let Some(account) = changed else {
        let left = store::find(&tx, caller.account).await?;
        return Err(if left.is_some_and(|left| left.status != account::Status::Deleted) {
            Error::Changed
        } else {
            Error::Gone
        });
    };
    let event = audit::Event::new(Principal::Account(caller.account), "user_updated", "account", account.id);
    audit::write(&tx, app, Some(&caller.facts), event).await?;
    once.record(&tx, &account).await?;
    tx.commit().await?;
    Ok(account)
}
