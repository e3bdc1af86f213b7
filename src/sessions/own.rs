//! One's own sessions, one at a time.

use super::{Error, store};
use crate::{
    app::App,
    audit,
    entity::session,
    kernel::{Caller, Principal, ids::SessionId},
    rpc::once::Record,
};

/// One of one's own live sessions.
pub async fn get(app: &App, caller: &Caller, id: SessionId) -> Result<session::Model, Error> {
    store::find_live(&app.db, caller.account, id, app.clock.now()).await?.ok_or(Error::NotFound)
}

/// A session with its new name.
pub struct Renamed {
    pub session: session::Model,
    /// The session of the call.
    pub current: SessionId,
}

/// Gives one of one's own live sessions another name; an empty one takes the name away.
pub async fn rename(
    app: &App,
    caller: &Caller,
    id: SessionId,
    name: &str,
    once: &impl Record<Renamed>,
) -> Result<Renamed, Error> {
    let tx = app.db.begin_write().await?;
    let changed = store::update_device_name(&tx, caller.account, id, name, app.clock.now()).await?;
    let session = changed.ok_or(Error::NotFound)?;
    let event = audit::Event::new(Principal::Account(caller.account), "session_updated", "session", id);
    audit::write(&tx, app, Some(&caller.facts), event).await?;
    let renamed = Renamed { session, current: caller.session };
    once.record(&tx, &renamed).await?;
    tx.commit().await?;
    Ok(renamed)
}
