//! Copies of everything held of a person.

use std::{collections::BTreeMap, io::Read, time::Duration};

use backline::privacy::register::{Export, REGISTER, Whose};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use sha2::{Digest, Sha256};

use crate::harness::{
    audio,
    stages::{submitted, track},
    *,
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
        if let Export::As { file, .. } = holding.export {
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
    for offset in [-1, 100_000_000] {
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
