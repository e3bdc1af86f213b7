//! What the server is made of: built once, used by RPCs and jobs alike.

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt, sync::Arc};

use anyhow::Context;

use crate::{
    cache::Cache,
    config::Config,
    db::{self, Db},
    fleet,
    jobs::Queue,
    kernel::{Clock, Dice},
    mail::{Mailer, Office, Smtp},
    objects::Objects,
    outgoing::Outgoing,
    rpc::{once::Repeats, page::Pages},
    vault::{Breached, Hasher, Keys, Paseto, Passkeys, Sealer},
};

/// Everything a use case may touch. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    pub config: Arc<Config>,
    pub db: Db,
    pub objects: Objects,
    pub cache: Cache,
    pub queue: Queue,
    pub mailer: Mailer,
    pub office: Arc<Office>,
    pub clock: Clock,
    pub dice: Dice,
    pub keys: Arc<Keys>,
    pub sealer: Sealer,
    pub paseto: Paseto,
    pub hasher: Hasher,
    pub passkeys: Passkeys,
    pub breached: Breached,
    pub pages: Pages,
    pub repeats: Repeats,
    pub outgoing: Outgoing,
}

/// The parts that a test replaces: time, chance and the mailer.
#[derive(Clone, Debug)]
pub struct World {
    pub clock: Clock,
    pub dice: Dice,
    /// The one that the settings name, if none is given.
    pub mailer: Option<Mailer>,
}

impl World {
    pub fn real() -> Self {
        Self { clock: Clock::System, dice: Dice::System, mailer: None }
    }
}

impl App {
    /// Opens everything the configuration names. The schema is not touched.
    ///
    /// # Errors
    /// One sentence about the first part that cannot be opened, and what to do.
    pub async fn open(config: Config, world: World) -> anyhow::Result<Self> {
        let World { clock, dice, mailer } = world;
        make_folder(&config.data_dir)?;
        let db = db::connect(&config).await?;
        let keys = fleet::open_keys(&config, &db, &clock, &dice).await?;
        let mailer = match mailer {
            Some(mailer) => mailer,
            None => connect_mailer(&config)?,
        };
        let sealer = Sealer::new(keys.vault.clone(), dice.clone());
        let cache = Cache::connect(&config.redis, keys.derived("news"), &dice).await?;
        Ok(Self {
            db,
            objects: Objects::connect(&config)?,
            queue: Queue::new(clock.clone(), dice.clone(), cache.clone()),
            office: Arc::new(Office::new(&config.mail)?),
            paseto: Paseto::new(keys.token.clone(), &config.public_url()),
            passkeys: Passkeys::new(&config)?,
            breached: Breached::open(config.passwords.breached_list.clone())?,
            hasher: Hasher::new(&config.passwords, dice.clone()),
            pages: Pages::new(keys.page.clone()),
            repeats: Repeats::new(keys.derived("request ids"), sealer.clone(), clock.clone()),
            outgoing: Outgoing::default(),
            config: Arc::new(config),
            cache,
            mailer,
            clock,
            dice,
            keys: Arc::new(keys),
            sealer,
        })
    }
}

fn connect_mailer(config: &Config) -> anyhow::Result<Mailer> {
    if let Some(relay) = config.mail.relay() {
        return Ok(Mailer::Smtp(Arc::new(Smtp::new(&config.mail, &relay)?)));
    }
    make_folder(&config.mail_dir())?;
    Ok(Mailer::Folder(config.mail_dir()))
}

fn make_folder(folder: &std::path::Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("the folder {} cannot be made; is it writable?", folder.display()))
}
