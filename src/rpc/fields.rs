//! Malformed input, gathered: the client hears of every bad field at once.

use std::fmt::Display;

use tonic::Status;
use tonic_types::FieldViolation;

use super::{Refusal, refusal};
use crate::kernel::ids::Id;

/// Reads the fields of one message and keeps what is wrong with them.
///
/// ```ignore
/// let mut fields = Fields::default();
/// let email = fields.read("email", message.email.parse());
/// let name = fields.read("display_name", text::line(&message.display_name, 100));
/// fields.finish(|| Some(NewAccount { email: email?, name: name? }))
/// ```
#[derive(Debug, Default)]
pub struct Fields {
    violations: Vec<FieldViolation>,
}

impl Fields {
    /// Keeps a field's value, or what is wrong with it. `path` is the field's path in the message.
    pub fn read<T, E: Display>(&mut self, path: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.refuse(path, error.to_string())).ok()
    }

    /// A required id of one kind.
    pub fn id<T: Id>(&mut self, path: &str, text: &str) -> Option<T> {
        self.read(path, T::parse(text))
    }

    /// An id that may be left out.
    pub fn optional_id<T: Id>(&mut self, path: &str, text: &str) -> Option<Option<T>> {
        if text.is_empty() { Some(None) } else { self.id(path, text).map(Some) }
    }

    pub fn refuse(&mut self, path: &str, description: impl Into<String>) {
        self.violations.push(FieldViolation::new(path, description.into()));
    }

    /// Refuses unless `holds`.
    pub fn expect(&mut self, holds: bool, path: &str, description: &str) {
        if !holds {
            self.refuse(path, description);
        }
    }

    /// Builds the value if nothing was wrong. `build` sees only fields that were read without a violation.
    ///
    /// # Errors
    /// `FIELD_INVALID` with every violation.
    pub fn finish<T>(self, build: impl FnOnce() -> Option<T>) -> Result<T, Status> {
        if !self.violations.is_empty() {
            return Err(Refusal::FieldInvalid(self.violations).into());
        }
        build().ok_or_else(|| refusal::Refusal::Internal.into())
    }
}

/// One required id, for messages that have nothing else.
///
/// A malformed id is answered exactly like one that does not exist or belongs to another: `absent` makes that error.
///
/// # Errors
/// `absent()`, when the text is no id of this kind.
pub fn id_or<T: Id, E: Into<Status>>(text: &str, absent: impl FnOnce() -> E) -> Result<T, Status> {
    T::parse(text).map_err(|_| absent().into())
}
