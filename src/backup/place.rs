//! Where backups lie.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use futures::TryStreamExt;
use object_store::PutPayload;
use url::Url;

use super::{
    Error, Manifest, Name,
    list::Summary,
    manifest::MAX_BYTES,
    transfer::{self, Expected},
};
use crate::{
    config::{Config, ObjectsConfig},
    objects::{ObjectKey, Objects},
};

const MANIFEST: &str = "manifest.json";
const DRILL: &str = "drill.json";

/// Which of a backup's two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    Objects,
    Staging,
}

impl List {
    const fn file(self) -> &'static str {
        match self {
            Self::Objects => "objects.jsonl",
            Self::Staging => "staging.jsonl",
        }
    }

    pub fn of(self, manifest: &Manifest) -> &Summary {
        match self {
            Self::Objects => &manifest.objects,
            Self::Staging => &manifest.staging,
        }
    }
}

/// What lies in a place, by the names of its folders.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Backups with a manifest, oldest first.
    pub whole: BTreeSet<Name>,
    /// What an interrupted backup left, or one that is being made.
    pub unfinished: BTreeSet<Name>,
    /// Backups that a drill has restored.
    pub drilled: BTreeSet<Name>,
}

/// A store that holds backups. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Place {
    pub store: Objects,
}

impl Place {
    /// Opens the place at `to`, with the client options of `[backup]`, or else those of `[objects]`.
    ///
    /// # Errors
    /// One sentence: it cannot be opened, or it is where the server's own objects lie.
    pub fn open(config: &Config, to: &Url) -> Result<Self, Error> {
        let same = |text: &str| text.trim_end_matches('/').to_owned() + "/";
        let (place, objects) = (same(to.as_str()), same(&config.objects_url()));
        if place.starts_with(&objects) || objects.starts_with(&place) {
            return Err(Error::Place("backups and the server's own objects must not lie within each other".to_owned()));
        }
        let mut there = config.clone();
        there.objects.url = Some(to.clone());
        if !config.backup.options.is_empty() {
            // Nothing of one store's credentials is shown to another.
            there.objects = ObjectsConfig {
                url: Some(to.clone()),
                options: config.backup.options.clone(),
                timeout: config.objects.timeout,
                ..ObjectsConfig::default()
            };
        }
        let store = Objects::connect(&there).map_err(|error| Error::Place(format!("{error:#}")))?;
        Ok(Self { store })
    }

    /// Where a content lies that backups share.
    pub fn content(sha256: &str) -> ObjectKey {
        ObjectKey::stored(&format!("objects/{}/{sha256}", sha256.get(..2).unwrap_or("00")))
    }

    /// A file of one backup.
    pub fn file(name: &Name, file: &str) -> ObjectKey {
        ObjectKey::stored(&format!("backups/{name}/{file}"))
    }

    /// A piece of an unfinished upload.
    pub fn piece(name: &Name, sha256: &str) -> ObjectKey {
        Self::file(name, &format!("staging/{sha256}"))
    }

    /// What lies here.
    pub async fn find(&self) -> Result<Found, Error> {
        let mut found = Found::default();
        let mut listed = std::pin::pin!(self.store.list(&ObjectKey::stored("backups")));
        while let Some(object) = listed.try_next().await? {
            let mut parts = object.key.as_str().splitn(3, '/').skip(1);
            let Some(Ok(name)) = parts.next().map(str::parse::<Name>) else { continue };
            match parts.next() {
                Some(MANIFEST) => drop(found.whole.insert(name)),
                Some(DRILL) => drop(found.drilled.insert(name)),
                _ => drop(found.unfinished.insert(name)),
            }
        }
        found.unfinished.extend(found.drilled.iter().cloned());
        found.unfinished.retain(|name| !found.whole.contains(name));
        found.drilled.retain(|name| found.whole.contains(name));
        Ok(found)
    }

    /// The backup called `name`, or the newest for `latest`.
    pub async fn choose(&self, name: &str) -> Result<Manifest, Error> {
        let found = self.find().await?;
        let name = match name {
            "latest" => found.whole.last().cloned().ok_or(Error::NoneThere)?,
            name => name
                .parse::<Name>()
                .ok()
                .filter(|name| found.whole.contains(name))
                .ok_or_else(|| Error::Unknown(name.chars().take(60).collect()))?,
        };
        self.manifest(&name).await
    }

    pub async fn manifest(&self, name: &Name) -> Result<Manifest, Error> {
        let text = self.small(&Self::file(name, MANIFEST)).await?;
        Manifest::read(&text.ok_or_else(|| Error::Unknown(name.to_string()))?, name)
    }

    /// Makes a backup exist.
    pub async fn put_manifest(&self, manifest: Manifest) -> Result<Manifest, Error> {
        let (manifest, text) = manifest.sealed()?;
        self.store.put(&Self::file(&manifest.name, MANIFEST), PutPayload::from(text.into_bytes())).await?;
        Ok(manifest)
    }

    /// Makes a backup exist no more. Its folder is cleared after that.
    pub async fn delete(&self, name: &Name) -> Result<(), Error> {
        self.store.delete(&Self::file(name, MANIFEST)).await?;
        self.store.delete_below(&ObjectKey::stored(&format!("backups/{name}"))).await?;
        Ok(())
    }

    /// Notes what a drill found of a backup.
    pub async fn put_drill(&self, name: &Name, note: String) -> Result<(), Error> {
        Ok(self.store.put(&Self::file(name, DRILL), PutPayload::from(note.into_bytes())).await?)
    }

    pub async fn drill(&self, name: &Name) -> Result<Option<Vec<u8>>, Error> {
        self.small(&Self::file(name, DRILL)).await
    }

    async fn small(&self, key: &ObjectKey) -> Result<Option<Vec<u8>>, Error> {
        let Some(size) = self.store.size(key).await? else { return Ok(None) };
        if size > MAX_BYTES {
            return Err(Error::damaged(key.as_str(), "it is too large"));
        }
        let mut blocks = self.store.read(key, 0..size).await?;
        let mut text = Vec::new();
        while let Some(block) = blocks.try_next().await? {
            text.extend_from_slice(&block);
        }
        Ok(Some(text))
    }

    /// Stores a list that was written on this machine.
    pub async fn put_list(&self, name: &Name, list: List, path: &Path) -> Result<(), Error> {
        transfer::upload(path, &self.store, &Self::file(name, list.file())).await.map(drop)
    }

    /// Fetches a list, and proves that it is the one of the manifest.
    pub async fn fetch_list(&self, manifest: &Manifest, list: List, path: &Path) -> Result<(), Error> {
        let key = Self::file(&manifest.name, list.file());
        let what = || format!("{} of the backup", key.as_str());
        let size_bytes = self.store.size(&key).await?.ok_or_else(|| Error::damaged(what(), "it is not there"))?;
        let expected = Expected { sha256: &list.of(manifest).list_sha256, size_bytes };
        transfer::download(&self.store, &key, path, expected).await
    }

    /// Sizes of the shared contents whose SHA-256 begins with this byte, by SHA-256.
    pub async fn shard(&self, first: &str) -> Result<HashMap<String, u64>, Error> {
        let mut sizes = HashMap::new();
        let mut listed = std::pin::pin!(self.store.list(&ObjectKey::stored(&format!("objects/{first}"))));
        while let Some(object) = listed.try_next().await? {
            if let Some((_, sha256)) = object.key.as_str().rsplit_once('/') {
                sizes.insert(sha256.to_owned(), object.size_bytes);
            }
        }
        Ok(sizes)
    }
}
