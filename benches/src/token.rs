//! What the gate pays for each signed-in call.

use std::{hint::black_box, path::Path, time::Instant};

use anyhow::{Context, anyhow};
use backline::{
    app::{App, World},
    config::{self, Source},
    kernel::Facts,
    rpc::auth::Authenticate,
    sessions::AccessTokens,
    vault::{Paseto, Ring},
};

use crate::server::Server;

const ROUNDS: u32 = 200_000;
/// Tokens are bound to it.
const PUBLIC_URL: &str = "http://bench.test";

pub async fn measure(binary: &Path) -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let server = Server::start_with(binary, data.path(), &[&format!("web.public_url={PUBLIC_URL}")]).await?;
    let token = server.account(data.path()).await?;
    server.stop().await?;

    // The same keys, without a server around them.
    let flags = [("data_dir", data.path().display().to_string()), ("web.public_url", PUBLIC_URL.to_owned())];
    let flags = flags.map(|(key, value)| (key.to_owned(), value)).into();
    let app = App::open(config::load(&Source { file: None, flags })?, World::real()).await?;
    let tokens = AccessTokens::new(app);
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        let caller = tokens.authenticate(black_box(&token), Facts::none()).await;
        black_box(caller.map_err(|_| anyhow!("the token is refused"))?);
    }
    let whole = begun.elapsed();

    let paseto = Paseto::new(Ring::fixed(&[[7; 32]]), "bench");
    let sealed = paseto.issue("access/v1", &[b'c'; 200]).context("no token")?;
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        black_box(paseto.open("access/v1", black_box(&sealed)).context("the token does not open")?);
    }
    let each = |span: std::time::Duration| span.as_secs_f64() * 1e6 / f64::from(ROUNDS);
    println!("verifying an access token, from its text to the caller: {:.2} µs", each(whole));
    println!("of which opening 200 bytes of PASETO v4.local:          {:.2} µs", each(begun.elapsed()));
    Ok(())
}
