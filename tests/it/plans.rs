//! What the table of statements does not show: plans that scan, and what refused and repeated calls cost.

use sea_orm::Statement;

use crate::harness::*;

#[tokio::test]
async fn a_statement_that_reads_a_whole_table_does_not_pass() {
    let world = World::start().await;
    let backend = world.db().await.get_database_backend();
    let judged = async |sql: &str| {
        let statement = Statement::from_string(backend, sql);
        world.database.judge(world.now(), vec![statement]).await
    };
    let found = judged("SELECT id FROM account WHERE display_name = 'Ana'").await;
    assert!(found.len() == 1 && found[0].contains("account"), "{found:?}");
    assert!(judged("SELECT id FROM account WHERE email = 'ana@example.org'").await.is_empty());
}

#[tokio::test]
async fn refused_and_repeated_calls_are_cheap() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let rename = async |request_id: String| {
        let request = pb::UpdateAccountRequest {
            account: Some(pb::Account { display_name: "Ana Sol".into(), ..Default::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
            request_id,
            ..Default::default()
        };
        world.statements(async || ana.accounts().update_account(request).await.unwrap()).await.1
    };

    // A repeat asks for the first reply and is done; the first call asks, and keeps its reply.
    assert_eq!(rename(String::new()).await, 6);
    assert_eq!(rename(request_id(1)).await, 8);
    assert_eq!(rename(request_id(1)).await, 1);

    // Both look-ups, the device, all counts and the attempt's row, whoever was meant.
    let (_, wrong) = world.statements(async || ana.login(&ana.email, "not the password", "").await.unwrap_err()).await;
    assert_eq!(wrong, 5);

    // The first use of a refreshed pair is noted once.
    ana.refresh().await.unwrap();
    assert_eq!(world.statements(async || ana.whoami().await.unwrap()).await.1, 2);
    assert_eq!(world.statements(async || ana.whoami().await.unwrap()).await.1, 1);

    // Whoever is signed out costs the database nothing.
    ana.sessions().logout(pb::LogoutRequest::default()).await.unwrap();
    assert_eq!(world.statements(async || ana.whoami().await.unwrap_err()).await.1, 0);
}
