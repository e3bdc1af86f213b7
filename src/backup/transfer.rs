//! Moving bytes from one store to another, or between a store and this machine: hashed on the way, in bounded memory, and
//! nothing appears that is not what was expected.

use std::path::Path;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::PutPayload;
use sha2::{Digest as _, Sha256};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWriteExt},
};

use super::Error;
use crate::objects::{Bytestream, ObjectError, ObjectKey, Objects};

/// What is not larger goes in one request instead of three.
const WHOLE_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes of a file read at once.
const BLOCK_BYTES: usize = 256 * 1024;

/// Objects copied or read at once.
pub const AT_ONCE: usize = 4;

/// What some bytes must be.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Lower-case hexadecimal.
    pub sha256: &'a str,
    pub size_bytes: u64,
}

/// Why bytes were not taken.
#[derive(Debug)]
pub enum Fault {
    Missing,
    /// They are other bytes, or not as many.
    Differs,
    Store(ObjectError),
}

impl Fault {
    /// For a sentence that begins with what was read.
    pub const fn why(&self) -> &'static str {
        match self {
            Self::Missing => "is not in the object store",
            Self::Differs => "is not what its SHA-256 says",
            Self::Store(_) => "cannot be read",
        }
    }
}

impl From<ObjectError> for Fault {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Missing => Self::Missing,
            // A local file that ends too soon.
            ObjectError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Self::Differs,
            other => Self::Store(other),
        }
    }
}

/// Reads an object whole, and says whether it is what it should be.
pub async fn check(from: &Objects, key: &ObjectKey, expected: Expected<'_>) -> Result<(), Fault> {
    let mut sha256 = Sha256::new();
    let mut size = 0;
    let mut blocks = open(from, key, expected.size_bytes).await?;
    while let Some(block) = blocks.try_next().await? {
        sha256.update(&block);
        size += block.len() as u64;
    }
    judge(sha256, size, expected)
}

async fn open(from: &Objects, key: &ObjectKey, size_bytes: u64) -> Result<Bytestream, Fault> {
    // A read of no bytes, or of fewer than there are, would not notice.
    match from.size(key).await? {
        None => Err(Fault::Missing),
        Some(size) if size != size_bytes => Err(Fault::Differs),
        Some(_) => Ok(from.read(key, 0..size_bytes).await?),
    }
}

fn judge(sha256: Sha256, size: u64, expected: Expected<'_>) -> Result<(), Fault> {
    let same = size == expected.size_bytes && hex::encode(sha256.finalize()) == expected.sha256;
    if same { Ok(()) } else { Err(Fault::Differs) }
}

/// Copies an object. Under `to_key` it appears only if it is what it should be.
pub async fn copy(
    (from, from_key): (&Objects, &ObjectKey),
    (to, to_key): (&Objects, &ObjectKey),
    expected: Expected<'_>,
) -> Result<(), Fault> {
    let blocks = open(from, from_key, expected.size_bytes).await?;
    if expected.size_bytes <= WHOLE_BYTES {
        let blocks: Vec<Bytes> = blocks.try_collect().await?;
        let mut sha256 = Sha256::new();
        for block in &blocks {
            sha256.update(block);
        }
        judge(sha256, blocks.iter().map(|block| block.len() as u64).sum(), expected)?;
        return Ok(to.put(to_key, blocks.into_iter().collect::<PutPayload>()).await?);
    }
    let mut writer = to.writer(to_key).await?;
    let copied = async {
        let (mut blocks, mut sha256, mut size) = (blocks, Sha256::new(), 0);
        while let Some(block) = blocks.try_next().await? {
            sha256.update(&block);
            size += block.len() as u64;
            writer.write(block).await?;
        }
        judge(sha256, size, expected)
    };
    match copied.await {
        Ok(()) => Ok(writer.finish().await?),
        Err(fault) => {
            writer.abort().await;
            Err(fault)
        }
    }
}

/// Stores a file of this machine. Returns its size and SHA-256.
pub async fn upload(path: &Path, to: &Objects, key: &ObjectKey) -> Result<(u64, String), Error> {
    let mut file = File::open(path).await.map_err(Error::disk(path))?;
    let mut writer = to.writer(key).await?;
    let sent = async {
        let (mut sha256, mut size) = (Sha256::new(), 0);
        loop {
            let mut block = Vec::with_capacity(BLOCK_BYTES);
            let limited = (&mut file).take(BLOCK_BYTES as u64);
            if { limited }.read_to_end(&mut block).await.map_err(Error::disk(path))? == 0 {
                return Ok((size, hex::encode(sha256.finalize())));
            }
            sha256.update(&block);
            size += block.len() as u64;
            writer.write(block.into()).await?;
        }
    };
    match sent.await {
        Ok(told) => {
            writer.finish().await?;
            Ok(told)
        }
        Err(error) => {
            writer.abort().await;
            Err(error)
        }
    }
}

/// Fetches an object into a file of this machine, synced. What is left of a failed fetch is removed.
pub async fn download(from: &Objects, key: &ObjectKey, path: &Path, expected: Expected<'_>) -> Result<(), Error> {
    let what = || format!("{} of the backup", key.as_str());
    let fetched = async {
        let mut file = File::create(path).await.map_err(Error::disk(path))?;
        let (mut sha256, mut size) = (Sha256::new(), 0);
        let mut blocks = match open(from, key, expected.size_bytes).await {
            Ok(blocks) => blocks,
            Err(fault) => return Err(refused(what(), fault)),
        };
        while let Some(block) = blocks.try_next().await? {
            sha256.update(&block);
            size += block.len() as u64;
            file.write_all(&block).await.map_err(Error::disk(path))?;
        }
        judge(sha256, size, expected).map_err(|fault| refused(what(), fault))?;
        file.sync_all().await.map_err(Error::disk(path))
    };
    let fetched = fetched.await;
    if fetched.is_err() {
        drop(tokio::fs::remove_file(path).await);
    }
    fetched
}

/// What a fault in a backup's own files is called.
pub fn refused(what: String, fault: Fault) -> Error {
    match fault {
        Fault::Missing => Error::damaged(what, "it is not there"),
        Fault::Differs => Error::damaged(what, "it is not what its SHA-256 says"),
        Fault::Store(error) => error.into(),
    }
}
