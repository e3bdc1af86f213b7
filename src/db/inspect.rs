//! Looking at a PostgreSQL server before anything is entrusted to it, and saying in one sentence why it will not do.

use std::time::Duration;

use anyhow::{anyhow, bail};
use sqlx::{ConnectOptions, Connection, Executor, Row, error::DatabaseError, postgres::PgConnectOptions};
use tokio::time::timeout;

use crate::config::Mode;

/// PostgreSQL 15, as `server_version_num` counts.
const OLDEST: i32 = 150_000;

/// Text, so that it is one message: it may go through a pooler.
const QUESTION: &str = "SELECT current_setting('server_version_num') AS version, \
     current_setting('server_version') AS version_text, \
     current_setting('server_encoding') AS encoding, \
     current_setting('fsync') AS fsync, \
     current_setting('full_page_writes') AS full_page_writes, \
     current_setting('synchronous_commit') AS synchronous_commit, \
     pg_is_in_recovery()::text AS standby";

/// What a server says about itself.
#[derive(Clone, Debug)]
struct Server {
    version: i32,
    version_text: String,
    encoding: String,
    fsync: String,
    full_page_writes: String,
    synchronous_commit: String,
    standby: bool,
}

/// Connects once and refuses a server that is not safe. `key` is the setting that the options came from.
///
/// # Errors
/// One sentence: it does not answer, refuses us, is too old, is not UTF-8, cannot be written to, or (in production) may
/// forget what it acknowledged.
pub async fn inspect(options: &PgConnectOptions, key: &str, patience: Duration, mode: Mode) -> anyhow::Result<()> {
    let asked = timeout(patience, ask(options)).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    judge(&asked.map_err(|error| explain(&error, options, key))?, mode)
}

async fn ask(options: &PgConnectOptions) -> Result<Server, sqlx::Error> {
    let mut connection = options.connect().await?;
    let row = connection.fetch_one(QUESTION).await?;
    let server = Server {
        version: row.try_get::<String, _>("version")?.parse().unwrap_or_default(),
        version_text: row.try_get("version_text")?,
        encoding: row.try_get("encoding")?,
        fsync: row.try_get("fsync")?,
        full_page_writes: row.try_get("full_page_writes")?,
        synchronous_commit: row.try_get("synchronous_commit")?,
        standby: row.try_get::<String, _>("standby")? == "true",
    };
    // It has said what it had to say.
    drop(connection.close().await);
    Ok(server)
}

fn judge(server: &Server, mode: Mode) -> anyhow::Result<()> {
    if server.version < OLDEST {
        bail!("PostgreSQL is version {}; Backline wants 15 or newer", server.version_text);
    }
    if server.encoding != "UTF8" {
        bail!(
            "the database holds its text as {}; make one with: createdb --encoding=UTF8 --template=template0",
            server.encoding
        );
    }
    if server.standby {
        bail!("PostgreSQL is a standby, which cannot be written to; let database.url name the primary");
    }
    if mode != Mode::Production {
        return Ok(());
    }
    let settings = [
        ("fsync", &server.fsync),
        ("full_page_writes", &server.full_page_writes),
        ("synchronous_commit", &server.synchronous_commit),
    ];
    for (name, value) in settings {
        if value == "off" {
            bail!("PostgreSQL runs with {name} = off and may lose what it acknowledged; production wants {name} = on");
        }
    }
    Ok(())
}

/// Why there is no connection, in one sentence that holds no password.
pub fn explain(error: &sqlx::Error, options: &PgConnectOptions, key: &str) -> anyhow::Error {
    let place = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    match error {
        sqlx::Error::Database(error) => refusal(error.as_ref(), options, key),
        sqlx::Error::Io(error) => {
            anyhow!("PostgreSQL does not answer at {place} ({error}); check {key} and that the server runs")
        }
        sqlx::Error::Tls(error) => anyhow!("PostgreSQL at {place} cannot be spoken to over TLS: {error}"),
        sqlx::Error::PoolTimedOut => {
            anyhow!("PostgreSQL does not answer at {place} in time; check {key} and that the server runs")
        }
        error => anyhow!("PostgreSQL at {place} cannot be used: {error}"),
    }
}

/// What the server itself says no to. Poolers have other codes for the same, and say it in their message.
fn refusal(error: &dyn DatabaseError, options: &PgConnectOptions, key: &str) -> anyhow::Error {
    let role = options.get_username();
    // PostgreSQL's own rule for an absent name.
    let database = options.get_database().unwrap_or(role);
    match error.code().as_deref() {
        Some("28P01") => anyhow!("PostgreSQL refuses the password of the role {role}; check {key}"),
        Some("28000") => {
            anyhow!("PostgreSQL does not let the role {role} in ({}); check {key} and pg_hba.conf", error.message())
        }
        Some("3D000") => {
            anyhow!("the database {database} does not exist; make it with: createdb --encoding=UTF8 {database}")
        }
        Some("53300") => {
            anyhow!("PostgreSQL has no connection left; raise its max_connections or lower database.max_connections")
        }
        _ => anyhow!("PostgreSQL refuses the connection: {}", error.message()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        let on = || "on".to_owned();
        Server {
            version: 150_004,
            version_text: "15.4".to_owned(),
            encoding: "UTF8".to_owned(),
            fsync: on(),
            full_page_writes: on(),
            synchronous_commit: on(),
            standby: false,
        }
    }

    #[track_caller]
    fn refused(server: &Server, mode: Mode) -> String {
        judge(server, mode).unwrap_err().to_string()
    }

    #[test]
    fn postgresql_15_and_what_follows_it_is_taken() {
        for version in [150_000, 150_017, 160_001, 180_000] {
            judge(&Server { version, ..server() }, Mode::Production).unwrap();
        }
    }

    #[test]
    fn older_ones_are_refused_by_their_version() {
        for (version, text) in [(149_999, "14.99"), (140_012, "14.12"), (90_624, "9.6.24"), (0, "?")] {
            let said = refused(&Server { version, version_text: text.to_owned(), ..server() }, Mode::Development);
            assert_eq!(said, format!("PostgreSQL is version {text}; Backline wants 15 or newer"));
        }
    }

    #[test]
    fn a_standby_and_other_encodings_are_refused() {
        assert!(refused(&Server { standby: true, ..server() }, Mode::Development).contains("primary"));
        assert!(refused(&Server { encoding: "LATIN1".into(), ..server() }, Mode::Development).contains("LATIN1"));
    }

    #[test]
    fn only_production_minds_a_server_that_forgets() {
        let off = || "off".to_owned();
        let forgetful = [
            ("fsync", Server { fsync: off(), ..server() }),
            ("full_page_writes", Server { full_page_writes: off(), ..server() }),
            ("synchronous_commit", Server { synchronous_commit: off(), ..server() }),
        ];
        for (name, server) in forgetful {
            judge(&server, Mode::Development).unwrap();
            let said = refused(&server, Mode::Production);
            assert!(said.contains(&format!("{name} = off")), "{said}");
        }
        judge(&Server { synchronous_commit: "remote_apply".into(), ..server() }, Mode::Production).unwrap();
    }
}
