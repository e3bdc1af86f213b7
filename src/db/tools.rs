//! PostgreSQL's own programs for copies: found on the PATH, told the password by their environment and never by an
//! argument, which everyone on the machine could read.

use std::{ffi::OsStr, process::Stdio};

use secrecy::{ExposeSecret, SecretString};
use tokio::process::Command;
use url::Url;

/// What libpq understands of a URL's options. The driver knows others, which libpq would refuse.
const SHARED: [&str; 10] =
    ["host", "hostaddr", "port", "user", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout"];
/// Most of what a program says is one line; this much of it is told.
const SAID_BYTES: usize = 600;

/// Runs one of the programs on the database that `url` names.
///
/// # Errors
/// One sentence: it is not installed, is older than the server, or says why it failed.
pub async fn run<A: AsRef<OsStr>>(program: &str, url: &str, arguments: &[A]) -> Result<(), String> {
    let (place, password) = libpq(url)?;
    let mut command = Command::new(program);
    command.arg("--no-password").arg("--dbname").arg(place).args(arguments);
    command.env("PGCONNECT_TIMEOUT", "10");
    if let Some(password) = password {
        command.env("PGPASSWORD", password.expose_secret());
    }
    let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).output();
    let ended = ended.await.map_err(|error| missing(program, &error))?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let said: String = said.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SAID_BYTES).collect();
    Err(format!("{program} failed: {said}"))
}

/// Refuses a program of an older release than the server's, which could not read it.
///
/// # Errors
/// One sentence.
pub async fn must_know(program: &str, server: u32) -> Result<(), String> {
    let told = Command::new(program).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output().await;
    let told = told.map_err(|error| missing(program, &error))?;
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    match major(&text) {
        Some(version) if version >= server => Ok(()),
        Some(version) => Err(format!(
            "{program} on the PATH is of PostgreSQL {version} and the server of {server}; install the client programs of \
             version {server} (on Debian: postgresql-client-{server})"
        )),
        None => Err(format!("{program} on the PATH does not tell its version")),
    }
}

fn missing(program: &str, error: &std::io::Error) -> String {
    format!(
        "{program} cannot be started ({error}); install PostgreSQL's client programs (on Debian: postgresql-client) and \
         put them on the PATH"
    )
}

/// `pg_dump (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)` is of 15.
fn major(text: &str) -> Option<u32> {
    let number = text.split_whitespace().find(|word| word.starts_with(|letter: char| letter.is_ascii_digit()))?;
    number.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

/// A URL as libpq takes it, without its password, and the password.
fn libpq(url: &str) -> Result<(String, Option<SecretString>), String> {
    let malformed = || "the database URL is malformed".to_owned();
    let mut place = Url::parse(url).map_err(|_| malformed())?;
    let mut password = place.password().map(decoded);
    let options: Vec<(String, String)> = place.query_pairs().into_owned().collect();
    if let Some((_, value)) = options.iter().find(|(name, _)| name == "password") {
        password = Some(value.clone());
    }
    // A URL without a host, of a socket, has no place for a password.
    if place.password().is_some() {
        place.set_password(None).map_err(|()| malformed())?;
    }
    place.set_query(None);
    let shared: Vec<(&str, &str)> = options
        .iter()
        .map(|(name, value)| (of_libpq(name), value.as_str()))
        .filter(|(name, _)| SHARED.contains(name))
        .collect();
    if !shared.is_empty() {
        place.query_pairs_mut().extend_pairs(shared);
    }
    Ok((place.into(), password.map(SecretString::from)))
}

/// The driver takes these under other names as well; left out, the connection would be in the clear.
fn of_libpq(name: &str) -> &str {
    match name {
        "ssl-mode" => "sslmode",
        "ssl-root-cert" | "ssl-ca" => "sslrootcert",
        "ssl-cert" => "sslcert",
        "ssl-key" => "sslkey",
        other => other,
    }
}

fn decoded(text: &str) -> String {
    let pair = format!("p={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_stands_in_no_argument() {
        for url in [
            "postgres://ana:s%40cr+t@db.example.org:5433/backline?sslmode=require&statement-cache-capacity=0",
            "postgres://ana@db.example.org:5433/backline?password=s%40cr%2Bt&sslmode=require",
            "postgres://ana:s%40cr+t@db.example.org:5433/backline?ssl-mode=require",
        ] {
            let (place, password) = libpq(url).unwrap();
            assert_eq!(place, "postgres://ana@db.example.org:5433/backline?sslmode=require");
            assert_eq!(password.unwrap().expose_secret(), "s@cr+t");
        }
        assert!(libpq("postgres://ana@localhost/backline").unwrap().1.is_none());
    }

    #[test]
    fn the_version_is_read() {
        assert_eq!(major("pg_dump (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"), Some(15));
        assert_eq!(major("pg_restore (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major("nonsense"), None);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_told_in_one_sentence() {
        let said = must_know("pg_nonsense", 15).await.unwrap_err();
        assert!(said.contains("pg_nonsense") && said.contains("PATH"), "{said}");
    }
}
