//! What lies in a store: lists and sizes, for copies and checks of the whole.

use std::path::Path as File;

use futures::{Stream, StreamExt, TryStreamExt};

use super::{ObjectError, ObjectKey, Objects, on_disk};

/// An object as a list tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub key: ObjectKey,
    pub size_bytes: u64,
}

impl Objects {
    /// Every object whose key begins with `folder` (all, if it is empty), in no order, without its bytes.
    pub fn list(&self, folder: &ObjectKey) -> impl Stream<Item = Result<Listed, ObjectError>> + Send + 'static {
        let (below, prefix) = (self.path(folder), self.prefix.clone());
        let found = self.store.list(Some(&below)).map_err(ObjectError::from);
        found.map_ok(move |object| {
            let key = object
                .location
                .prefix_match(&prefix)
                .map(|parts| parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"));
            Listed { key: ObjectKey::stored(&key.unwrap_or_default()), size_bytes: object.size }
        })
    }

    /// Whether nothing at all is stored.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn is_empty(&self) -> Result<bool, ObjectError> {
        Ok(std::pin::pin!(self.list(&ObjectKey::stored(""))).next().await.transpose()?.is_none())
    }

    /// How many bytes an object has; `None` if there is none.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn size(&self, key: &ObjectKey) -> Result<Option<u64>, ObjectError> {
        use object_store::ObjectStoreExt;

        match self.store.head(&self.path(key)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// As [`Objects::delete_drafts`], of every key in `folder`, on a local disk.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn delete_drafts_below(&self, folder: &ObjectKey) -> Result<(), ObjectError> {
        let Some(folder) = self.local(folder) else { return Ok(()) };
        on_disk(move || delete_drafts(&folder)).await
    }
}

fn delete_drafts(folder: &File) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let is_draft =
            name.rsplit_once('#').is_some_and(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
        if path.is_dir() {
            delete_drafts(&path)?;
        } else if is_draft {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}
