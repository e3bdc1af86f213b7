//! Backups by themselves: when they are due, how many stay, and what waits for them.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use backline::{
    backup::{self, Wanted},
    objects::ObjectKey,
    storage::{self, hold},
    work,
};
use http::Method;

use super::shelf::{Shelf, Target, quiet};
use crate::harness::{Http, Studio, World, database, eventually, files::song, program, raw};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// A listener whose one file nobody uses, and where it lies.
async fn with_a_file(studio: &Studio) -> ObjectKey {
    let upload = studio.world.finalized(&studio.eva, &song(99)).await;
    let id: backline::kernel::ids::UploadId = upload.upload_id.parse().unwrap();
    let files = studio.world.stored_files();
    let uuid = id.to_string();
    let suffix = uuid.rsplit('_').next().unwrap();
    let file = files.iter().find(|file| file.display().to_string().contains(suffix)).unwrap();
    let key = file.strip_prefix(studio.world.folder.path().join("objects")).unwrap();
    ObjectKey::stored(&key.display().to_string())
}

async fn let_go(studio: &Studio) {
    let eva = studio.eva.account_id().parse().unwrap();
    let released = storage::release(studio.world.app(), eva).await.unwrap();
    assert_eq!(released.files, 1);
}

async fn is_there(studio: &Studio, key: &ObjectKey) -> bool {
    studio.world.app().objects.size(key).await.unwrap().is_some()
}

#[tokio::test]
async fn nothing_is_destroyed_while_a_backup_copies() {
    let studio = Studio::open().await;
    let world = &studio.world;
    let key = with_a_file(&studio).await;
    assert!(hold::take(world.app(), "a backup").await.unwrap());
    assert!(!hold::take(world.app(), "another").await.unwrap(), "one at a time");
    let_go(&studio).await;
    world.advance(MINUTE);
    world.run_jobs().await;
    assert!(is_there(&studio, &key).await, "it is held");
    hold::end(world.app(), "a backup").await.unwrap();
    world.advance(5 * MINUTE);
    world.run_jobs().await;
    assert!(!is_there(&studio, &key).await, "it was only put off");

    // A holder that fell silent holds nothing for ever.
    assert!(hold::take(world.app(), "a backup").await.unwrap());
    world.advance(hold::LEASE);
    assert!(!hold::extend(world.app(), "a backup").await.unwrap());
    assert!(hold::take(world.app(), "another").await.unwrap());
}

#[tokio::test]
async fn old_backups_go_and_what_others_need_stays() {
    let studio = Studio::open().await;
    let world = &studio.world;
    with_a_file(&studio).await;
    let shelf = Shelf::new(world);
    let first = shelf.keep(world).await;
    assert_eq!(first.new_objects, first.objects.count);
    let_go(&studio).await;
    world.advance(HOUR);
    world.run_jobs().await;
    let second = shelf.keep(world).await;
    assert!(second.name > first.name);
    assert_eq!((second.new_objects, second.objects.count), (0, first.objects.count - 1));
    assert_eq!(shelf.objects() as u64, first.objects.count, "the first one needs it");
    let third = shelf.make(world, Wanted { keep: Some(2), unless_younger: None }).await.unwrap().unwrap();

    assert!(third.name > second.name, "even of one moment");
    let left = shelf.place.find().await.unwrap();
    assert_eq!(left.whole.into_iter().collect::<Vec<_>>(), [second.name, third.name]);
    assert_eq!(shelf.objects() as u64, third.objects.count, "only what is still named");
    let restored = Target::of(world).restore(world, &shelf, false).await.unwrap();
    assert!(restored.report.is_whole(), "{:?}", restored.report.wrong);

    // A list that cannot be read costs nothing.
    let list = shelf.file(&format!("{}/objects.jsonl", restored.manifest.name));
    std::fs::write(&list, "").unwrap();
    shelf.make(world, Wanted { keep: Some(2), unless_younger: None }).await.unwrap_err();
    assert!(shelf.objects() as u64 >= third.objects.count);
}

#[tokio::test]
async fn the_command_goes_on_until_it_is_stopped() {
    let world = World::start().await;
    let shelf = Shelf::new(&world);
    let place = shelf.folder.path().display().to_string();
    let arguments = ["backup", "--every", "1s", "--keep", "1", "--to", &place];
    let mut command = program::backline(world.folder.path(), &arguments);
    if database::is_postgres() {
        command.env("BACKLINE_DATABASE_URL", world.database.url());
    }
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let newest = async || shelf.place.find().await.unwrap().whole.last().cloned();
    eventually(async || newest().await.is_some()).await;
    let first = newest().await;
    eventually(async || newest().await.is_some_and(|name| Some(name) != first)).await;
    let told = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    eventually(async || child.try_wait().unwrap().is_some()).await;
    assert!(child.wait().unwrap().success(), "Ctrl-C is an orderly end");
    let left = shelf.place.find().await.unwrap();
    assert!(left.whole.len() <= 2, "one is kept, and another may have come while it was to go: {left:?}");
}

#[tokio::test]
async fn two_schedulers_make_one_backup_when_it_is_due() {
    let shelf = tempfile::tempdir().unwrap();
    let to = url::Url::from_directory_path(shelf.path()).unwrap().to_string();
    let settings = [("backup.to", to.as_str()), ("backup.keep", "2"), ("backup.drill_every", "48h")];
    let mut world = World::with(&settings).await;
    world.account("ana").await;
    let place = backup::Place::open(&world.app().config, &to.parse().unwrap()).unwrap();
    let (second, _) = world.second_server().await;
    let count = async || place.find().await.unwrap().whole.len();
    let both = async || {
        let (one, other) = (work::worker(world.app()), work::worker(&second.app));
        let (one, other) = tokio::join!(one.run_due(), other.run_due());
        (one.unwrap(), other.unwrap())
    };

    both().await;
    assert_eq!(count().await, 0, "the first look comes with the first round");
    world.advance(5 * MINUTE);
    both().await;
    assert_eq!(count().await, 1);
    let at_once = async || {
        let progress = quiet();
        let (one, other) = tokio::join!(backup::due(world.app(), &progress), backup::due(&second.app, &progress));
        (one.unwrap(), other.unwrap())
    };
    assert_eq!(at_once().await, (false, false), "it is young");
    world.advance(24 * HOUR);
    let (one, other) = at_once().await;
    assert!(one != other, "one of them made it");
    assert_eq!(count().await, 2);
    world.advance(24 * HOUR);
    both().await;
    assert_eq!(count().await, 2, "no more are kept");
    world.advance(5 * MINUTE);
    both().await;
    assert!(!place.find().await.unwrap().drilled.is_empty(), "the newest was restored");
    second.stop().await;

    // Ages are read from the place, so a restart forgets none.
    world.restart().await;
    let newest = place.choose("latest").await.unwrap();
    let line = format!("backline_backup_last_success_timestamp_seconds {}", newest.created_at_us / 1_000_000);
    let admin = world.server().admin_address;
    eventually(async || {
        let told = raw::send(admin, Http::One, Method::GET, "/metrics", &[], "").await;
        let text = String::from_utf8_lossy(&told.body).into_owned();
        text.contains(&line)
            && text.contains("backline_backup_age_seconds 300")
            && text.contains("backline_restore_drill_last_success_timestamp_seconds 177")
    })
    .await;
}
