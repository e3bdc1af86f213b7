//! Logins against the bare hash rate.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use backline::{
    config::PasswordsConfig,
    kernel::{Dice, Password},
    vault::Hasher,
};
use futures::future::join_all;

use crate::server::{PASSWORD, Server};

/// Callers at once: enough to keep every core hashing, not so many that the queue refuses them.
const CALLERS: usize = 6;

pub async fn measure(binary: &Path, seconds: u64) -> anyhow::Result<()> {
    let span = Duration::from_secs(seconds);
    let hasher = Hasher::new(&PasswordsConfig::default(), Dice::System);
    let password = Password::new(PASSWORD);
    let bare = rate(span, || async { hasher.hash(&password).await.is_ok() }).await;

    let data = tempfile::tempdir()?;
    let server = Server::start(binary, data.path()).await?;
    server.account(data.path()).await?;
    let logins = rate(span, || async { server.login().await.is_ok() }).await;
    let bare_again = rate(span, || async { hasher.hash(&password).await.is_ok() }).await;
    let control = f64::midpoint(bare, bare_again);
    println!("bare argon2id hashes a second: {bare:.1} before, {bare_again:.1} after");
    println!("logins a second:               {logins:.1} ({:.0} % of the bare rate)", logins / control * 100.0);
    server.stop().await
}

/// How many successes a second `CALLERS` callers have, one call after the other each.
pub async fn rate<F: Future<Output = bool>>(span: Duration, call: impl Fn() -> F) -> f64 {
    let count = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    join_all((0..CALLERS).map(|_| async {
        while begun.elapsed() < span {
            if call().await {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }))
    .await;
    f64::from(u32::try_from(count.load(Ordering::Relaxed)).unwrap_or(u32::MAX)) / begun.elapsed().as_secs_f64()
}
