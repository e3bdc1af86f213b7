//! A ZIP that grows piece by piece in a file of its own, with bounded memory.
//!
//! The file has no name, so that nothing is left of it however the process ends.

use std::{
    fs::{self, File},
    io::{self, Seek},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
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

/// The ZIP being written. The file goes with the last handle of it.
pub struct Archive {
    pieces: mpsc::Sender<Piece>,
    writing: JoinHandle<io::Result<File>>,
}

impl Archive {
    /// Begins a ZIP in a file that is called `path` for a moment only.
    pub fn begin(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        // One that was killed in that moment left an empty file.
        remove(path)?;
        let file = fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        remove(path)?;
        let (pieces, received) = mpsc::channel(AHEAD);
        let writing = tokio::task::spawn_blocking(move || write(file, received));
        Ok(Self { pieces, writing })
    }

    /// Begins a file in the ZIP; what is added next goes into it.
    pub async fn file(&mut self, name: &str, compress: bool) -> io::Result<()> {
        self.send(Piece::Begin { name: name.to_owned(), compress }).await
    }

    pub async fn add(&mut self, data: impl Into<Bytes>) -> io::Result<()> {
        self.send(Piece::Data(data.into())).await
    }

    async fn send(&mut self, piece: Piece) -> io::Result<()> {
        self.pieces.send(piece).await.map_err(|_| io::Error::other("the writer of the archive has stopped"))
    }

    /// Ends the ZIP, and gives the file to be read from its beginning.
    pub async fn finish(self) -> io::Result<File> {
        drop(self.pieces);
        self.writing.await.map_err(io::Error::other)?
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write(file: File, mut pieces: mpsc::Receiver<Piece>) -> io::Result<File> {
    let mut zip = ZipWriter::new(io::BufWriter::new(file));
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Begin { name, compress } => {
                let method = if compress { CompressionMethod::Deflated } else { CompressionMethod::Stored };
                let options = SimpleFileOptions::default().compression_method(method).large_file(true);
                zip.start_file(name, options)?;
            }
            Piece::Data(data) => io::Write::write_all(&mut zip, &data)?,
        }
    }
    let mut file = zip.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[tokio::test]
    async fn the_draft_has_no_name_at_any_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("exports").join("draft.zip");
        fs::create_dir(folder.path().join("exports")).unwrap();
        fs::write(&path, "left by an earlier run").unwrap();
        let names = || fs::read_dir(folder.path().join("exports")).unwrap().count();

        let mut archive = Archive::begin(&path).unwrap();
        assert_eq!(names(), 0);
        archive.file("a.txt", true).await.unwrap();
        archive.add("words").await.unwrap();
        let mut zip = zip::ZipArchive::new(archive.finish().await.unwrap()).unwrap();
        let mut text = String::new();
        zip.by_index(0).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), names()), ("words", 0));
    }
}
