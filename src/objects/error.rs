//! What can go wrong with the store, told apart by what to do about it.

use object_store::Error as Cause;

/// What went wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// Nothing is stored under this key.
    #[error("the object is not in the store")]
    Missing,
    /// There is no bucket to store anything in.
    #[error("the object store has no bucket of this name; make it, or correct objects.url")]
    NoBucket,
    /// The store knows us and says no, or does not know us.
    #[error("the object store refuses the keys it was given; check objects.access_key_id, its secret and its rights")]
    Denied(#[source] Cause),
    /// Reading works, writing is refused.
    #[error("the object store lets us read and not write; give the key the right to put and delete objects")]
    ReadOnly,
    /// No answer within the time that one step may take, or that the caller has.
    #[error("the object store did not answer in time; is it reachable at objects.endpoint?")]
    TimedOut,
    /// The store is away or fails; trying again may help.
    #[error("the object store failed")]
    Unavailable(#[source] Cause),
    /// A read from the local disk failed.
    #[error("the object store failed")]
    Io(#[from] std::io::Error),
}

/// How stores say that it is the bucket that is missing, and not the object: S3, Google, Azure.
const NO_BUCKET: [&str; 3] = ["NoSuchBucket", "specified bucket does not exist", "ContainerNotFound"];

impl From<Cause> for ObjectError {
    fn from(cause: Cause) -> Self {
        match &cause {
            Cause::NotFound { source, .. } => {
                let told = source.to_string();
                if NO_BUCKET.iter().any(|words| told.contains(words)) { Self::NoBucket } else { Self::Missing }
            }
            Cause::PermissionDenied { .. } | Cause::Unauthenticated { .. } => Self::Denied(cause),
            _ => Self::Unavailable(cause),
        }
    }
}

impl ObjectError {
    /// Whether the store itself says that no call can succeed before somebody changes something.
    pub fn is_definite(&self) -> bool {
        matches!(self, Self::NoBucket | Self::Denied(_))
    }
}
