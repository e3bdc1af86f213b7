//! `backline keys`: which keys there are, and putting new ones in their place.

use std::time::Duration;

use anyhow::bail;
use clap::{Subcommand, ValueEnum};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    config::{Config, SessionsConfig},
    db, fleet,
    kernel::{Clock, Dice, Timestamp},
    vault::{KeyFolder, KeyKind, NOTICE, Ring},
};

#[derive(Debug, Subcommand)]
pub enum Keys {
    /// List the keys by their ids; no key is shown
    List,
    /// Put a new key before the others, which go on opening what they made
    ///
    /// Running servers follow by themselves: they read the key files every few seconds, and begin to use the new key once
    /// all had the time to. Nobody is signed out.
    Rotate {
        /// Which keys
        #[arg(value_enum, default_value = "all")]
        which: Which,
        /// Use the new key at once: every server that shares the folder must see it at once as well
        #[arg(long)]
        at_once: bool,
        /// Also drop keys that nothing alive was made with; those of the vault always stay
        #[arg(long)]
        prune: bool,
    },
    /// Make the keys that are missing and go on without the lost ones
    ///
    /// For when key files are lost for good: what was sealed, signed or derived with them stays closed. Stop every instance
    /// first.
    ReplaceLost,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Which {
    /// Access tokens
    Token,
    /// Page tokens
    Page,
    /// What is sealed in the database
    Vault,
    All,
}

impl Which {
    fn kinds(self) -> Vec<KeyKind> {
        match self {
            Self::Token => vec![KeyKind::Token],
            Self::Page => vec![KeyKind::Page],
            Self::Vault => vec![KeyKind::Vault],
            Self::All => KeyKind::ALL.to_vec(),
        }
    }
}

impl Keys {
    pub async fn run(self, config: &Config) -> anyhow::Result<()> {
        let (folder, clock) = (KeyFolder::new(config.keys_dir()), Clock::System);
        match self {
            Self::List => list(&folder, &clock, config),
            Self::ReplaceLost => replace_lost(&folder, &clock, config).await,
            Self::Rotate { which, at_once, prune } => {
                let since = clock.now() + if at_once { Duration::ZERO } else { NOTICE };
                for kind in which.kinds() {
                    rotate(&folder, kind, &clock, since)?;
                    if prune {
                        // The servers' own setting may be another than that of whoever calls this.
                        let life = SessionsConfig::MOST_ACCESS_TOKEN_LIFE;
                        let dropped = folder.prune(kind, clock.now(), life)?;
                        println!("{}: {dropped} dropped", kind.name());
                    }
                }
                Ok(())
            }
        }
    }
}

fn rotate(folder: &KeyFolder, kind: KeyKind, clock: &Clock, since: Timestamp) -> anyhow::Result<()> {
    if folder.ring(kind, clock)?.is_none() {
        bail!("there is no {} key to rotate yet; the first start of the server makes it", kind.name());
    }
    folder.rotate(kind, since, &Dice::System)?;
    let Some(ring) = folder.ring(kind, clock)? else { return Ok(()) };
    if let Some(new) = ring.keys().first() {
        println!("{}: {} makes from {} on", kind.name(), new.id(), written(new.since()));
    }
    Ok(())
}

async fn replace_lost(folder: &KeyFolder, clock: &Clock, config: &Config) -> anyhow::Result<()> {
    let db = db::connect(config).await?;
    if !migrations::status(db.for_migrations()).await?.is_current() {
        bail!("the database's schema is not this release's; run: backline migrate");
    }
    fleet::start_over(config, &db, clock, &Dice::System).await?;
    db.close().await;
    list(folder, clock, config)
}

fn list(folder: &KeyFolder, clock: &Clock, config: &Config) -> anyhow::Result<()> {
    for kind in KeyKind::ALL {
        match folder.ring(kind, clock)? {
            Some(ring) => ring_lines(kind, &ring),
            None => println!("{:<6} none in {} yet", kind.name(), config.keys_dir().display()),
        }
    }
    Ok(())
}

fn ring_lines(kind: KeyKind, ring: &Ring) {
    let active = ring.active();
    // Newest first: what stands before the active one is still to come.
    let mut state = "next";
    for key in ring.keys() {
        let is_active = key.id() == active.id();
        let shown = if is_active { "active" } else { state };
        println!("{:<6} {:<6} {:<20} {}", kind.name(), shown, written(key.since()), key.id());
        if is_active {
            state = "old";
        }
    }
}

fn written(at: Option<Timestamp>) -> String {
    let at = at.and_then(|at| OffsetDateTime::from_unix_timestamp(at.micros().div_euclid(1_000_000)).ok());
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_else(|| "-".to_owned())
}
