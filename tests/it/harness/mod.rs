//! The world that every test begins with: a real server, a real database, real files, a mailer that keeps letters, a
//! clock that moves when told.
//!
//! ```ignore
//! let world = World::start().await;
//! let ana = world.account("ana").await;                 // registered, verified, signed in
//! let account = ana.accounts().get_account(pb::GetAccountRequest {}).await.unwrap();
//! world.advance(Duration::from_mins(1));
//! world.run_jobs().await;                               // letters go out, uploads are checked
//! ```
//!
//! - [`world`]: the server and everything around it; what a test must leave tidy
//! - [`actors`]: people with typed clients for every service
//! - [`factors`]: authenticator apps and devices with passkeys
//! - [`refusals`]: what a refused call must look like
//! - [`stages`]: what stands between a registration and a published track, in one call each
//! - [`letters`]: what the mailer was given, decoded
//! - [`raw`]: calls that no generated client would make
//! - [`audio`]: files that are what they say they are
//! - [`works`]: artists at work, and an artist's studio to begin with
//! - [`files`]: what people do with files
//! - [`people`]: people who go on working whatever happens to the server
//! - [`rows`], [`closed`]: everything in the database, and a table that takes no more
//! - [`database`], [`plans`]: one database per test, and no statement that scans
//! - [`smtp`], [`s3`]: a mail server, an object store
//! - [`collector`]: who is told traces and metrics
//! - [`redis`]: Redis alone, as a cluster, behind a Sentinel
//! - [`postgres`], [`pgbouncer`]: a PostgreSQL server and a pooler of one test's own
//! - [`cable`]: what lies between a server and such a one, to be pulled out
//! - [`program`]: the binary, for what only the command line does

pub mod actors;
pub mod audio;
pub mod cable;
pub mod closed;
pub mod collector;
pub mod database;
pub mod events;
pub mod factors;
pub mod files;
pub mod guests;
pub mod instance;
pub mod letters;
pub mod people;
pub mod pgbouncer;
pub mod plans;
pub mod postgres;
pub mod program;
pub mod protos;
pub mod raw;
pub mod recording;
pub mod redis;
pub mod refusals;
pub mod rows;
pub mod s3;
pub mod smtp;
pub mod stages;
pub mod works;
pub mod world;

use std::{future::Future, time::Duration};

pub use self::{
    actors::{Actor, PASSWORD},
    factors::{Authenticator, Device},
    letters::Letter,
    raw::{Answer, Http},
    refusals::{assert_alike, assert_reason, details, fact, violations},
    works::{PNG, Studio, absent},
    world::World,
};
pub use backline::pb::{self, ErrorReason};
pub use tonic::{Code, Status};

/// How long a condition that must come true may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until `holds`, and fails the test if it does not within ten seconds. The one way of waiting here.
#[track_caller]
pub fn eventually(holds: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    eventually_within(PATIENCE, holds)
}

/// As [`eventually`], within another time: for promises such as «is felt within two seconds».
#[track_caller]
pub fn eventually_within(limit: Duration, mut holds: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    let asked_at = std::panic::Location::caller();
    async move {
        let begun = std::time::Instant::now();
        while !holds().await {
            assert!(begun.elapsed() < limit, "what {asked_at} waits for did not happen within {limit:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// A request id: a UUID made of a number.
pub fn request_id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// The same text with the character at `at` changed to another letter.
pub fn tampered(text: &str, at: usize) -> String {
    let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &text[..at], &text[at + 1..])
}

/// Runs a future to its end on a thread and a runtime of its own: for what must be done where nothing can be awaited.
pub fn blocking<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { tokio::time::timeout(Duration::from_mins(1), work).await.expect("it hangs") })
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A setting of the test run itself, not of the server.
#[expect(clippy::disallowed_methods, reason = "these choose a database for the tests; the server never sees them")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
