//! Instances of one database that have other keys, or another time.

use std::path::Path;

use backline::{
    config::{Config, Mode},
    entity::server_key::{self, Kind},
    fleet,
    kernel::{Clock, Dice, Timestamp},
    vault::{KeyFolder, KeyKind, Keys, NOTICE},
};
use http::Method;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait};

use crate::harness::{
    database::{TestDatabase, is_postgres},
    program::{backline, stderr, stdout, with_input},
    *,
};

const SECOND: i64 = 1_000_000;

/// A folder with keys that nobody else has.
fn other_keys(seed: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    Keys::load_or_make(folder.path(), &Clock::System, &Dice::seeded(seed)).unwrap();
    folder
}

/// What the database knows of keys.
async fn known(world: &World) -> Vec<server_key::Model> {
    let mut rows = server_key::Entity::find().all(&world.db().await).await.unwrap();
    rows.sort_by_key(|row| (row.kind, row.key_id.clone()));
    rows
}

fn copy(from: &Path, to: &Path) {
    for kind in KeyKind::ALL {
        let name = format!("{}.key", kind.name());
        std::fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

async fn ready(admin: std::net::SocketAddr) -> Answer {
    raw::send(admin, Http::One, Method::GET, "/readyz", &[], "").await
}

#[tokio::test]
async fn an_instance_with_other_keys_does_not_start() {
    let world = World::start().await;
    let other = other_keys(99);
    let before = known(&world).await;
    let refused = world.refusal_of_a_second(&[("keys.dir", other.path().to_str().unwrap())]).await;
    let root = world.app().keys.vault.oldest();
    for words in ["used with other keys", &other.path().display().to_string(), "vault.key lacks", root.id(), "keys.dir"]
    {
        assert!(refused.contains(words), "{words} is missing: {refused}");
    }
    assert_eq!(refused.lines().count(), 1, "{refused}");
    let after = known(&world).await;
    assert_eq!(after, before, "it leaves nothing behind");
    assert_eq!(before.len(), 4, "the root, and one of each kind: {before:?}");
    world.account("ana").await;
}

#[tokio::test]
async fn an_instance_with_other_tokens_alone_does_not_start() {
    let world = World::start().await;
    let other = other_keys(99);
    let own = world.app().config.keys_dir();
    for name in ["vault.key", "page.key"] {
        std::fs::copy(own.join(name), other.path().join(name)).unwrap();
    }
    let refused = world.refusal_of_a_second(&[("keys.dir", other.path().to_str().unwrap())]).await;
    assert!(refused.contains("token.key lacks k4.lid."), "{refused}");
}

#[tokio::test]
async fn no_new_keys_are_made_beside_a_used_database() {
    let world = World::start().await;
    let empty = tempfile::tempdir().unwrap();
    let refused = world.refusal_of_a_second(&[("keys.dir", empty.path().to_str().unwrap())]).await;
    assert!(refused.contains("token.key, page.key, vault.key are missing"), "{refused}");
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "nothing was made");
    // An earlier release noted no keys; accounts tell as much.
    world.account("ana").await;
    server_key::Entity::delete_many().exec(&world.db().await).await.unwrap();
    let refused = world.refusal_of_a_second(&[("keys.dir", empty.path().to_str().unwrap())]).await;
    assert!(refused.contains("the database was used with keys that are not in"), "{refused}");
}

#[tokio::test]
async fn copies_of_the_keys_are_as_good_and_are_only_read() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let folder = tempfile::tempdir().unwrap();
    copy(&world.app().config.keys_dir(), folder.path());
    let changed = || std::fs::metadata(folder.path()).unwrap().modified().unwrap();
    let before = changed();
    let (second, channel) = world.second_server_with(&[("keys.dir", folder.path().to_str().unwrap())]).await;
    ana.through(channel).whoami().await.unwrap();
    second.stop().await;
    assert_eq!(changed(), before, "no file was made, replaced or removed");
}

#[tokio::test]
async fn rotated_keys_are_written_down_and_wanted_from_then_on() {
    let mut world = World::start().await;
    let folder = KeyFolder::new(world.app().config.keys_dir());
    let earlier = tempfile::tempdir().unwrap();
    copy(&world.app().config.keys_dir(), earlier.path());
    for kind in KeyKind::ALL {
        folder.rotate(kind, world.now() + NOTICE, &world.app().dice).unwrap();
    }
    world.restart().await;
    let vault = known(&world).await.into_iter().filter(|row| row.kind == Kind::Vault);
    assert_eq!(vault.count(), 2);
    let refused = world.refusal_of_a_second(&[("keys.dir", earlier.path().to_str().unwrap())]).await;
    assert!(refused.contains("vault.key lacks"), "{refused}");
    // All instances were stopped for so long that no token lives, and the old keys were dropped.
    world.advance(world.app().config.sessions.access_token_life * 20);
    assert_eq!(folder.prune(KeyKind::Token, world.now(), world.app().config.sessions.access_token_life).unwrap(), 1);
    world.restart().await;
}

#[tokio::test]
async fn of_many_first_instances_with_keys_of_their_own_one_starts() {
    let place = tempfile::tempdir().unwrap();
    let database = TestDatabase::make(place.path());
    let mut config = Config { data_dir: place.path().to_owned(), ..Config::default() };
    if is_postgres() {
        config.database.url = Some(database.url().into());
    }
    let db = backline::db::connect(&config).await.unwrap();
    let folders: Vec<_> = (100..106).map(other_keys).collect();
    let join = |folder: &tempfile::TempDir| {
        let keys = Keys::load_or_make(folder.path(), &Clock::System, &Dice::seeded(1)).unwrap();
        let config = Config { data_dir: folder.path().to_owned(), ..Config::default() };
        let db = db.clone();
        async move { fleet::join(&config, &db, &keys, &Clock::System).await }
    };
    let joined = futures::future::join_all(folders.iter().map(join)).await;
    assert_eq!(joined.iter().filter(|joined| joined.is_ok()).count(), 1, "{joined:?}");
    let winner = joined.iter().position(Result::is_ok).unwrap();
    join(&folders[winner]).await.unwrap();
    let left = server_key::Entity::find().all(&database.connect().await).await.unwrap();
    assert_eq!(left.len(), 4, "the others left nothing: {left:?}");
    db.close().await;
    database.remove();
}

#[tokio::test]
async fn a_running_instance_that_lacks_a_key_says_so() {
    let world = World::start().await;
    let admin = world.server().admin_address;
    eventually(async || ready(admin).await.text().contains("\"keys\":\"up\"")).await;
    assert!(ready(admin).await.text().contains("\"state\":\"ready\""));
    world.expect_error("this instance must not go on like this");
    // What an instance with a newer key writes down.
    let foreign = server_key::ActiveModel {
        kind: Set(Kind::Vault),
        key_id: Set("k4.lid.elsewhere".into()),
        seen_at: Set(world.now()),
    };
    foreign.insert(&world.db().await).await.unwrap();
    // A new key of its own makes it compare at once instead of within a minute.
    let folder = KeyFolder::new(world.app().config.keys_dir());
    folder.rotate(KeyKind::Page, world.now() + NOTICE, &world.app().dice).unwrap();
    world.app().keys.reload().unwrap();
    eventually(async || ready(admin).await.text().contains("\"keys\":\"down\"")).await;
    let told = ready(admin).await;
    assert!(told.status == 200 && told.text().contains("\"state\":\"degraded\""), "{}", told.text());
    assert!(world.logged().iter().any(|line| line.contains("vault.key lacks k4.lid.elsewhere")));
}

#[test]
fn lost_keys_are_replaced_only_when_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let create = |email: &str| {
        with_input(&mut backline(data, &["admin", "create", "--email", email, "--password-stdin"]), PASSWORD)
    };
    assert!(create("root@example.org").status.success());
    std::fs::remove_dir_all(data.join("keys")).unwrap();
    let refused = create("other@example.org");
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("run: backline keys replace-lost"), "{}", stderr(&refused));
    assert!(!data.join("keys").exists());
    let replaced = backline(data, &["keys", "replace-lost"]).output().unwrap();
    assert!(replaced.status.success(), "{}", stderr(&replaced));
    assert_eq!(stdout(&replaced).matches("active").count(), 3);
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_by_health_and_measured() {
    if !is_postgres() {
        return;
    }
    let world = World::start().await;
    let (second, _) = world.second_server_by(Clock::Wrong(5 * SECOND)).await;
    eventually(async || ready(second.admin_address).await.text().contains("\"clock\":\"down\"")).await;
    let told = ready(second.admin_address).await;
    assert!(told.status == 200 && told.text().contains("\"state\":\"degraded\""), "{}", told.text());
    let metrics = raw::send(second.admin_address, Http::One, Method::GET, "/metrics", &[], "").await.text();
    assert!(metrics.contains("backline_clock_skew_seconds"), "{metrics}");
    assert!(world.logged().iter().any(|line| line.contains("this machine's clock differs")));
    second.stop().await;
}

#[tokio::test]
async fn production_does_not_start_half_a_minute_off() {
    if !is_postgres() {
        return;
    }
    let world = World::start().await;
    let app = world.app();
    let config = Config { mode: Mode::Production, ..(*app.config).clone() };
    let join = async |config: &Config, seconds: i64| {
        let joined = fleet::join(config, &app.db, &app.keys, &Clock::Wrong(seconds * SECOND)).await;
        joined.map_err(|error| format!("{error:#}"))
    };
    for (seconds, words) in [(60, "60.0 s ahead of the database's"), (-60, "60.0 s behind the database's")] {
        let refused = join(&config, seconds).await.unwrap_err();
        assert!(refused.contains(words) && refused.contains("NTP"), "{refused}");
    }
    join(&config, 20).await.unwrap();
    join(&app.config, 60).await.unwrap();
    let told = app.db.time().await.unwrap().unwrap();
    assert!(told > Timestamp::from_micros(1_700_000_000 * SECOND));
}
