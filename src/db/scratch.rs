//! A database that is made for a while: where a restore is tried.

use std::path::Path;

use sea_orm::{ConnectionTrait, DbErr};
use url::Url;

use super::long::{self, Kind};
use crate::config::{Config, Pooler};

/// An empty database of the configured kind, and the settings that lead there.
pub struct Scratch {
    pub config: Config,
    /// Its name on the server; `None` for a file, which goes with its folder.
    name: Option<String>,
    server: Config,
}

impl Scratch {
    /// Makes it: a file in `folder`, or a database called `name` beside the configured one.
    ///
    /// # Errors
    /// When the role may not create databases, or the server fails.
    pub async fn make(config: &Config, folder: &Path, name: &str) -> Result<Self, DbErr> {
        let mut scratch = config.clone();
        if long::kind(config) == Kind::Sqlite {
            scratch.database.url = Some(format!("sqlite://{}", folder.join("scratch.db").display()).into());
            return Ok(Self { config: scratch, name: None, server: config.clone() });
        }
        let malformed = |_| DbErr::Custom("the database URL is malformed".to_owned());
        let mut url = Url::parse(&config.direct_database_url()).map_err(malformed)?;
        url.set_path(name);
        // Whatever the settings say of the live database must not lead back to it.
        scratch.database.pooler = Pooler::None;
        scratch.database.direct_url = None;
        scratch.database.url = Some(String::from(url).into());
        let server = long::without_limits(config)?;
        server.execute_unprepared(&format!("CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8'")).await?;
        server.close().await?;
        Ok(Self { config: scratch, name: Some(name.to_owned()), server: config.clone() })
    }

    /// Deletes a database on a server, whoever is still connected.
    ///
    /// # Errors
    /// When the server fails; the database is then left there.
    pub async fn remove(self) -> Result<(), DbErr> {
        let Some(name) = self.name else { return Ok(()) };
        let server = long::without_limits(&self.server)?;
        server.execute_unprepared(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")).await?;
        server.close().await
    }
}
