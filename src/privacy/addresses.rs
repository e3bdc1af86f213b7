//! Addresses that an account has left.

use sea_orm::DbErr;

use super::ends;
use crate::{
    app::App,
    db::WriteTx,
    kernel::{EmailAddress, ids::AccountId},
    notifications, sessions,
};

/// Notes whose an address was, in the transaction that changes it: what is known by the address alone would be found by
/// no export and no erasure any more.
///
/// # Errors
/// When the database fails.
pub async fn note_former_address(
    tx: &WriteTx,
    app: &App,
    account: AccountId,
    former: &EmailAddress,
) -> Result<(), DbErr> {
    notifications::keep_letters(tx, app, account, former).await?;
    ends::update_registrations_kept(tx, former, account).await?;
    ends::update_attempts_kept(tx, sessions::identifier_mac(app, former), account).await
}
