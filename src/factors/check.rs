//! Whether what somebody gives is a factor of this account.
//!
//! Checking and spending are two steps: the check stands before the transaction of the act, the spending in it. So an
//! act that fails spends nothing, and of two acts with one code only one happens.

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::Value;
use uuid::Uuid;

use super::{Error, codes, guessing, store};
use crate::{
    app::App,
    audit,
    db::WriteTx,
    entity::factor::{Kind, Model},
    kernel::{
        CheckedBy, Digest, Facts, Principal, Timestamp,
        ids::{AccountId, FactorId},
    },
    vault::{Assertion, Rejected, Totp},
};

/// What somebody gives to prove a factor.
#[derive(Clone, Debug)]
pub enum Given {
    Totp(Secret),
    RecoveryCode(Secret),
    Passkey(Box<Assertion>),
}

impl Given {
    pub fn totp(code: String) -> Self {
        Self::Totp(Secret(code))
    }

    pub fn recovery_code(code: String) -> Self {
        Self::RecoveryCode(Secret(code))
    }

    /// What a right one would be a check by.
    pub fn by(&self) -> CheckedBy {
        match self {
            Self::Totp(_) => CheckedBy::Totp,
            Self::RecoveryCode(_) => CheckedBy::RecoveryCode,
            Self::Passkey(_) => CheckedBy::Passkey,
        }
    }
}

/// A code as typed. It cannot print itself.
#[derive(Clone)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A right answer that is not yet spent.
#[must_use = "a right answer is good for one act: spend it in the act's transaction"]
pub struct Passed {
    account: AccountId,
    how: How,
}

enum How {
    Totp { factor: FactorId, step: i64 },
    RecoveryCode { mac: Digest },
    Passkey { factor: FactorId, sealed: Vec<u8>, sign_count: i64 },
}

impl Passed {
    pub fn by(&self) -> CheckedBy {
        match self.how {
            How::Totp { .. } => CheckedBy::Totp,
            How::RecoveryCode { .. } => CheckedBy::RecoveryCode,
            How::Passkey { .. } => CheckedBy::Passkey,
        }
    }

    /// Spends it, in the transaction of what it opens, and forgives the wrong codes before.
    ///
    /// # Errors
    /// [`Error::WrongCode`] or [`Error::PasskeyRejected`] if another act was faster.
    pub async fn spend(&self, tx: &WriteTx, app: &App) -> Result<(), Error> {
        let now = app.clock.now();
        let first = match &self.how {
            How::Totp { factor, step } => store::update_spent_step(tx, *factor, *step, now).await?,
            How::RecoveryCode { mac } => store::update_code_used(tx, self.account, *mac, now).await?,
            How::Passkey { factor, sealed, sign_count } => {
                store::update_signed(tx, *factor, sealed, *sign_count, now).await?
            }
        };
        match &self.how {
            _ if first => Ok(store::update_forgiven(tx, self.account).await?),
            How::Passkey { .. } => Err(Error::PasskeyRejected),
            How::Totp { .. } | How::RecoveryCode { .. } => Err(Error::WrongCode),
        }
    }
}

/// Checks what was given against the factors of an account. `challenge` is what a passkey was asked to sign.
///
/// # Errors
/// [`Error::WrongCode`], [`Error::PasskeyRejected`], or [`Error::Locked`] and [`Error::Off`] after too many wrong codes
/// of apps. [`Error::FlowOver`] for a passkey that was asked nothing.
pub async fn check(
    app: &App,
    facts: &Facts,
    account: AccountId,
    given: &Given,
    challenge: Option<&Value>,
) -> Result<Passed, Error> {
    match given {
        Given::Totp(Secret(code)) => check_totp(app, facts, account, code).await,
        Given::RecoveryCode(Secret(code)) => check_recovery_code(app, account, code).await,
        Given::Passkey(answer) => check_passkey(app, facts, account, answer, challenge.ok_or(Error::FlowOver)?).await,
    }
}

async fn check_totp(app: &App, facts: &Facts, account: AccountId, code: &str) -> Result<Passed, Error> {
    let now = app.clock.now();
    let apps = guessing::take_try(app, account).await?;
    for factor in &apps {
        if let Some(step) =
            step_of(app, factor, code, now).filter(|step| factor.last_step.is_none_or(|last| last < *step))
        {
            return Ok(Passed { account, how: How::Totp { factor: factor.id, step } });
        }
    }
    guessing::tell(app, facts, account, &apps).await?;
    Err(Error::WrongCode)
}

fn step_of(app: &App, factor: &Model, code: &str, now: Timestamp) -> Option<i64> {
    let secret = app.sealer.open(&place(factor.id), &factor.sealed)?;
    Totp::new(&secret).step_of(code, now)
}

/// The step of the first code of an app that waits for it. `None` if the code is not its.
pub fn first_step(app: &App, factor: &Model, code: &str) -> Option<i64> {
    step_of(app, factor, code, app.clock.now())
}

async fn check_recovery_code(app: &App, account: AccountId, code: &str) -> Result<Passed, Error> {
    let mac = codes::mac(app, account, code);
    if store::find_code(&app.db, account, mac).await? {
        Ok(Passed { account, how: How::RecoveryCode { mac } })
    } else {
        Err(Error::WrongCode)
    }
}

async fn check_passkey(
    app: &App,
    facts: &Facts,
    account: AccountId,
    answer: &Assertion,
    challenge: &Value,
) -> Result<Passed, Error> {
    let factor = find_by_answer(app, answer).await?.filter(|factor| factor.account_id == account);
    let factor = factor.ok_or(Error::PasskeyRejected)?;
    let plain = app.sealer.open(&place(factor.id), &factor.sealed).ok_or(Error::PasskeyRejected)?;
    match app.passkeys.signed(answer, challenge, &plain) {
        Ok(signed) => {
            let sealed = app.sealer.seal(&place(factor.id), &signed.passkey);
            Ok(Passed { account, how: How::Passkey { factor: factor.id, sealed, sign_count: signed.sign_count } })
        }
        Err(Rejected::Wrong) => Err(Error::PasskeyRejected),
        Err(Rejected::Copied) => {
            let tx = app.db.begin_write().await?;
            let event = audit::Event::new(Principal::Anonymous, "authn_passkey_copied", "account", account)
                .with(serde_json::json!({ "factor": factor.id }));
            audit::write(&tx, app, Some(facts), event).await?;
            tx.commit().await?;
            Err(Error::PasskeyRejected)
        }
    }
}

/// Whose passkey has answered. It says so itself, and the signature is yet to be checked.
///
/// # Errors
/// [`Error::PasskeyRejected`] if it is nobody's.
pub async fn owner_of(app: &App, answer: &Assertion) -> Result<AccountId, Error> {
    let factor = find_by_answer(app, answer).await?.ok_or(Error::PasskeyRejected)?;
    // Whoever gives no name before must be named by the passkey itself (WebAuthn level 3, 7.2, step 6).
    if answer.user().is_some() { Ok(factor.account_id) } else { Err(Error::PasskeyRejected) }
}

/// The passkey in force that an answer is by; none if the answer names another owner.
async fn find_by_answer(app: &App, answer: &Assertion) -> Result<Option<Model>, Error> {
    let found = store::find_passkey(&app.db, Digest::sha256(answer.credential_id())).await?;
    Ok(found.filter(|factor| answer.user().is_none_or(|user| user == Uuid::from(factor.account_id))))
}

/// The credential ids of the passkeys among these factors.
pub fn credential_ids(app: &App, factors: &[Model]) -> Vec<Vec<u8>> {
    let passkeys = factors.iter().filter(|factor| factor.kind == Kind::Passkey);
    let plain = passkeys.filter_map(|factor| app.sealer.open(&place(factor.id), &factor.sealed));
    plain.filter_map(|passkey| app.passkeys.credential_id(&passkey)).collect()
}

/// Whether each of `limit` factors opens under the vault's keys.
///
/// # Errors
/// When the database fails.
pub async fn sample(db: &impl ConnectionTrait, app: &App, limit: u64) -> Result<Vec<bool>, DbErr> {
    let rows = store::list_some(db, limit).await?;
    Ok(rows.iter().map(|row| app.sealer.open(&place(row.id), &row.sealed).is_some()).collect())
}

/// The additional data that a factor is sealed with.
pub(super) fn place(id: FactorId) -> Vec<u8> {
    format!("factor/{id}").into_bytes()
}
