//! Copies of everything held of a person.

use std::{collections::BTreeMap, io::Read, time::Duration};

use backline::{
    entity::{artist_member::MemberRole, job},
    jobs::Job,
    kernel::ids::{ExportId, Id},
    objects::ObjectKey,
    privacy::{
        BuildExport, EraseAccount,
        register::{Export, REGISTER, Shown, Whose},
    },
};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, QueryFilter, Statement};
use sha2::{Digest, Sha256};

use crate::{
    deletion::{cancel, delete},
    harness::{
        audio,
        stages::{submitted, track},
        *,
    },
    security,
};

async fn start(actor: &Actor) -> Result<pb::DataExport, Status> {
    let reply = actor.accounts().start_data_export(pb::StartDataExportRequest::default()).await?;
    Ok(reply.into_inner().export.unwrap())
}

async fn read(actor: &Actor, export_id: &str) -> Result<pb::DataExport, Status> {
    let request = pb::GetDataExportRequest { export_id: export_id.into() };
    Ok(actor.accounts().get_data_export(request).await?.into_inner().export.unwrap())
}

/// The bytes from `offset` on, and what the first message said of all.
async fn download(actor: &Actor, export_id: &str, offset: i64) -> Result<(Vec<u8>, i64, Vec<u8>), Status> {
    let request = pb::DownloadDataExportRequest { export_id: export_id.into(), offset };
    let mut stream = actor.accounts().download_data_export(request).await?.into_inner();
    let first = stream.message().await?.unwrap();
    assert_eq!((first.offset, first.data.len()), (offset, 0));
    let mut bytes = Vec::new();
    while let Some(piece) = stream.message().await? {
        assert_eq!(piece.offset, offset + i64::try_from(bytes.len()).unwrap());
        assert!(piece.data.len() <= 256 * 1024);
        bytes.extend_from_slice(&piece.data);
    }
    Ok((bytes, first.size_bytes, first.sha256.to_vec()))
}

fn unzipped(bytes: Vec<u8>) -> BTreeMap<String, Vec<u8>> {
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut files = BTreeMap::new();
    for place in 0..zip.len() {
        let mut file = zip.by_index(place).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        files.insert(file.name().unwrap().into_owned(), content);
    }
    files
}

#[tokio::test]
async fn an_export_has_everything_and_nothing_of_others() {
    let studio = Studio::open().await;
    let (world, ana) = (&studio.world, &studio.ana);
    let work = track(world, ana, &studio.artist_id, "A quiet song", 31).await;
    submitted(ana, &work.track_id).await;
    world.account("zoe").await;

    let export = start(ana).await.unwrap();
    assert_eq!(export.state(), pb::DataExportState::Pending);
    assert_eq!(world.newest_letter_to(&ana.email).await.subject, "Your data is ready");
    let ready = read(ana, &export.export_id).await.unwrap();
    assert_eq!(ready.state(), pb::DataExportState::Ready);

    let (bytes, size, sha256) = download(ana, &export.export_id, 0).await.unwrap();
    assert_eq!((size, ready.size_bytes), (i64::try_from(bytes.len()).unwrap(), size));
    assert_eq!(Sha256::digest(&bytes).to_vec(), sha256);
    let (rest, ..) = download(ana, &export.export_id, 100).await.unwrap();
    assert_eq!(rest, bytes[100..]);

    let files = unzipped(bytes);
    for holding in REGISTER {
        if let Export::As(Shown { file, .. }) = holding.export {
            let rows: Vec<serde_json::Value> = serde_json::from_slice(&files[file]).unwrap();
            let expected = [
                "account",
                "session",
                "login_attempt",
                "login_guard",
                "registration",
                "letter",
                "artist",
                "artist_member",
                "artist_application",
                "track",
                "submission",
                "submission_history",
                "submission_revision",
                "upload",
                "object_reference",
                "data_export",
            ];
            assert_eq!(!rows.is_empty(), expected.contains(&holding.table), "{file}: {rows:?}");
        }
    }
    let text = |file: &str| String::from_utf8(files[file].clone()).unwrap();
    assert!(text("account.json").contains(&ana.email) && text("account.json").contains(ana.account_id()));
    assert!(text("tracks.json").contains("A quiet song"));
    assert!(text("sessions.json").contains("2026-03-01T00:00:00"), "{}", text("sessions.json"));
    assert!(text("audit.json").contains("authn_login_success") && text("audit.json").contains("127.0.0.1/32"));
    let sound = files.iter().find(|(name, _)| name.starts_with("files/")).unwrap().1;
    assert!(sound.starts_with(b"RIFF") || !sound.is_empty());
    assert!(files.values().any(|content| *content == audio::wav(0.05, 31)), "the file itself");
    for (name, content) in &files {
        let text = String::from_utf8_lossy(content);
        for secret in ["argon2id", "zoe@example.org", studio.rui.account_id(), &studio.rui.email] {
            assert!(!text.contains(secret), "{name} has {secret}");
        }
    }
}

#[tokio::test]
async fn an_export_is_its_owner_s_and_for_seven_days() {
    let world = World::start().await;
    let (ana, eva) = (world.account("ana").await, world.account("eva").await);
    let export = start(&ana).await.unwrap();
    let refused = start(&ana).await.unwrap_err();
    assert_reason(&refused, Code::AlreadyExists, ErrorReason::DataExportExists);
    let refused = download(&ana, &export.export_id, 0).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::DataExportNotReady);
    assert_eq!(fact(&refused, "state").as_deref(), Some("PENDING"));
    world.run_jobs().await;

    for id in [export.export_id.as_str(), "exp_0", ""] {
        let of_others = [read(&eva, id).await.map(drop), download(&eva, id, 0).await.map(drop)];
        for refused in of_others {
            assert_reason(&refused.unwrap_err(), Code::NotFound, ErrorReason::ResourceNotFound);
        }
    }
    let size = read(&ana, &export.export_id).await.unwrap().size_bytes;
    assert!(download(&ana, &export.export_id, size).await.unwrap().0.is_empty());
    for offset in [-1, size + 1] {
        let refused = download(&ana, &export.export_id, offset).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
        assert_eq!(violations(&refused), ["offset"]);
    }

    world.advance(Duration::from_mins(11));
    let ana_later = ana.on_another_device("Phone").await;
    ana.refresh().await.unwrap();
    let stale = download(&ana, &export.export_id, 0).await.unwrap_err();
    assert_reason(&stale, Code::FailedPrecondition, ErrorReason::StepUpRequired);
    assert_reason(&start(&ana).await.unwrap_err(), Code::FailedPrecondition, ErrorReason::StepUpRequired);
    download(&ana_later, &export.export_id, 0).await.unwrap();

    world.advance(Duration::from_hours(7 * 24 + 1));
    world.run_jobs().await;
    let ana = world.login(&ana.email, PASSWORD).await.unwrap();
    assert_eq!(read(&ana, &export.export_id).await.unwrap().state(), pb::DataExportState::Expired);
    let refused = download(&ana, &export.export_id, 0).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::DataExportNotReady);
    let left = std::fs::read_dir(world.folder.path().join("exports")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "drafts go");
}

#[tokio::test]
async fn exports_are_three_a_day_and_repeats_are_one() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let request = pb::StartDataExportRequest { request_id: request_id(1) };
    let first = ana.accounts().start_data_export(request.clone()).await.unwrap().into_inner();
    assert_eq!(ana.accounts().start_data_export(request).await.unwrap().into_inner(), first);
    world.run_jobs().await;
    for _ in 0..2 {
        start(&ana).await.unwrap();
        world.run_jobs().await;
    }
    let refused = start(&ana).await.unwrap_err();
    assert_reason(&refused, Code::ResourceExhausted, ErrorReason::RateLimited);
    assert_eq!(fact(&refused, "scope").as_deref(), Some("data_exports"));
    let malformed = pb::StartDataExportRequest { request_id: "one".into() };
    let refused = ana.accounts().start_data_export(malformed).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
}

async fn copy(world: &World, actor: &Actor) -> BTreeMap<String, Vec<u8>> {
    let export = start(actor).await.unwrap();
    world.run_jobs().await;
    unzipped(download(actor, &export.export_id, 0).await.unwrap().0)
}

fn rows_of(files: &BTreeMap<String, Vec<u8>>, file: &str) -> Vec<serde_json::Value> {
    serde_json::from_slice(&files[file]).unwrap()
}

#[tokio::test]
async fn a_member_s_export_has_their_own_words_and_the_owner_s_does_not() {
    let studio = Studio::open().await;
    let (world, eva) = (&studio.world, &studio.eva);
    studio.let_in(eva, MemberRole::Manager).await;
    let track = studio.ana.new_track(studio.track("Night Bus")).await.unwrap();
    let request = pb::CreateSubmissionRequest {
        track_id: track.track_id,
        note: "Eva would like a quick answer".into(),
        ..Default::default()
    };
    eva.submissions().create_submission(request).await.unwrap();

    let own = rows_of(&copy(world, eva).await, "submissions.json");
    assert_eq!((own.len(), own[0]["note"].as_str()), (1, Some("Eva would like a quick answer")));
    assert_eq!(own[0]["submitter_id"], eva.account_id());
    let of_owner = rows_of(&copy(world, &studio.ana).await, "submissions.json");
    assert_eq!((of_owner.len(), of_owner[0].get("note"), of_owner[0].get("submitter_id")), (1, None, None));
}

#[tokio::test]
async fn an_export_has_what_came_to_former_addresses_and_before_there_was_an_account() {
    let world = World::start().await;
    world.login("ana@example.org", PASSWORD).await.err().unwrap();
    let ana = world.account("ana").await;
    let mut before = rows_of(&copy(&world, &ana).await, "letters.json").len();
    security::move_to(&world, &ana, "moved@example.org").await;
    let ana = world.login("moved@example.org", PASSWORD).await.unwrap();
    before += 4;
    let files = copy(&world, &ana).await;
    assert!(rows_of(&files, "letters.json").len() >= before, "to the old mailbox, and two to each about the change");
    assert_eq!(rows_of(&files, "registrations.json")[0]["email"], "ana@example.org");
    let tries = rows_of(&files, "sign_in_attempts.json");
    assert!(tries.iter().any(|row| row["result"] == "unknown_account"), "{tries:?}");
}

#[tokio::test]
async fn an_export_does_not_tell_where_staff_looked_from() {
    let world = World::start().await;
    let (ana, root) = (world.account("ana").await, world.admin("root").await);
    let request = pb::StartImpersonationRequest {
        account_id: ana.account_id().into(),
        reason: "They see no tracks".into(),
        ..Default::default()
    };
    root.admin().start_impersonation(request).await.unwrap();
    let sessions = rows_of(&copy(&world, &ana).await, "sessions.json");
    assert_eq!(sessions.len(), 2);
    let with_address = sessions.iter().filter(|row| row.get("address").is_some() && row.get("user_agent").is_some());
    assert_eq!(with_address.count(), 1, "{sessions:?}");
}

#[tokio::test]
async fn of_two_exports_asked_for_at_once_one_begins() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (one, other) = tokio::join!(start(&ana), start(&ana));
    let refused: Vec<_> = [one, other].into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_reason(&refused[0], Code::AlreadyExists, ErrorReason::DataExportExists);
    world.run_jobs().await;
}

#[tokio::test]
async fn an_export_that_came_to_nothing_says_so_and_leaves_nothing() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let export = start(&ana).await.unwrap();
    // Its job is lost, and two days later it is given up.
    let its_job = job::Column::Kind.eq(BuildExport::NAME);
    job::Entity::delete_many().filter(its_job).exec(&world.db().await).await.unwrap();
    world.advance(Duration::from_hours(49));
    world.run_jobs().await;
    let ana = world.login(&ana.email, PASSWORD).await.unwrap();
    let failed = read(&ana, &export.export_id).await.unwrap();
    assert_eq!((failed.state(), failed.size_bytes), (pb::DataExportState::Failed, 0));
    let refused = download(&ana, &export.export_id, 0).await.unwrap_err();
    assert_eq!(fact(&refused, "state").as_deref(), Some("FAILED"));

    // A run that was killed after the last byte, and begins again too late.
    let (app, id) = (world.app(), ExportId::parse(&export.export_id).unwrap());
    app.objects.put(&ObjectKey::export(id), b"everything".to_vec().into()).await.unwrap();
    BuildExport { export: id }.run(app).await.unwrap();
    assert!(app.objects.read(&ObjectKey::export(id), 0..1).await.is_err(), "the file is gone");
    start(&ana).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn an_export_goes_on_while_the_account_waits_and_ends_with_it() {
    let world = World::start().await;
    let (ana, eva) = (world.account("ana").await, world.account("eva").await);
    let export = start(&ana).await.unwrap();
    delete(&ana, "").await.unwrap();
    world.run_jobs().await;
    let letters = world.letters_to(&ana.email);
    let letter = letters.iter().find(|letter| letter.text.contains("/undo?token=")).unwrap();
    cancel(&world, letter.token()).await.unwrap();
    let ana = world.login(&ana.email, PASSWORD).await.unwrap();
    assert_eq!(read(&ana, &export.export_id).await.unwrap().state(), pb::DataExportState::Ready);

    // One is gathered while its owner is erased.
    let export = start(&eva).await.unwrap();
    let root = world.admin("root").await;
    let request =
        pb::EraseAccountRequest { account_id: eva.account_id().into(), reason: "By law".into(), ..Default::default() };
    root.admin().erase_account(request).await.unwrap();
    let (app, id) = (world.app(), ExportId::parse(&export.export_id).unwrap());
    let gathering = BuildExport { export: id };
    let erasure = EraseAccount { account: eva.account_id().parse().unwrap() };
    for outcome in <[_; 2]>::from(tokio::join!(gathering.run(app), erasure.run(app))) {
        outcome.unwrap();
    }
    assert!(app.objects.read(&ObjectKey::export(id), 0..1).await.is_err(), "no copy is left");
    world.run_jobs().await;
}

/// Columns that hold an account's id, by the schema's own word or by their names.
async fn account_columns(db: &DatabaseConnection) -> Vec<(String, String)> {
    let sqlite = db.get_database_backend() == DbBackend::Sqlite;
    let sql = if sqlite {
        "SELECT t.name, c.name FROM pragma_table_list t, pragma_table_info(t.name) c \
         WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE 'search_index%'"
    } else {
        "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = 'public'"
    };
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    rows.iter().map(|row| (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap())).collect()
}

/// Whoever adds a table says in the register what it holds of people.
#[tokio::test]
async fn no_table_is_forgotten() {
    const NAMES: [&str; 12] = [
        "account_id",
        "owner_id",
        "applicant_id",
        "submitter_id",
        "reviewer_id",
        "decided_by",
        "actor_id",
        "person_id",
        "impersonator_id",
        "member_id",
        "created_by",
        "email",
    ];
    let world = World::start().await;
    for (table, column) in account_columns(&world.db().await).await {
        let holding = REGISTER.iter().find(|holding| holding.table == table);
        let holding = holding.unwrap_or_else(|| panic!("{table} is not in the register of src/privacy/register.rs"));
        if NAMES.contains(&column.as_str()) && table != "account" {
            let is_known = holding.mentions.contains(&column.as_str())
                || holding.whose.iter().any(|whose| match *whose {
                    Whose::Account(known)
                    | Whose::Address(known)
                    | Whose::Row(known, _)
                    | Whose::Recipient(known)
                    | Whose::Identifier(known) => known == column,
                });
            assert!(is_known, "the register does not say what {table}.{column} is");
        }
    }
}
