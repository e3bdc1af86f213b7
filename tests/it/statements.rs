//! How many statements a call costs, BEGIN and COMMIT among them.
//!
//! A number that grows is a decision, not an accident: whoever changes one here says why in the commit.

use sea_orm::Statement;

use crate::harness::*;

/// Counts what `act` sends and compares.
async fn costs<T>(world: &World, call: &str, expected: u64, act: impl AsyncFnOnce() -> T) -> T {
    let (outcome, sent) = world.statements(act).await;
    assert_eq!(sent, expected, "{call} sends {sent} statements");
    outcome
}

#[tokio::test]
async fn accounts_and_sessions_cost_what_they_did() {
    let world = World::start().await;
    let anyone = world.anonymous();

    // Who has the address; BEGIN, registration, letter, job, trail, COMMIT.
    let ana = costs(&world, "Register", 7, async || world.register("ana").await).await;
    world.run_jobs().await;
    let token = world.newest_letter_to(&ana.email).await.token().to_owned();
    let verify = pb::VerifyEmailRequest { token, ..Default::default() };
    // The registration; BEGIN, spend it, account, void the others, trail, COMMIT.
    costs(&world, "VerifyEmail", 7, async || anyone.accounts().verify_email(verify).await.unwrap()).await;

    // Both look-ups, always.
    let wrong = async || anyone.login(&ana.email, "not the password", "").await.unwrap_err();
    costs(&world, "Login, refused", 3, wrong).await;
    let ana = costs(&world, "Login", 9, async || world.login(&ana.email, PASSWORD).await.unwrap()).await;

    // A session's access token is verified without the database.
    costs(&world, "GetAccount", 1, async || ana.whoami().await.unwrap()).await;
    // Session and account in one statement; one guarded statement.
    costs(&world, "RefreshSession", 2, async || ana.refresh().await.unwrap()).await;
    // Once for each refreshed pair.
    costs(&world, "GetAccount, first use of a pair", 2, async || ana.whoami().await.unwrap()).await;
    costs(&world, "GetAccount", 1, async || ana.whoami().await.unwrap()).await;

    let update = |request_id: String| pb::UpdateAccountRequest {
        account: Some(pb::Account { display_name: "Ana Sol".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
        request_id,
        ..Default::default()
    };
    let plain = async || ana.accounts().update_account(update(String::new())).await.unwrap();
    costs(&world, "UpdateAccount", 4, plain).await;
    let repeatable = async || ana.accounts().update_account(update(request_id(1))).await.unwrap();
    costs(&world, "UpdateAccount with a request id", 6, repeatable).await;
    costs(&world, "UpdateAccount, repeated", 1, repeatable).await;

    let list = async || ana.sessions().list_sessions(pb::ListSessionsRequest::default()).await.unwrap();
    costs(&world, "ListSessions", 1, list).await;
    let phone = ana.on_another_device("Phone").await;
    let revoke = pb::RevokeSessionRequest { session_id: phone.session_id().to_owned() };
    costs(&world, "RevokeSession", 5, async || ana.sessions().revoke_session(revoke).await.unwrap()).await;
    let logout = async || ana.sessions().logout(pb::LogoutRequest::default()).await.unwrap();
    costs(&world, "Logout", 4, logout).await;

    let info = async || anyone.server().get_server_info(pb::GetServerInfoRequest {}).await.unwrap();
    costs(&world, "GetServerInfo", 0, info).await;
    costs(&world, "GetAccount, refused", 0, async || ana.whoami().await.unwrap_err()).await;
}

#[tokio::test]
async fn a_statement_that_reads_a_whole_table_does_not_pass() {
    let world = World::start().await;
    let db = world.db().await;
    let judged = async |sql: &str| {
        let statement = Statement::from_string(db.get_database_backend(), sql);
        world.database.judge(world.now(), vec![statement]).await
    };
    let found = judged("SELECT id FROM account WHERE display_name = 'Ana'").await;
    assert!(found.len() == 1 && found[0].contains("account"), "{found:?}");
    assert!(judged("SELECT id FROM account WHERE email = 'ana@example.org'").await.is_empty());
}
