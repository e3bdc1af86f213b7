//! What calls carry onward: to PostgreSQL.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, TransactionTrait};

use crate::harness::{raw::frame, *};

/// What PostgreSQL shows of everybody who is connected to this database.
async fn activity(db: &DatabaseConnection) -> Vec<(String, String)> {
    let sql = "SELECT application_name, query FROM pg_stat_activity WHERE datname = current_database()";
    let rows = db.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
    rows.iter().map(|row| (row.try_get("", "application_name").unwrap(), row.try_get("", "query").unwrap())).collect()
}

#[tokio::test]
async fn postgresql_shows_whose_transaction_it_runs() {
    if !database::is_postgres() {
        return;
    }
    let world = World::with(&[("telemetry.instance", "instance-7")]).await;
    let db = world.db().await;
    world.register("ana").await;
    let session = "backline/instance-7";
    assert!(activity(&db).await.iter().any(|(name, _)| name == session), "{:?}", activity(&db).await);

    // A writer in the way holds the call in the middle of its transaction.
    let beside = world.db().await;
    let in_the_way = beside.begin().await.unwrap();
    in_the_way.execute_unprepared("LOCK TABLE registration IN EXCLUSIVE MODE").await.unwrap();
    let request_id = "0123456789abcdef0123456789abcdef";
    let request = pb::RegisterRequest {
        email: "bo@example.org".to_owned(),
        password: PASSWORD.to_owned(),
        display_name: "Bo".to_owned(),
        ..Default::default()
    };
    let body = frame(&prost::Message::encode_to_vec(&request));
    let headers = [("x-request-id", request_id), ("traceparent", "nonsense")];
    let call = world.grpc("/backline.v1.AccountService/Register", &headers, body);
    let held = async {
        let shown = async || {
            let mut names = activity(&db).await.into_iter().map(|(name, _)| name);
            names.find_map(|name| name.strip_prefix(&format!("{session} ")).map(ToOwned::to_owned))
        };
        eventually(async || shown().await.is_some()).await;
        let trace = shown().await;
        in_the_way.rollback().await.unwrap();
        trace
    };
    let (answer, trace) = tokio::join!(call, held);
    assert_eq!(answer.grpc().code(), Code::Ok, "{:?}", answer.grpc());
    let trace = trace.expect("it was there");
    assert!(trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit()), "{trace}");
    assert!(world.logged().iter().all(|line| !line.contains("warn")), "nothing went wrong on the way");
    assert!(
        activity(&db).await.iter().all(|(name, _)| !name.contains(&trace)),
        "once it has ended, the connection is called as before"
    );
    world.run_jobs().await;
}
