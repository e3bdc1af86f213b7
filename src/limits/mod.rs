//! How often anyone may do something: the counting behind [`crate::rpc::limit`], and limits that calls alone do not show.
//!
//! It promises that a limit holds exactly, however many calls come at once: over all instances that share a Redis, else
//! within one process. Nothing personal is kept: windows are found by keyed hashes. While Redis is away each instance
//! counts by itself against its share of the limit. Counts may be forgotten; what must not be (hand-ins, failed sign-ins) is
//! counted by rows, in its feature. No tables.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    app::App,
    cache::{Limit, Pool},
    config::LimitsConfig,
    kernel::{Digest, EmailAddress, Facts, ids::AccountId},
    rpc::limit::{self, Admitted, Class, Exceeded, Payer},
};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Counts the calls of the gate.
#[derive(Clone, Debug)]
pub struct Calls {
    app: App,
    key: [u8; 32],
}

impl Calls {
    pub fn new(app: App) -> Self {
        Self { key: key(&app), app }
    }
}

#[async_trait]
impl limit::Limit for Calls {
    async fn admit(&self, class: Class, payer: Payer) -> Result<Admitted, Exceeded> {
        let config = &self.app.config.limits;
        let (scope, limit) = of(class, config);
        let (pool, payer) = match payer {
            Payer::Address(address) => (Pool::Addresses, address.prefix()),
            Payer::Account(account) => (Pool::Accounts, account.to_string()),
            Payer::Session(session) => (Pool::Accounts, session.to_string()),
        };
        let count = Counter { app: &self.app, key: self.key, scope }.take(pool, limit, &[payer.as_bytes()]).await?;
        let wants_challenge = class == Class::Costly && count > config.costly_challenge_per_hour;
        Ok(Admitted { wants_challenge })
    }
}

/// The name that clients are told, and the numbers.
fn of(class: Class, config: &LimitsConfig) -> (&'static str, Limit) {
    let (scope, most, window) = match class {
        Class::OpenRead => ("open_reads", config.open_reads_per_minute, MINUTE),
        Class::Costly => ("costly", config.costly_per_hour, HOUR),
        Class::Try => ("tries", config.tries_per_minute, MINUTE),
        Class::Login => ("logins", config.logins_per_minute, MINUTE),
        Class::Refresh => ("refreshes", config.refreshes_per_minute, MINUTE),
        Class::Read => ("reads", config.reads_per_minute, MINUTE),
        Class::Write => ("writes", config.writes_per_minute, MINUTE),
        Class::PasswordCheck => ("password_checks", config.password_checks_per_hour, HOUR),
        Class::Chunk => ("chunks", config.chunks_per_minute, MINUTE),
        Class::Transfer => ("transfers", config.transfers_per_minute, MINUTE),
        Class::Watch => ("watches", config.watches_per_minute, MINUTE),
    };
    (scope, Limit { most, window })
}

/// A letter that somebody asks to be sent to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Registration,
    Reset,
    EmailChange,
}

impl Asked {
    const fn name(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Reset => "reset",
            Self::EmailChange => "email change",
        }
    }

    /// A reset's window is its link's life: whoever has used it up holds a link that works.
    const fn window(self) -> Duration {
        match self {
            Self::Registration | Self::EmailChange => HOUR,
            Self::Reset => Duration::from_mins(30),
        }
    }
}

/// Others may ask for this many times the letters of one asker.
const ASKERS: u32 = 4;

/// Counts one more letter to this address, known or not.
///
/// To be asked before the address is looked up: the refusal must not tell whether somebody has it. What one asker may is
/// counted apart from what all may, so that nobody uses up another's letters from one place.
///
/// # Errors
/// [`Exceeded`], when the mailbox has had enough.
pub async fn letter(app: &App, by: &Facts, asked: Asked, to: &EmailAddress) -> Result<(), Exceeded> {
    let (most, window) = (app.config.limits.letters_per_hour, asked.window());
    let counter = Counter { app, key: key(app), scope: "letters" };
    let (to, prefix) = (to.expose().as_bytes(), by.address.prefix());
    let mine: [&[u8]; 3] = [asked.name().as_bytes(), to, prefix.as_bytes()];
    counter.take(Pool::Addresses, Limit { most, window }, &mine).await?;
    let all = Limit { most: most.saturating_mul(ASKERS), window };
    counter.take(Pool::Mailboxes, all, &mine[..2]).await.map(drop)
}

/// Counts one more change of address that an account begins. Each sends a letter to the mailbox it has, which no other
/// account can write to in this way, and one to a mailbox that the caller names.
///
/// # Errors
/// [`Exceeded`], when it began enough of them.
pub async fn email_change(app: &App, by: AccountId) -> Result<(), Exceeded> {
    let limit = Limit { most: app.config.limits.email_changes_per_hour, window: HOUR };
    let counter = Counter { app, key: key(app), scope: "email_changes" };
    counter.take(Pool::Accounts, limit, &[by.to_string().as_bytes()]).await.map(drop)
}

fn key(app: &App) -> [u8; 32] {
    app.keys.derived("limits")
}

/// Counts what falls under one scope.
struct Counter<'a> {
    app: &'a App,
    key: [u8; 32],
    /// As clients are told.
    scope: &'static str,
}

impl Counter<'_> {
    async fn take(&self, pool: Pool, limit: Limit, payer: &[&[u8]]) -> Result<u32, Exceeded> {
        let (app, scope) = (self.app, self.scope);
        let parts: Vec<&[u8]> = std::iter::once(scope.as_bytes()).chain(payer.iter().copied()).collect();
        let window = Digest::mac(&self.key, &parts);
        app.cache.take(pool, &window, limit, app.clock.now()).await.map_err(|retry_after| {
            metrics::counter!("backline_rate_limited_total", "scope" => scope).increment(1);
            Exceeded { scope, limit: limit.most, retry_after }
        })
    }
}
