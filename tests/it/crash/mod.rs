//! The server is killed again and again while people work, and keeps every promise it made.
//!
//! The real binary runs on a data folder of its own. People register, upload, complete and submit without pause; at
//! random moments the process gets SIGKILL and is started again. What was acknowledged must be there after each start;
//! what was not is repeated with the same request id, and must have happened once in the end.

pub mod server;

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use backline::{
    entity::{object_reference, submission, submission_history, track, upload},
    kernel::Dice,
};
use futures::future::join_all;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter};

use self::server::Server;
use crate::harness::{
    environment, eventually_within,
    people::{Artist, Newcomers, PATIENCE},
};

/// How often the process is killed.
const CYCLES: u32 = 20;
/// The server works at most so long before it is killed.
const LONGEST_LIFE_MS: u32 = 800;
/// Choose another by `TEST_CRASH_SEED`; a failed run prints its own.
const SEED: u64 = 20_260_301;

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let begun = Instant::now();
    let seed = environment("TEST_CRASH_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    println!("TEST_CRASH_SEED={seed}");
    let dice = Dice::seeded(seed);

    let mut server = Server::start().await;
    let artists = server.artists(5).await;
    let newcomers = Newcomers::new(server.channel.clone(), server.mail());
    let stop = Cell::new(false);
    let working = async {
        tokio::join!(join_all(artists.iter().map(|artist| artist.work(&stop))), newcomers.arrive(&stop));
    };
    let killing = async {
        for _ in 0..CYCLES {
            let life = Duration::from_millis(u64::from(dice.below(LONGEST_LIFE_MS)));
            tokio::time::sleep(life).await;
            server.kill();
            server.start_again().await;
            tokio::join!(join_all(artists.iter().map(Artist::check)), newcomers.check());
        }
        stop.set(true);
    };
    tokio::join!(working, killing);

    join_all(artists.iter().map(Artist::check_all)).await;
    newcomers.check_all().await;
    join_all(artists.iter().map(Artist::repeat)).await;
    let done: usize = artists.iter().map(Artist::finished).sum();
    // One object for each song, and nothing that a killed process left half-done.
    eventually_within(PATIENCE, async || server.stored_files() == done).await;
    server.kill();
    judge(&server.database.connect().await, &artists).await;
    println!(
        "{CYCLES} kills in {:.0?}: {done} songs sent, {} of them handed in, {} people registered",
        begun.elapsed(),
        artists.iter().map(Artist::handed_in).sum::<usize>(),
        newcomers.count()
    );
    assert!(done >= artists.len(), "somebody got something done");
    assert!(newcomers.count() > 0, "somebody got in");
    server.remove();
}

/// Every act happened once: as many rows as acts, however often they were asked for.
async fn judge(db: &DatabaseConnection, artists: &[Artist]) {
    let pieces: u64 = artists.iter().map(|artist| artist.finished() as u64).sum();
    let handed_in: u64 = artists.iter().map(|artist| artist.handed_in() as u64).sum();
    assert_eq!(upload::Entity::find().count(db).await.unwrap(), pieces, "uploads");
    assert_eq!(object_reference::Entity::find().count(db).await.unwrap(), pieces, "objects");
    assert_eq!(track::Entity::find().count(db).await.unwrap(), pieces, "tracks");
    assert_eq!(submission::Entity::find().count(db).await.unwrap(), pieces, "submissions");
    let submitted = submission::Entity::find().filter(submission::Column::State.eq(submission::State::Submitted));
    assert_eq!(submitted.count(db).await.unwrap(), handed_in, "submissions that were handed in");
    let moves = submission_history::Entity::find()
        .filter(submission_history::Column::ToState.eq(submission::State::Submitted.to_string()));
    assert_eq!(moves.count(db).await.unwrap(), handed_in, "each was handed in once");
}
