//! A backup that is taken while people work, by the program itself, and restored elsewhere.

use std::{cell::Cell, process::Output};

use futures::future::join_all;

use super::shelf::copy_keys;
use crate::{
    crash::server::Server,
    harness::{
        Actor, PASSWORD, eventually_within,
        files::files_below,
        people::{Artist, Newcomers, PATIENCE},
        program::{stderr, stdout},
    },
};

/// Runs the program to its end, while others go on.
async fn run(server: &Server, arguments: &[&str]) -> Output {
    let mut command = server.command(arguments);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[track_caller]
fn assert_done(output: &Output) {
    assert!(output.status.success(), "{}\n{}", stdout(output), stderr(output));
}

#[tokio::test]
async fn what_was_acknowledged_before_a_backup_is_there_after_its_restore() {
    let server = Server::start().await;
    let elsewhere = Server::nowhere();
    let shelf = tempfile::tempdir().unwrap();
    let place = shelf.path().display().to_string();
    let artists = server.artists(2).await;
    let newcomers = Newcomers::new(server.channel.clone(), server.mail());
    let stop = Cell::new(false);
    let working = async {
        tokio::join!(join_all(artists.iter().map(|artist| artist.work(&stop))), newcomers.arrive(&stop));
    };
    let some_more = async || {
        let before = (artists.iter().map(Artist::finished).sum::<usize>(), newcomers.count());
        eventually_within(PATIENCE, async || {
            artists.iter().map(Artist::finished).sum::<usize>() >= before.0 + 2 && newcomers.count() > before.1
        })
        .await;
    };
    let backing_up = async {
        some_more().await;
        assert_done(&run(&server, &["backup", "--to", &place]).await);
        let first = files_below(&shelf.path().join("objects")).len();
        some_more().await;
        let promised: Vec<Artist> = artists.iter().map(|artist| artist.remembering(&elsewhere.channel)).collect();
        let arrived = newcomers.remembering(&elsewhere.channel);
        let second = run(&server, &["backup", "--to", &place]).await;
        assert_done(&second);
        assert!(files_below(&shelf.path().join("objects")).len() > first, "there was something new");
        some_more().await;
        stop.set(true);
        let name = stdout(&second).split(':').next().unwrap().to_owned();
        (promised, arrived, name)
    };
    let ((), (promised, arrived, name)) = tokio::join!(working, backing_up);
    assert_done(&run(&server, &["verify"]).await);

    let mut elsewhere = elsewhere;
    copy_keys(server.folder(), elsewhere.folder());
    let restored = run(&elsewhere, &["restore", "--from", &place]).await;
    assert_done(&restored);
    let said = stdout(&restored);
    assert!(said.contains("Everything is as it should be") && said.contains(&name), "{name}: {said}");
    elsewhere.start_again().await;
    join_all(promised.iter().map(Artist::check_all)).await;
    arrived.check_all().await;
    for email in arrived.emails() {
        Actor::sign_in(elsewhere.channel.clone(), &email, PASSWORD, "Another").await.unwrap();
    }
    assert!(promised.iter().map(Artist::finished).sum::<usize>() >= 4, "something was promised");
    elsewhere.kill();
    assert_done(&run(&elsewhere, &["verify"]).await);
    server.remove();
    elsewhere.remove();
}
