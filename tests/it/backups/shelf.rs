//! A place for backups, and empty places to restore them into.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use backline::{
    app,
    backup::{self, Error, Manifest, Place, Progress, Restored, Wanted},
    config::{self, Config},
    kernel::{Clock, Dice},
    mail::Mailer,
};

use crate::harness::{
    World,
    database::{self, TestDatabase},
    files::files_below,
};

/// A folder for backups.
pub struct Shelf {
    pub folder: tempfile::TempDir,
    pub place: Place,
}

impl Shelf {
    pub fn new(world: &World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = url::Url::from_directory_path(folder.path()).unwrap();
        let place = Place::open(&world.app().config, &url).unwrap();
        Self { folder, place }
    }

    pub async fn keep(&self, world: &World) -> Manifest {
        self.make(world, Wanted::default()).await.unwrap().expect("one is wanted in any case")
    }

    pub async fn make(&self, world: &World, wanted: Wanted) -> Result<Option<Manifest>, Error> {
        backup::make(world.app(), &self.place, wanted, &quiet()).await
    }

    /// Every file of the place, with its path from there.
    pub fn files(&self) -> BTreeMap<String, PathBuf> {
        let from = |path: PathBuf| (path.strip_prefix(self.folder.path()).unwrap().display().to_string(), path);
        files_below(self.folder.path()).into_iter().map(from).collect()
    }

    /// The one file whose path from here has `part` in it.
    pub fn file(&self, part: &str) -> PathBuf {
        let files = self.files();
        let found = files.iter().find(|(name, _)| name.contains(part));
        found.unwrap_or_else(|| panic!("no {part} in {files:?}")).1.clone()
    }

    /// Shared contents.
    pub fn objects(&self) -> usize {
        self.files().keys().filter(|name| name.starts_with("objects/")).count()
    }
}

/// Nothing yet: an empty data folder, and a database without tables.
pub struct Target {
    pub folder: tempfile::TempDir,
    pub database: TestDatabase,
}

impl Target {
    /// Without any key.
    pub fn bare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = TestDatabase::empty(folder.path());
        Self { folder, database }
    }

    /// With the world's keys, as they are kept elsewhere.
    pub fn of(world: &World) -> Self {
        let target = Self::bare();
        copy_keys(world.folder.path(), target.folder.path());
        target
    }

    pub fn config(&self) -> Config {
        let mut flags: BTreeMap<String, String> = [
            ("mode", "test"),
            ("server.listen", "127.0.0.1:0"),
            ("server.admin_listen", "127.0.0.1:0"),
            ("web.public_url", "http://backline.test"),
            ("passwords.memory_kib", "8"),
            ("passwords.passes", "1"),
            ("challenges.cost", "1"),
            ("work.in_server", "false"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        flags.insert("data_dir".to_owned(), self.folder.path().display().to_string());
        if database::is_postgres() {
            flags.insert("database.url".to_owned(), self.database.url());
            flags.insert("database.max_connections".to_owned(), "4".to_owned());
        }
        config::load(&config::Source { file: None, flags }).unwrap()
    }

    /// Restores the newest backup of a shelf.
    pub async fn restore(&self, world: &World, backups: &Shelf, without_keys: bool) -> Result<Restored, Error> {
        let manifest = backups.place.choose("latest").await?;
        let progress = quiet();
        let restored = backup::restore(self.config(), parts(world), &backups.place, manifest, without_keys, &progress);
        Box::pin(restored).await
    }

    /// Whether nothing is here that could be taken for data.
    pub async fn is_empty(&self) -> bool {
        let objects = files_below(&self.folder.path().join("objects"));
        let has_tables = match &self.database {
            TestDatabase::Sqlite { file } => file.exists(),
            TestDatabase::Postgres { .. } | TestDatabase::Own { .. } => {
                let db = self.database.connect().await;
                let tables = backline::db::tables(&db).await.unwrap();
                db.close().await.unwrap();
                !tables.is_empty()
            }
        };
        objects.is_empty() && !has_tables
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.database.remove();
    }
}

/// The parts of a server in the world's time.
pub fn parts(world: &World) -> app::World {
    app::World {
        clock: Clock::fixed(world.now()),
        dice: Dice::seeded(11),
        mailer: Some(Mailer::Memory(Arc::default())),
    }
}

pub fn copy_keys(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("keys")).unwrap();
    for file in files_below(&from.join("keys")) {
        std::fs::copy(&file, to.join("keys").join(file.file_name().unwrap())).unwrap();
    }
}

pub fn quiet() -> Progress {
    Progress::new(|_| {})
}

/// Changes one bit in the middle of a file.
pub fn damage(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).unwrap();
}
