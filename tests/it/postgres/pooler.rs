//! Through PgBouncer in transaction mode.

use futures::future::join_all;

use crate::{
    harness::{
        database::{TestDatabase, is_postgres},
        pgbouncer::PgBouncer,
        *,
    },
    stories::end_to_end::{Over, the_story},
};

/// A world whose every statement goes through a pooler with two connections; the pooler ends with the guard.
async fn pooled() -> Option<(PgBouncer, World)> {
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::make(folder.path());
    let direct = database.url();
    let bouncer = PgBouncer::before(&direct, 2).await?;
    let (_, name) = direct.rsplit_once('/').unwrap();
    let url = bouncer.url(name);
    let settings = [
        ("database.url", url.as_str()),
        ("database.pooler", "transaction"),
        ("database.direct_url", &direct),
        // More than the pooler has, so that they take turns.
        ("database.max_connections", "8"),
    ];
    let world = World::on(folder, database, &settings).await;
    Some((bouncer, world))
}

#[tokio::test]
async fn the_whole_story_goes_through_a_pooler() {
    if !is_postgres() {
        return;
    }
    let Some((_bouncer, world)) = pooled().await else { return };
    the_story(Over::Grpc, world).await;
}

#[tokio::test]
async fn many_calls_share_two_connections_of_a_pooler() {
    if !is_postgres() {
        return;
    }
    let Some((_bouncer, world)) = pooled().await else { return };
    let names: Vec<String> = (0..5).map(|number| format!("person{number}")).collect();
    let mut people = Vec::new();
    for name in &names {
        people.push(world.account(name).await);
    }
    let busy = people.iter().map(async |person| {
        for round in 0..10 {
            let display_name = format!("{} {round}", person.account.display_name);
            let request = pb::UpdateAccountRequest {
                account: Some(pb::Account { display_name: display_name.clone(), ..Default::default() }),
                update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
                ..Default::default()
            };
            person.accounts().update_account(request).await.unwrap();
            assert_eq!(person.whoami().await.unwrap().display_name, display_name);
        }
    });
    join_all(busy).await;
    world.run_jobs().await;
}
