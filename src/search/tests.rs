//! The golden cases and the order, on a SQLite file always and on PostgreSQL where `TEST_POSTGRES_URL` names a server on
//! which databases may be created.

use migrations::run;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel};
use serde::Deserialize;

use super::{
    Document, Kind, put,
    query::Asked,
    remove,
    store::{self, After, Class, Hit},
};
use crate::{
    config::{Config, DatabaseConfig},
    db::{self, Db, WriteTx},
    entity::{account, artist},
    kernel::{
        Dice, Roles, StoredHash, Timestamp,
        ids::{AccountId, ArtistId, Id},
    },
};

const BOTH: &[Kind] = &[Kind::Track, Kind::Artist];

/// A fresh database with the owner of all artists in it.
struct World {
    db: Db,
    dice: Dice,
    owner: AccountId,
}

impl World {
    async fn open(config: &Config) -> Self {
        let db = db::connect(config).await.unwrap();
        run(db.for_migrations()).await.unwrap();
        let dice = Dice::seeded(1);
        let owner = AccountId::new(Timestamp::from_micros(0), &dice);
        let account = account::Model {
            id: owner,
            email: "ana@example.org".parse().unwrap(),
            display_name: "Ana".into(),
            password_hash: StoredHash::from_phc("-"),
            status: account::Status::Active,
            roles: Roles::LISTENER,
            roles_version: 1,
            roles_changed_at: None,
            tier: account::Tier::Free,
            locale: "en".into(),
            terms_version: String::new(),
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
            last_seen_at: None,
            row_version: 1,
        };
        let row = account.into_active_model().reset_all();
        account::Entity::insert(row).exec_without_returning(&db.write_one()).await.unwrap();
        Self { db, dice, owner }
    }

    /// Makes an artist that is found, `at` microseconds after the epoch.
    async fn artist(&self, tx: &WriteTx, stage_name: &str, at: i64) -> ArtistId {
        let at = Timestamp::from_micros(at);
        let artist = artist::Model {
            id: ArtistId::new(at, &self.dice),
            owner_id: self.owner,
            stage_name: stage_name.into(),
            biography: String::new(),
            links: "[]".into(),
            state: artist::State::Active,
            created_at: at,
            updated_at: at,
            row_version: 1,
        };
        let row = artist.clone().into_active_model().reset_all();
        artist::Entity::insert(row).exec_without_returning(tx).await.unwrap();
        put(tx, document(artist.id, stage_name, at)).await.unwrap();
        artist.id
    }

    async fn find(&self, query: &str, kinds: &[Kind], after: After, limit: u64) -> Vec<Hit> {
        store::list(&self.db, &Asked::read(query).unwrap(), kinds, after, limit).await.unwrap()
    }
}

fn document(artist: ArtistId, stage_name: &str, at: Timestamp) -> Document<'_> {
    Document { kind: Kind::Artist, subject: artist.into(), display: stage_name, also: &[], published_at: at }
}

fn config(folder: &std::path::Path, url: Option<String>) -> Config {
    let database = DatabaseConfig { url: url.map(Into::into), ..Default::default() };
    Config { data_dir: folder.to_owned(), database, ..Default::default() }
}

#[expect(clippy::disallowed_methods, reason = "tests are told where PostgreSQL is")]
fn postgres() -> Option<String> {
    std::env::var("TEST_POSTGRES_URL").ok()
}

async fn on_both(test: &str, check: impl AsyncFn(&World)) {
    let folder = tempfile::tempdir().unwrap();
    let world = World::open(&config(folder.path(), None)).await;
    check(&world).await;
    world.db.close().await;

    let Some(server_url) = postgres() else {
        println!("skipped on PostgreSQL: TEST_POSTGRES_URL is not set");
        return;
    };
    let server = db::connect(&config(folder.path(), Some(server_url.clone()))).await.unwrap();
    let name = format!("search_{test}_{}", std::process::id());
    server.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    let (before, _) = server_url.rsplit_once('/').unwrap();
    let world = World::open(&config(folder.path(), Some(format!("{before}/{name}")))).await;
    check(&world).await;
    world.db.close().await;
    server.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    server.close().await;
}

#[derive(Deserialize)]
struct Golden {
    artists: Vec<String>,
    queries: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    query: String,
    found: Vec<(String, String)>,
}

#[tokio::test]
async fn both_databases_give_the_golden_answers() {
    let golden: Golden = serde_json::from_str(include_str!("../../tests/it/search_golden.json")).unwrap();
    on_both("golden", async |world| {
        let tx = world.db.begin_write().await.unwrap();
        let mut names = std::collections::HashMap::new();
        for (at, name) in (1..).zip(&golden.artists) {
            names.insert(uuid::Uuid::from(world.artist(&tx, name, at).await), name.clone());
        }
        tx.commit().await.unwrap();

        for Case { query, found } in &golden.queries {
            let hits = world.find(query, BOTH, After::START, 100).await;
            let answers: Vec<(String, String)> = hits
                .iter()
                .map(|hit| (names[&hit.subject].clone(), format!("{:?}", hit.class).to_uppercase()))
                .collect();
            assert_eq!(&answers, found, "{query}");
        }
    })
    .await;
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat() {
    on_both("pages", async |world| {
        let tx = world.db.begin_write().await.unwrap();
        for place in 0_i64..30 {
            let name = ["Night", "Night Bus", "Nightingale"][usize::try_from(place).unwrap() % 3];
            // Three are published in the same moment: the id decides.
            world.artist(&tx, name, place / 9).await;
        }
        tx.commit().await.unwrap();

        let all = world.find("night", BOTH, After::START, 100).await;
        assert_eq!(all.len(), 30);
        let order = |hit: &Hit| (hit.class, std::cmp::Reverse((hit.published_at, hit.subject)));
        assert!(all.is_sorted_by_key(order));

        let (mut walked, mut after) = (Vec::new(), After::START);
        loop {
            let page = world.find("night", BOTH, after, 7).await;
            let Some(last) = page.last() else { break };
            after = After { class: last.class.number(), published_at: last.published_at, subject: last.subject };
            walked.extend(page);
        }
        assert_eq!(walked, all);
    })
    .await;
}

#[tokio::test]
async fn a_name_is_found_however_many_newer_names_contain_it() {
    on_both("cap", async |world| {
        let tx = world.db.begin_write().await.unwrap();
        let oldest = world.artist(&tx, "Love", 1).await;
        for at in 2..1_100 {
            world.artist(&tx, "Love Affair", at).await;
        }
        tx.commit().await.unwrap();
        let hits = world.find("love", BOTH, After::START, 2_000).await;
        assert_eq!((hits[0].subject, hits[0].class), (oldest.into(), Class::Exact));
        assert_eq!(hits.len(), 1_001);
    })
    .await;
}

#[tokio::test]
async fn documents_follow_their_subjects() {
    on_both("follow", async |world| {
        let tx = world.db.begin_write().await.unwrap();
        let artist = world.artist(&tx, "Night Bus", 1).await;
        tx.commit().await.unwrap();
        let found = async |query: &str, kinds: &[Kind]| world.find(query, kinds, After::START, 10).await.len();
        assert_eq!((found("night", BOTH).await, found("night", &[Kind::Track]).await), (1, 0));

        // Another name in the place of the old one, with more words than it shows.
        let tx = world.db.begin_write().await.unwrap();
        let also = ["Lisboa"];
        let renamed = Document { also: &also, ..document(artist, "Day Bus", Timestamp::from_micros(2)) };
        put(&tx, renamed).await.unwrap();
        // A document whose subject is not there shows nothing.
        let stray = Document { kind: Kind::Track, ..document(artist, "Day Bus", Timestamp::from_micros(3)) };
        put(&tx, stray).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!((found("night", BOTH).await, found("day", BOTH).await, found("lisboa", BOTH).await), (0, 1, 1));

        // Suspended: no longer found, though the document is there.
        let suspend = artist::ActiveModel {
            id: sea_orm::ActiveValue::Unchanged(artist),
            state: sea_orm::ActiveValue::Set(artist::State::Suspended),
            ..Default::default()
        };
        suspend.update(&world.db.write_one()).await.unwrap();
        assert_eq!(found("day", BOTH).await, 0);

        let tx = world.db.begin_write().await.unwrap();
        remove(&tx, Kind::Artist, artist.into()).await.unwrap();
        remove(&tx, Kind::Artist, artist.into()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(found("lisboa", BOTH).await, 0);
    })
    .await;
}
