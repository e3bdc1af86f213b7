//! What can go wrong with backups, as a closed list.

use std::path::Path;

use sea_orm::DbErr;

use crate::{db::CopyError, objects::ObjectError};

/// Why there is no backup, or none to be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("another backup of this database is under way; wait for its end")]
    UnderWay,
    #[error("the database was away for too long, and files may have been deleted meanwhile; take the backup again")]
    HoldLost,
    #[error("the database's schema is not this release's; run: backline migrate")]
    OtherSchema,
    #[error("there is no whole backup in this place")]
    NoneThere,
    #[error("there is no whole backup called {0} in this place")]
    Unknown(String),
    #[error("backup.to: {0}")]
    Place(String),
    #[error("the backup has format {0}, of a newer release; restore it with that release")]
    NewerFormat(u64),
    #[error("the backup's database is of a newer release ({}); restore it with that release", .0.join(", "))]
    NewerSchema(Vec<String>),
    #[error(
        "the backup is of a {found} database, and database.url names a {wanted} one; name an empty {found} database"
    )]
    OtherKind { found: String, wanted: &'static str },
    #[error("{what} is damaged: {why}; take another backup, or mend this one from a copy of it")]
    Damaged { what: String, why: &'static str },
    #[error("{0}; a restore goes into an empty place only")]
    NotEmpty(String),
    #[error(
        "the backup needs keys that are not here: {}; put the key files into {folder} (and passwords.pepper into the \
         settings), or say --without-keys, and nothing that they sealed will open", .missing.join(", ")
    )]
    KeysMissing { missing: Vec<String>, folder: String },
    #[error("the file {key} of the database {why}; backline verify lists everything that is wrong")]
    Source { key: String, why: &'static str },
    #[error(
        "no scratch database can be made for the drill; let the role make one (ALTER ROLE … CREATEDB), or turn the drills off"
    )]
    Scratch(#[source] DbErr),
    #[error("the restored database is not whole: {0}")]
    NotWhole(String),
    #[error("the backup does not stand a restore: {0}")]
    Drill(String),
    #[error("{what} cannot be written or read ({source})")]
    Disk { what: String, source: std::io::Error },
    #[error("{0}")]
    Open(String),
    #[error("the restored database cannot be brought to this release's schema: {0}")]
    Migration(String),
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error("the database failed ({0})")]
    Database(#[from] DbErr),
    #[error("the object store failed ({0:?})")]
    Store(#[from] ObjectError),
}

impl Error {
    /// Of a file or folder on this machine.
    pub fn disk(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let what = path.display().to_string();
        move |source| Self::Disk { what, source }
    }

    pub fn damaged(what: impl Into<String>, why: &'static str) -> Self {
        Self::Damaged { what: what.into(), why }
    }
}
