//! A ZIP that grows piece by piece in a file of its own, with bounded memory.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use tokio::{sync::mpsc, task::JoinHandle};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Pieces that may wait for the disk.
const AHEAD: usize = 4;

enum Piece {
    /// A new file in the ZIP; media are stored as they are.
    Begin {
        name: String,
        compress: bool,
    },
    Data(Bytes),
}

/// The ZIP being written. The file goes when this is dropped.
pub struct Archive {
    pieces: Option<mpsc::Sender<Piece>>,
    writing: Option<JoinHandle<io::Result<()>>>,
    path: PathBuf,
}

impl Archive {
    /// Begins a ZIP at `path`, over what an interrupted run left there.
    pub fn begin(path: PathBuf) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        let (pieces, received) = mpsc::channel(AHEAD);
        let writing = tokio::task::spawn_blocking(move || write(file, received));
        Ok(Self { pieces: Some(pieces), writing: Some(writing), path })
    }

    /// Begins a file in the ZIP; what is added next goes into it.
    pub async fn file(&mut self, name: &str, compress: bool) -> io::Result<()> {
        self.send(Piece::Begin { name: name.to_owned(), compress }).await
    }

    pub async fn add(&mut self, data: impl Into<Bytes>) -> io::Result<()> {
        self.send(Piece::Data(data.into())).await
    }

    async fn send(&mut self, piece: Piece) -> io::Result<()> {
        let sent = match &self.pieces {
            Some(pieces) => pieces.send(piece).await.is_ok(),
            None => false,
        };
        if sent { Ok(()) } else { Err(io::Error::other("the writer of the archive has stopped")) }
    }

    /// Ends the ZIP; the file may be read then.
    pub async fn finish(&mut self) -> io::Result<&Path> {
        drop(self.pieces.take());
        if let Some(writing) = self.writing.take() {
            writing.await.map_err(io::Error::other)??;
        }
        Ok(&self.path)
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "the draft of an export was left on the disk");
        }
    }
}

fn write(file: File, mut pieces: mpsc::Receiver<Piece>) -> io::Result<()> {
    let mut zip = ZipWriter::new(io::BufWriter::new(file));
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Begin { name, compress } => {
                let method = if compress { CompressionMethod::Deflated } else { CompressionMethod::Stored };
                let options = SimpleFileOptions::default().compression_method(method).large_file(true);
                zip.start_file(name, options)?;
            }
            Piece::Data(data) => zip.write_all(&data)?,
        }
    }
    zip.finish()?.flush()
}
