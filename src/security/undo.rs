//! «It was not me»: taking back a change by the link of its letter.

use super::{Error, proofs, reset};
use crate::{
    accounts::{self, Change, Undone},
    app::App,
    audit,
    db::{WriteTx, violates_uniqueness},
    entity::{account, session::EndCause},
    factors,
    kernel::{Digest, EmailAddress, Facts, Principal},
    privacy,
    rpc::once::Record,
    sessions::{self, Which},
};

/// What was done.
pub struct Outcome {
    /// What the link was about first, then what came later.
    pub changes: Vec<Change>,
    /// The password is off, and its owner got a letter to set another.
    pub reset_sent: bool,
}

/// Takes back the change that a link is about, and those made since. Ends every session and forgets every device.
pub async fn undo(app: &App, facts: &Facts, token: Digest, once: &impl Record<Outcome>) -> Result<Outcome, Error> {
    let now = app.clock.now();
    let tx = app.db.begin_write().await?;
    let Undone { account, changes } = accounts::take_undo(&tx, app, token).await?.ok_or(Error::TokenInvalid)?;
    if !can_be_mended(&account, &changes) {
        return Err(Error::TokenInvalid);
    }
    let ended = sessions::end(&tx, app, account.id, Which::All, EndCause::Undone, now).await?;
    sessions::devices::forget_all(&tx, app, account.id).await?;
    proofs::void_all(&tx, account.id, now).await?;
    // A stranger may stand between the password and the factor.
    factors::void_flows(&tx, account.id).await?;
    let mut mended = Mended { account, mailbox_is_theirs: true };
    // The newest first, so that the oldest state is what stays.
    for change in changes.iter().rev() {
        take_back(&tx, app, &mut mended, change).await?;
    }
    let reset_sent = close_password(&tx, app, &mended, &changes).await?;
    let names: Vec<&str> = changes.iter().map(Change::name).collect();
    let event = audit::Event::new(Principal::Anonymous, "authn_change_undone", "account", mended.account.id)
        .with(serde_json::json!({ "changes": names, "ended": ended.len() }));
    audit::write(&tx, app, Some(facts), event).await?;
    let outcome = Outcome { changes, reset_sent };
    once.record(&tx, &outcome).await?;
    tx.commit().await?;
    Ok(outcome)
}

/// A deleted account comes back only by the link about its deletion.
fn can_be_mended(account: &account::Model, changes: &[Change]) -> bool {
    account.status != account::Status::Deleted || changes.iter().any(|change| matches!(change, Change::DeletionStarted))
}

struct Mended {
    account: account::Model,
    /// Whether the account's address is the one that the owner reads.
    mailbox_is_theirs: bool,
}

async fn take_back(tx: &WriteTx, app: &App, mended: &mut Mended, change: &Change) -> Result<(), Error> {
    match change {
        Change::EmailChanged { former } => bring_back_address(tx, app, mended, former).await,
        // Ending the sessions and closing the password is all there is to do.
        Change::PasswordChanged | Change::SignedIn | Change::SessionReused => Ok(()),
        Change::DeletionStarted => {
            let back = privacy::cancel_deletion(tx, app, mended.account.id, Principal::Anonymous, None).await?;
            // One that was cancelled before is no hindrance; one that went through is the end.
            let gone = !back && mended.account.status == account::Status::Deleted;
            if gone { Err(Error::TokenInvalid) } else { Ok(()) }
        }
        Change::FactorAdded { factor } => {
            if let Ok(factor) = factor.parse() {
                factors::undo_added(tx, app, mended.account.id, factor).await?;
            }
            Ok(())
        }
        Change::FactorRemoved { factor } => {
            if let Ok(factor) = factor.parse() {
                factors::undo_removed(tx, app, mended.account.id, factor).await?;
            }
            Ok(())
        }
        Change::RecoveryCodesRenewed => Ok(factors::void_codes(tx, mended.account.id).await?),
    }
}

/// The former address, unless somebody else has it by now.
async fn bring_back_address(tx: &WriteTx, app: &App, mended: &mut Mended, former: &str) -> Result<(), Error> {
    let Ok(former) = former.parse::<EmailAddress>() else { return Ok(()) };
    let owner = accounts::find_by_email(tx, &former).await?;
    if owner.is_some_and(|owner| owner.id != mended.account.id) {
        mended.mailbox_is_theirs = false;
        return Ok(());
    }
    let changed = accounts::update_email(tx, mended.account.id, &mended.account.email, &former, app.clock.now()).await;
    let changed = changed.map_err(|error| if violates_uniqueness(&error) { Error::Changed } else { error.into() })?;
    if !changed {
        return Err(Error::Changed);
    }
    privacy::note_former_address(tx, app, mended.account.id, &mended.account.email).await?;
    mended.account.email = former;
    mended.mailbox_is_theirs = true;
    Ok(())
}

/// Where an intruder may know the password, it works no more, and a reset letter goes to the owner's mailbox. A copied
/// token alone tells nobody the password; and whoever keeps an account that was to be deleted signs in as before.
///
/// No password has the new hash, so nothing that was decided on the old one goes through later.
async fn close_password(tx: &WriteTx, app: &App, mended: &Mended, changes: &[Change]) -> Result<bool, Error> {
    if changes.iter().all(|change| matches!(change, Change::SessionReused | Change::DeletionStarted)) {
        return Ok(false);
    }
    let (account, now) = (&mended.account, app.clock.now());
    if !accounts::update_password(tx, account.id, &account.password_hash, app.hasher.unusable(), now).await? {
        return Err(Error::Changed);
    }
    sessions::turn_password_off(tx, app, account.id).await?;
    if mended.mailbox_is_theirs {
        reset::send(tx, app, &mended.account).await?;
    }
    Ok(mended.mailbox_is_theirs)
}
