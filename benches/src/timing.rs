//! Whether the time of a refused login tells anything: unknown address, wrong password, locked, not yet verified.
//!
//! The four kinds take turns, so that whatever else the machine does meets all of them alike, and a second series of
//! unknown addresses shows how far two medians of the same kind fall apart by chance.

use std::{
    collections::HashMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use backline::pb::{self, account_service_client::AccountServiceClient, session_service_client::SessionServiceClient};
use tonic::Status;
use tonic_types::{ErrorDetail, StatusExt};

use crate::{
    figures::quantile,
    server::{PASSWORD, Server},
};

/// A hash so cheap that differences beside it would show.
const SETTINGS: [&str; 7] = [
    "mode=test",
    "passwords.memory_kib=64",
    "passwords.passes=1",
    "guessing.challenge_after=1000000",
    "guessing.network_challenge_after=1000000",
    "guessing.network_challenge_all_after=1000000",
    "guessing.lock_after=5",
];
/// Wrong passwords for one account before the next is taken: it must not be locked.
const WRONG_EACH: usize = 4;
const LOCKED: usize = 10;
/// ASVS 5.0, 6.3.8, made a number by the design.
const MOST_APART: f64 = 0.05;

/// The kinds that must not be told apart.
const KINDS: [&str; 5] = ["unknown", "unknown again", "wrong", "locked", "unverified"];

pub async fn measure(binary: &Path, samples: usize, database: Option<&str>) -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let url = database.map(|url| format!("database.url={url}"));
    let settings: Vec<&str> = SETTINGS.into_iter().chain(url.as_deref()).collect();
    let server = Server::start_with(binary, data.path(), &settings).await?;
    let known = samples.div_ceil(WRONG_EACH);
    gather(&server, data.path(), known).await?;
    for locked in 0..LOCKED {
        for _ in 0..5 {
            refused(&server, &address("locked", locked)).await?;
        }
    }

    let mut took: HashMap<&str, Vec<Duration>> = HashMap::new();
    let mut first: Option<Status> = None;
    for round in 0..samples {
        for kind in KINDS {
            let email = match kind {
                "wrong" | "unverified" => address(kind, round / WRONG_EACH),
                "locked" => address(kind, round % LOCKED),
                _ => address(&kind.replace(' ', "-"), round),
            };
            let begun = Instant::now();
            let answer = refused(&server, &email).await?;
            took.entry(kind).or_default().push(begun.elapsed());
            let first = first.get_or_insert_with(|| answer.clone());
            ensure!(same(first, &answer), "{kind} is told apart by its words: {answer:?}");
        }
    }
    server.stop().await?;
    judge(&mut took)
}

/// Prints the medians and fails if they lie too far apart.
fn judge(took: &mut HashMap<&str, Vec<Duration>>) -> anyhow::Result<()> {
    let mut medians = Vec::new();
    for kind in KINDS {
        let spans = took.get_mut(kind).context("no samples")?;
        let median = quantile(spans, 0.5).context("no samples")?.as_secs_f64() * 1000.0;
        println!("{kind:<14} median {median:.3} ms of {} samples", spans.len());
        medians.push(median);
    }
    let (least, most) = medians.iter().fold((f64::MAX, 0.0_f64), |(a, b), m| (a.min(*m), b.max(*m)));
    let apart = (most - least) / least;
    println!("the medians lie {:.1} % apart; two series of one kind {:.1} %", apart * 100.0, chance(&medians) * 100.0);
    if apart > MOST_APART {
        bail!("refused logins can be told apart by their time");
    }
    Ok(())
}

fn chance(medians: &[f64]) -> f64 {
    (medians[0] - medians[1]).abs() / medians[0].min(medians[1])
}

/// Everything but the request's id, which differs by its nature.
fn same(one: &Status, other: &Status) -> bool {
    let told = |status: &Status| {
        let details = status.get_error_details_vec().into_iter();
        let details: Vec<_> = details.filter(|detail| !matches!(detail, ErrorDetail::RequestInfo(_))).collect();
        format!("{:?} {:?} {details:?}", status.code(), status.message())
    };
    told(one) == told(other)
}

fn address(kind: &str, number: usize) -> String {
    format!("{kind}{number}@example.org")
}

/// Registers people: `wrong…` and `locked…` with proven mailboxes, `unverified…` without.
async fn gather(server: &Server, data: &Path, known: usize) -> anyhow::Result<()> {
    let mut accounts = AccountServiceClient::new(server.channel.clone());
    let verified = (0..known).map(|n| address("wrong", n)).chain((0..LOCKED).map(|n| address("locked", n)));
    let verified: Vec<String> = verified.collect();
    let waiting = (0..known).map(|n| address("unverified", n));
    for email in verified.iter().cloned().chain(waiting) {
        let display_name = "Bench".into();
        let request = pb::RegisterRequest { email, password: PASSWORD.into(), display_name, ..Default::default() };
        accounts.register(request).await?;
    }
    let tokens = tokens_of(&data.join("mail"), verified.len() + known).await?;
    for email in &verified {
        let token = tokens.get(email).context("a letter is missing")?.clone();
        accounts.verify_email(pb::VerifyEmailRequest { token, ..Default::default() }).await?;
    }
    Ok(())
}

/// A login with wrong words.
async fn refused(server: &Server, email: &str) -> anyhow::Result<Status> {
    let request =
        pb::LoginRequest { email: email.to_owned(), password: "not these words at all".into(), ..Default::default() };
    match SessionServiceClient::new(server.channel.clone()).login(request).await {
        Err(refused) => Ok(refused),
        Ok(_) => bail!("{email} got in"),
    }
}

/// The token of each verification letter, once all have come.
async fn tokens_of(folder: &Path, letters: usize) -> anyhow::Result<HashMap<String, String>> {
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let names: Vec<_> = std::fs::read_dir(folder)?.filter_map(Result::ok).map(|entry| entry.path()).collect();
        if names.iter().filter(|name| name.extension().is_some_and(|ending| ending == "eml")).count() < letters {
            continue;
        }
        let mut tokens = HashMap::new();
        for name in names {
            let text = std::fs::read_to_string(name)?;
            let to = text.lines().find_map(|line| line.strip_prefix("To: ")).unwrap_or_default().trim();
            let token = text.split_once("verify?token=").and_then(|(_, rest)| rest.split_whitespace().next());
            tokens.extend(token.map(|token| (to.to_owned(), token.to_owned())));
        }
        return Ok(tokens);
    }
    bail!("the letters did not come")
}
