//! One server after the other is stopped and started again, under load.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use futures::future::join_all;

use super::members::{Fleet, SERVERS};
use crate::harness::{
    people::{PATIENCE, enrol},
    *,
};

/// What generated clients are told to do (gRPC's retry policy): calls that were not served are tried again, four times.
const ATTEMPTS: u32 = 5;
const BACKOFF: Duration = Duration::from_millis(50);

/// What the people did, and how often they had to try again.
#[derive(Default)]
struct Tally {
    calls: Cell<u32>,
    retries: Cell<u32>,
    most: Cell<u32>,
}

impl Tally {
    /// Calls as a client with a retry policy does. A refusal of any other kind, or one time too many, fails the test.
    async fn call<T>(&self, mut call: impl AsyncFnMut() -> Result<T, Status>) -> T {
        self.calls.set(self.calls.get() + 1);
        for attempt in 1..=ATTEMPTS {
            match call().await {
                Ok(reply) => return reply,
                Err(status) if status.code() == Code::Unavailable && attempt < ATTEMPTS => {
                    self.retries.set(self.retries.get() + 1);
                    self.most.set(self.most.get().max(attempt));
                    tokio::time::sleep(BACKOFF * 2_u32.pow(attempt)).await;
                }
                Err(status) => panic!("a call failed for good at attempt {attempt}: {status:?}"),
            }
        }
        unreachable!("the last attempt returns or panics")
    }
}

#[tokio::test]
async fn a_rolling_restart_fails_no_call_of_a_client_that_tries_again() {
    let Some(mut fleet) = Fleet::start(&[]).await else { return };
    let (channel, mail) = (fleet.channel(), fleet.mail());
    let people = join_all((0..6).map(|number| {
        let name = format!("person{number}");
        let (channel, mail) = (channel.clone(), mail.clone());
        async move { enrol(&channel, &mail, &name, number).await }
    }))
    .await;

    let (tally, stop) = (Tally::default(), Cell::new(false));
    let working = join_all(people.iter().enumerate().map(|(number, person)| work(person, number, &tally, &stop)));
    let rolling = async {
        let begun = Instant::now();
        for server in 0..SERVERS {
            fleet.restart(server).await;
            // The next one goes when the proxy sends calls to this one again.
            let before = fleet.served_by(server);
            eventually_within(PATIENCE, async || fleet.served_by(server) > before).await;
        }
        stop.set(true);
        begun.elapsed()
    };
    let (_, took) = tokio::join!(working, rolling);
    println!(
        "{SERVERS} servers restarted in {took:.1?}: {} calls, {} tried again, at most {} times",
        tally.calls.get(),
        tally.retries.get(),
        tally.most.get()
    );
    fleet.remove();
}

/// Reads, writes and refreshes until told to stop; every write is repeatable.
async fn work(person: &Actor, number: usize, tally: &Tally, stop: &Cell<bool>) {
    for round in 0.. {
        if stop.get() {
            return;
        }
        let name = format!("Name {round}");
        let request = pb::UpdateAccountRequest {
            account: Some(pb::Account { display_name: name.clone(), ..Default::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
            request_id: request_id(u32::try_from(number).unwrap() * 10_000 + 1000 + round),
            ..Default::default()
        };
        tally.call(async || person.accounts().update_account(request.clone()).await).await;
        assert_eq!(tally.call(async || person.whoami().await).await.display_name, name, "it was written");
        tally.call(async || person.refresh().await).await;
        // Below the limit of an account's writes, and of refreshes from one address.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}
