//! Ending sessions: one's own, and those that something else ends.

use sea_orm::DbErr;

use super::{Error, impersonation, store};
use crate::{
    app::App,
    audit,
    cache::Revoked,
    db::WriteTx,
    entity::session::{self, EndCause},
    kernel::{
        Caller, Impersonator, Principal, Timestamp,
        ids::{AccountId, SessionId},
    },
};

/// Ends sessions; their access tokens are refused from the commit on, on other instances within two seconds. Returns
/// which.
///
/// Where all of an account's sessions end, or all others, so do the looks through others' eyes that its owner began:
/// whoever is no longer trusted here is not to look on there.
///
/// # Errors
/// When the database fails.
pub async fn end(
    tx: &WriteTx,
    app: &App,
    account: AccountId,
    which: store::Which<'_>,
    cause: EndCause,
    now: Timestamp,
) -> Result<Vec<SessionId>, DbErr> {
    let ended = store::update_ended(tx, account, which, cause, now).await?;
    let (own, looks): (Vec<_>, Vec<_>) = ended.into_iter().partition(|session| session.account_id == account);
    let ids = |sessions: Vec<session::Model>| sessions.into_iter().map(|session| session.id).collect::<Vec<_>>();
    let own = ids(own);
    refuse_tokens(tx, app, own.clone(), cause, now);
    refuse_tokens(tx, app, ids(looks), EndCause::ImpersonationOver, now);
    Ok(own)
}

/// Refuses access tokens of ended sessions, once it is durable that they ended.
pub(super) fn refuse_tokens(tx: &WriteTx, app: &App, ended: Vec<SessionId>, cause: EndCause, now: Timestamp) {
    let cache = app.cache.clone();
    tx.after_commit(move || {
        for id in ended {
            cache.revoke(id, Revoked { cause: cause_name(cause), at: now });
        }
    });
}

/// The cause in `SESSION_REVOKED`'s metadata.
pub(super) fn cause_name(cause: EndCause) -> &'static str {
    match cause {
        EndCause::Logout => "logout",
        EndCause::Revoked => "revoked",
        EndCause::Evicted => "evicted",
        EndCause::RefreshReuse => "refresh_reuse",
        EndCause::Expired => "expired",
        EndCause::Suspended => "suspended",
        EndCause::PasswordChanged => "password_changed",
        EndCause::EmailChanged => "email_changed",
        EndCause::FactorChanged => "factor_changed",
        EndCause::Undone => "undone",
        EndCause::Deleted => "deleted",
        EndCause::EndedByStaff => "ended_by_staff",
        EndCause::ImpersonationOver => "impersonation_over",
    }
}

/// Which of one's own sessions a logout is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    This,
    Others,
    All,
}

/// Signs out. Returns which sessions ended; repeating ends none.
///
/// # Errors
/// [`Error::ReadsOnly`] for whoever looks through another's eyes and would end more than that.
pub async fn logout(app: &App, caller: &Caller, scope: Scope) -> Result<Vec<SessionId>, Error> {
    if let Some(Impersonator { account: staff, .. }) = caller.impersonator {
        return if scope == Scope::This {
            impersonation::leave(app, caller, staff).await
        } else {
            Err(Error::ReadsOnly)
        };
    }
    let which = match scope {
        Scope::This => store::Which::These(std::slice::from_ref(&caller.session)),
        Scope::Others => store::Which::AllBut(caller.session),
        Scope::All => store::Which::All,
    };
    end_own(app, caller, which, EndCause::Logout).await
}

/// Ends one of one's own sessions; one that has ended stays ended.
pub async fn revoke(app: &App, caller: &Caller, id: SessionId) -> Result<(), Error> {
    store::find_of(&app.db, caller.account, id).await?.ok_or(Error::NotFound)?;
    end_own(app, caller, store::Which::These(&[id]), EndCause::Revoked).await.map(drop)
}

async fn end_own(
    app: &App,
    caller: &Caller,
    which: store::Which<'_>,
    cause: EndCause,
) -> Result<Vec<SessionId>, Error> {
    let tx = app.db.begin_write().await?;
    let ended = end(&tx, app, caller.account, which, cause, app.clock.now()).await?;
    if !ended.is_empty() {
        let event = audit::Event::new(Principal::Account(caller.account), "authn_logout", "session", caller.session)
            .with(serde_json::json!({ "cause": cause_name(cause), "ended": ended }));
        audit::write(&tx, app, Some(&caller.facts), event).await?;
    }
    tx.commit().await?;
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use sea_orm::Iterable;

    use super::*;

    #[test]
    fn other_instances_can_tell_every_cause() {
        for cause in EndCause::iter() {
            assert!(crate::cache::CAUSES.contains(&cause_name(cause)), "{cause:?} is not among the causes of news");
        }
    }
}
