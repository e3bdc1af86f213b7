//! The chain of the audit trail: whatever is done to a row behind the server's back is found out.

use backline::{
    audit,
    entity::{audit_event, audit_head},
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, QueryOrder};

use crate::harness::*;

/// A world whose trail has some rows, and an administrator who reads it.
async fn world() -> (World, Actor) {
    let world = World::start().await;
    let root = world.admin("root").await;
    let ana = world.account("ana").await;
    let request = pb::SetRolesRequest {
        account_id: ana.account_id().into(),
        roles: vec![pb::Role::Reviewer.into()],
        reason: "Joins the jury".into(),
        ..Default::default()
    };
    root.admin().set_roles(request).await.unwrap();
    (world, root)
}

async fn verify(root: &Actor) -> pb::VerifyChainResponse {
    root.audit().verify_chain(pb::VerifyChainRequest::default()).await.unwrap().into_inner()
}

async fn rows(db: &DatabaseConnection) -> Vec<audit_event::Model> {
    audit_event::Entity::find().order_by_asc(audit_event::Column::Sequence).all(db).await.unwrap()
}

/// SQL for a column's value with one bit of it turned; `None` where the column is null.
fn turned(db: &DatabaseConnection, row: &audit_event::Model, column: &str) -> Option<String> {
    let sqlite = db.get_database_backend() == DbBackend::Sqlite;
    let bytes = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        let hex = hex::encode(bytes);
        if sqlite { format!("x'{hex}'") } else { format!("'\\x{hex}'") }
    };
    let id = |id: uuid::Uuid| {
        let hex = uuid::Uuid::from_u128(id.as_u128() ^ 1).simple().to_string();
        if sqlite { format!("x'{hex}'") } else { format!("'{hex}'") }
    };
    let text = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[0] ^= 1;
        format!("'{}'", String::from_utf8(bytes).unwrap())
    };
    match column {
        "id" => Some(id(row.id.into())),
        "sequence" => Some((row.sequence ^ (1 << 20)).to_string()),
        "actor_id" => Some(id(row.actor_id?.into())),
        "action" => Some(text(&row.action)),
        "subject_kind" => Some(text(&row.subject_kind)),
        "subject_id" => Some(id(row.subject_id?)),
        "person_id" => Some(id(row.person_id?)),
        // What is null becomes something.
        "reason" => Some("'because'".to_owned()),
        "request_id" if row.request_id.is_empty() => Some("'x'".to_owned()),
        "request_id" => Some(text(&row.request_id)),
        "facts" => Some(text(&row.facts)),
        "actor_sealed" => Some(bytes(row.actor_sealed.as_deref()?)),
        "person_sealed" => Some(bytes(row.person_sealed.as_deref()?)),
        "created_at" => Some((row.created_at.micros() ^ 1).to_string()),
        "previous_hash" => Some(bytes(row.previous_hash.as_bytes())),
        "hash" => Some(bytes(row.hash.as_bytes())),
        other => panic!("{other} is not known"),
    }
}

#[tokio::test]
async fn a_change_in_any_column_of_any_row_is_named() {
    let (world, root) = world().await;
    let db = world.db().await;
    let whole = verify(&root).await;
    let all = rows(&db).await;
    assert_eq!((whole.broken_sequence, whole.problem, whole.next_sequence), (0, 0, 0));
    assert_eq!((whole.verified_count, whole.head_sequence), (i64::try_from(all.len()).unwrap(), whole.verified_count));

    // All of them but the actor's kind, which the table's own rules tie to the actor; below it is turned without them.
    let columns = [
        "id",
        "sequence",
        "actor_id",
        "action",
        "subject_kind",
        "subject_id",
        "person_id",
        "reason",
        "request_id",
        "facts",
        "actor_sealed",
        "person_sealed",
        "created_at",
        "previous_hash",
        "hash",
    ];
    for row in &all {
        for column in columns {
            let sequence = row.sequence;
            let Some(value) = turned(&db, row, column) else { continue };
            db.execute_unprepared("CREATE TABLE kept AS SELECT * FROM audit_event").await.unwrap();
            let change = format!("UPDATE audit_event SET {column} = {value} WHERE sequence = {sequence}");
            assert_eq!(db.execute_unprepared(&change).await.unwrap().rows_affected(), 1);
            let found = verify(&root).await;
            assert_eq!((found.broken_sequence, found.verified_count), (sequence, sequence - 1), "{change}: {found:?}");
            for back in ["DELETE FROM audit_event", "INSERT INTO audit_event SELECT * FROM kept", "DROP TABLE kept"] {
                db.execute_unprepared(back).await.unwrap();
            }
        }
    }
    assert_eq!(verify(&root).await.broken_sequence, 0, "as it was");
}

#[tokio::test]
async fn rows_taken_away_swapped_or_added_are_named() {
    let (world, root) = world().await;
    let db = world.db().await;
    let end = verify(&root).await.head_sequence;
    db.execute_unprepared("CREATE TABLE kept AS SELECT * FROM audit_event").await.unwrap();
    let add = |sequence: i64| format!("UPDATE audit_event SET sequence = {sequence} WHERE sequence = 2");
    for (act, named, problem) in [
        ("DELETE FROM audit_event WHERE sequence = 3".to_owned(), 3, pb::AuditProblem::RowMissing),
        ("DELETE FROM audit_event WHERE sequence = 1".to_owned(), 1, pb::AuditProblem::RowMissing),
        (format!("DELETE FROM audit_event WHERE sequence = {end}"), end, pb::AuditProblem::RowMissing),
        ("DELETE FROM audit_event".to_owned(), 1, pb::AuditProblem::RowMissing),
        (add(end + 1), 2, pb::AuditProblem::RowMissing),
    ] {
        db.execute_unprepared(&act).await.unwrap();
        let found = verify(&root).await;
        assert_eq!((found.broken_sequence, found.problem()), (named, problem), "{act}");
        db.execute_unprepared("DELETE FROM audit_event").await.unwrap();
        db.execute_unprepared("INSERT INTO audit_event SELECT * FROM kept").await.unwrap();
    }
    for swap in ["-2 WHERE sequence = 2", "2 WHERE sequence = 3", "3 WHERE sequence = -2"] {
        if db.get_database_backend() == DbBackend::Sqlite {
            db.execute_unprepared("PRAGMA ignore_check_constraints = ON").await.unwrap();
        } else {
            db.execute_unprepared("ALTER TABLE audit_event DROP CONSTRAINT IF EXISTS audit_event_sequence_check")
                .await
                .unwrap();
        }
        db.execute_unprepared(&format!("UPDATE audit_event SET sequence = {swap}")).await.unwrap();
    }
    let found = verify(&root).await;
    assert_eq!((found.broken_sequence, found.problem()), (2, pb::AuditProblem::RowChanged));
}

/// Whoever writes to the database only can compute hashes, but not sign an end.
#[tokio::test]
async fn a_chain_that_was_made_anew_is_not_signed() {
    let (world, root) = world().await;
    let db = world.db().await;
    let end = verify(&root).await.head_sequence;
    let before = rows(&db).await;
    let last = &before[before.len() - 2];
    db.execute_unprepared(&format!("DELETE FROM audit_event WHERE sequence = {end}")).await.unwrap();
    let head = audit_head::ActiveModel {
        name: sea_orm::ActiveValue::Set("trail".into()),
        sequence: sea_orm::ActiveValue::Set(last.sequence),
        hash: sea_orm::ActiveValue::Set(last.hash),
        ..Default::default()
    };
    audit_head::Entity::update(head).exec(&db).await.unwrap();
    let found = verify(&root).await;
    assert_eq!((found.broken_sequence, found.problem()), (end - 1, pb::AuditProblem::EndWrong));
}

#[tokio::test]
async fn a_long_chain_is_walked_in_parts() {
    let (_world, root) = world().await;
    let whole = verify(&root).await;
    let part = |from_sequence, to_sequence, previous_hash: bytes::Bytes| {
        let request = pb::VerifyChainRequest { from_sequence, to_sequence, previous_hash };
        let root = root.clone();
        async move { root.audit().verify_chain(request).await }
    };
    let first = part(1, 2, bytes::Bytes::new()).await.unwrap().into_inner();
    assert_eq!((first.verified_count, first.broken_sequence), (2, 0));
    let rest = part(3, 0, first.last_hash.clone()).await.unwrap().into_inner();
    assert_eq!((rest.verified_count, rest.broken_sequence), (whole.head_sequence - 2, 0));
    assert_eq!((&rest.last_hash, &rest.head_hash), (&whole.last_hash, &whole.head_hash));
    // What is asked for beyond the end is not there; the end is as far as a walk gets.
    let beyond = part(whole.head_sequence + 2, 0, bytes::Bytes::new()).await.unwrap().into_inner();
    assert_eq!((beyond.broken_sequence, beyond.problem()), (whole.head_sequence + 1, pb::AuditProblem::RowMissing));
    let after_end = part(whole.head_sequence + 1, 0, bytes::Bytes::new()).await.unwrap().into_inner();
    assert_eq!((after_end.broken_sequence, after_end.verified_count), (0, 0));
    let to_beyond = part(1, whole.head_sequence + 9, bytes::Bytes::new()).await.unwrap().into_inner();
    assert_eq!(to_beyond, whole);
    let other = part(3, 0, vec![7; 32].into()).await.unwrap().into_inner();
    assert_eq!((other.broken_sequence, other.problem()), (3, pb::AuditProblem::RowUnlinked));

    let refused = part(-1, -1, vec![1].into()).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["from_sequence", "to_sequence", "previous_hash"]);
}

#[tokio::test]
async fn many_writers_at_once_keep_one_chain() {
    let world = World::start().await;
    let root = world.admin("root").await;
    let (second, channel) = world.second_server().await;
    let ana = world.account("ana").await;
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let actor = if number % 2 == 0 { ana.clone() } else { ana.through(channel.clone()) };
            tokio::spawn(async move {
                let request = pb::UpdateAccountRequest {
                    account: Some(pb::Account { display_name: format!("Ana {number}"), ..Default::default() }),
                    update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
                    ..Default::default()
                };
                actor.accounts().update_account(request).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let found = verify(&root).await;
    assert_eq!((found.broken_sequence, found.verified_count), (0, found.head_sequence));
    assert!(found.head_sequence > 40);
    second.stop().await;
}

/// What an earlier release wrote stands in the chain after the first start, and nothing of it in clear.
#[tokio::test]
async fn rows_without_a_chain_are_taken_into_it() {
    let (world, root) = world().await;
    let db = world.db().await;
    let account = uuid::Uuid::from(root.account_id().parse::<backline::kernel::ids::AccountId>().unwrap());
    let sqlite = db.get_database_backend() == DbBackend::Sqlite;
    let id = |number: u128| {
        let id = uuid::Uuid::from_u128(number).simple().to_string();
        if sqlite { format!("x'{id}'") } else { format!("'{id}'") }
    };
    for number in 1..=450_u128 {
        let sql = format!(
            "INSERT INTO audit_event_unchained VALUES ({}, 'account', {}, 'authz_change', 'account', {}, \
             'An old reason', 'r', '192.0.2.7/32', '{{}}', {number})",
            id(number),
            id(account.as_u128()),
            id(account.as_u128()),
        );
        db.execute_unprepared(&sql).await.unwrap();
    }
    let before = verify(&root).await.head_sequence;
    assert_eq!(audit::adopt(world.app()).await.unwrap(), 450);
    assert_eq!(audit::adopt(world.app()).await.unwrap(), 0);
    let found = verify(&root).await;
    assert_eq!((found.broken_sequence, found.head_sequence), (0, before + 450));

    let adopted: Vec<_> = rows(&db).await.into_iter().filter(|row| row.created_at.micros() <= 450).collect();
    assert!(adopted.iter().map(|row| row.created_at.micros()).is_sorted(), "oldest first");
    let told = audit::details(&db, world.app(), &adopted).await.unwrap();
    assert_eq!(told[0].reason.as_deref(), Some("An old reason"));
    assert_eq!(told[0].address_prefix.as_deref(), Some("192.0.2.7/32"));
    let everything = crate::harness::rows::all(&db).await;
    for row in &everything["audit_event"] {
        assert!(!row.contains("An old reason") && !row.contains("192.0.2.7"), "{row}");
    }
    assert!(everything["audit_event_unchained"].is_empty());
}

/// What an act of somebody makes of the chain.
async fn act(actor: &Actor) {
    let request = pb::UpdateAccountRequest {
        account: Some(pb::Account { display_name: "Root".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
        ..Default::default()
    };
    actor.accounts().update_account(request).await.unwrap();
}

#[tokio::test]
async fn no_later_act_covers_up_for_an_end_that_was_forged() {
    let (world, root) = world().await;
    world.expect_error("is not the one that was signed");
    let db = world.db().await;
    let rows = rows(&db).await;
    let last = &rows[rows.len() - 2];
    db.execute_unprepared(&format!("DELETE FROM audit_event WHERE sequence > {}", last.sequence)).await.unwrap();
    let head = audit_head::ActiveModel {
        name: sea_orm::ActiveValue::Set("trail".into()),
        sequence: sea_orm::ActiveValue::Set(last.sequence),
        hash: sea_orm::ActiveValue::Set(last.hash),
        ..Default::default()
    };
    audit_head::Entity::update(head).exec(&db).await.unwrap();
    for acts in 1..=3 {
        act(&root).await;
        let found = verify(&root).await;
        assert_eq!((found.broken_sequence, found.problem()), (last.sequence + acts, pb::AuditProblem::EndWrong));
        assert_eq!(found.verified_count, last.sequence + acts, "each row follows the one before it");
    }
    let metrics = raw::send(world.server().admin_address, Http::One, http::Method::GET, "/metrics", &[], "").await;
    assert!(metrics.text().contains("backline_audit_unsigned_total"));
}

#[tokio::test]
async fn a_trail_that_was_emptied_is_no_new_one() {
    let (mut world, root) = world().await;
    let db = world.db().await;
    let zeros =
        if db.get_database_backend() == DbBackend::Sqlite { "zeroblob(32)" } else { "decode(repeat('00', 32), 'hex')" };
    let broken = async |root: &Actor| {
        let found = verify(root).await;
        assert_eq!((found.broken_sequence, found.problem()), (1, pb::AuditProblem::EndWrong));
    };
    db.execute_unprepared("DELETE FROM audit_event").await.unwrap();
    db.execute_unprepared(&format!("UPDATE audit_head SET sequence = 0, hash = {zeros}")).await.unwrap();
    broken(&root).await;
    db.execute_unprepared(&format!("UPDATE audit_head SET mac = {zeros}")).await.unwrap();
    world.restart().await;
    broken(&root).await;
    db.execute_unprepared("DELETE FROM audit_head").await.unwrap();
    broken(&root).await;
}

/// Takes the table's own rules away: whoever can write to the file is not bound by them.
async fn lift_rules(db: &DatabaseConnection) {
    if db.get_database_backend() == DbBackend::Sqlite {
        db.execute_unprepared("PRAGMA ignore_check_constraints = ON").await.unwrap();
        return;
    }
    let all = "DO $$ DECLARE rule text; BEGIN FOR rule IN SELECT conname FROM pg_constraint WHERE conrelid = \
               'audit_event'::regclass AND contype = 'c' LOOP EXECUTE format('ALTER TABLE audit_event DROP CONSTRAINT \
               %I', rule); END LOOP; END $$";
    db.execute_unprepared(all).await.unwrap();
}

#[tokio::test]
async fn a_row_that_can_no_longer_be_read_is_named_and_hides_no_other() {
    let (world, root) = world().await;
    let db = world.db().await;
    let sqlite = db.get_database_backend() == DbBackend::Sqlite;
    let all = rows(&db).await;
    let sequence = all[all.len() / 2].sequence;
    let kept = format!("CREATE TABLE kept AS SELECT * FROM audit_event WHERE sequence = {sequence}");
    db.execute_unprepared(&kept).await.unwrap();
    let mut damages = vec![("actor_kind", "'nobody'"), ("actor_kind", "'operator'")];
    damages.push(("hash", if sqlite { "x'00'" } else { "'\\x00'" }));
    damages.push(("previous_hash", if sqlite { "zeroblob(33)" } else { "decode(repeat('00', 33), 'hex')" }));
    if sqlite {
        let texts = ["actor_kind", "action", "subject_kind", "reason", "request_id", "facts"];
        damages.extend(texts.map(|column| (column, "CAST(x'61ff' AS TEXT)")));
        damages.extend(["id", "actor_id", "subject_id", "person_id"].map(|column| (column, "x'0102'")));
    }
    for (column, value) in damages {
        lift_rules(&db).await;
        let damage = format!("UPDATE audit_event SET {column} = {value} WHERE sequence = {sequence}");
        assert_eq!(db.execute_unprepared(&damage).await.unwrap().rows_affected(), 1);
        let found = verify(&root).await;
        assert_eq!((found.broken_sequence, found.problem()), (sequence, pb::AuditProblem::RowChanged), "{damage}");
        let after = pb::VerifyChainRequest { from_sequence: sequence + 1, ..Default::default() };
        let after = root.audit().verify_chain(after).await.unwrap().into_inner();
        assert!([0, sequence, sequence + 1].contains(&after.broken_sequence), "{damage}: {after:?}");
        let listed = root.audit().list_events(pb::ListEventsRequest::default()).await.unwrap().into_inner();
        assert_eq!(listed.events.len(), all.len(), "{damage}");
        db.execute_unprepared(&format!("DELETE FROM audit_event WHERE sequence = {sequence}")).await.unwrap();
        db.execute_unprepared("INSERT INTO audit_event SELECT * FROM kept").await.unwrap();
    }
    assert_eq!(verify(&root).await.broken_sequence, 0, "as it was");

    let damage = format!("UPDATE audit_event SET actor_kind = 'nobody' WHERE sequence = {sequence}");
    lift_rules(&db).await;
    db.execute_unprepared(&damage).await.unwrap();
    let request = pb::ExportEventsRequest { after_sequence: sequence - 1, reason: "What is left".into() };
    let mut stream = root.audit().export_events(request).await.unwrap().into_inner();
    let events = stream.message().await.unwrap().unwrap().events;
    assert_eq!((events[0].sequence, events[0].action.as_str()), (sequence, "unreadable"));
    assert!(events.len() > 1);
}

#[tokio::test]
async fn a_walk_without_time_gets_further_all_the_same() {
    let (world, root) = world().await;
    let whole = verify(&root).await;
    let range = audit::Range { from: 1, to: None, after: None, until: Some(tokio::time::Instant::now()) };
    let found = audit::verify(world.app(), range).await.unwrap();
    assert_eq!((found.verified, found.next), (whole.head_sequence, None));
}
