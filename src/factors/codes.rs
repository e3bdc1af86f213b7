//! Recovery codes: ten on paper, for whoever has lost their factors.

use sea_orm::DbErr;
use uuid::Uuid;

use super::store;
use crate::{
    app::App,
    db::WriteTx,
    kernel::{Digest, ids::AccountId},
};

const CODES: usize = 10;
/// No letter that can be taken for another, no digit for a letter (Crockford's base 32 without 0 and 1).
const LETTERS: [u8; 30] = *b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 58 bits: more than anyone can try, so that a keyed hash keeps them safe without costing time.
const LENGTH: usize = 12;

/// New codes, and what is kept of them. They cannot print themselves.
pub struct RecoveryCodes {
    /// As shown: `XXXX-XXXX-XXXX`.
    pub shown: Vec<String>,
    macs: Vec<Digest>,
}

impl RecoveryCodes {
    pub fn throw(app: &App, account: AccountId) -> Self {
        let code = || -> String { (0..LENGTH).map(|_| char::from(LETTERS[app.dice.below(30) as usize])).collect() };
        let codes: Vec<String> = (0..CODES).map(|_| code()).collect();
        Self {
            macs: codes.iter().map(|code| mac(app, account, code)).collect(),
            shown: codes.iter().map(|code| format!("{}-{}-{}", &code[..4], &code[4..8], &code[8..])).collect(),
        }
    }
}

/// What is kept of a code.
pub(super) fn mac(app: &App, account: AccountId, code: &str) -> Digest {
    let key = app.keys.derived("recovery codes");
    Digest::mac(&key, &[Uuid::from(account).as_bytes(), code.as_bytes()])
}

/// Puts new codes in the place of the old.
///
/// # Errors
/// When the database fails.
pub async fn renew_codes(tx: &WriteTx, app: &App, account: AccountId, codes: &RecoveryCodes) -> Result<(), DbErr> {
    store::delete_codes(tx, account).await?;
    store::insert_codes(tx, account, &codes.macs, app.clock.now()).await
}

/// Makes the codes of an account worthless: somebody else may have seen them.
///
/// # Errors
/// When the database fails.
pub async fn void_codes(tx: &WriteTx, account: AccountId) -> Result<(), DbErr> {
    store::delete_codes(tx, account).await
}
