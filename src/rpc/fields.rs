//! Malformed input, gathered: the client hears of every bad field at once.

use std::{fmt::Display, ops::RangeInclusive, time::Duration};

use tonic::Status;
use tonic_types::FieldViolation;

use super::{Refusal, refusal};
use crate::kernel::{ids::Id, text};

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
    no_reason: bool,
}

/// Longest reason of an act, in characters.
const MAX_REASON: usize = 500;

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

    /// Why somebody acts, for the audit trail: 1 to 500 characters on one line. One that is missing altogether has a
    /// reason of refusal of its own, if nothing else is wrong.
    pub fn reason(&mut self, text: &str) -> Option<String> {
        let reason = self.read("reason", text::optional_line(text, MAX_REASON))?;
        self.no_reason |= reason.is_empty();
        Some(reason)
    }

    /// A span of time that must lie in `range`; `default` if it is left out.
    pub fn span(
        &mut self,
        path: &str,
        span: Option<&prost_types::Duration>,
        range: RangeInclusive<Duration>,
        default: Duration,
    ) -> Option<Duration> {
        let Some(span) = span else { return Some(default) };
        let read = Duration::try_from(*span).ok().filter(|span| range.contains(span));
        let (least, most) = (range.start().as_secs(), range.end().as_secs());
        self.read(path, read.ok_or_else(|| format!("must be from {least} to {most} seconds")))
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
    /// `REASON_REQUIRED` if nothing but the reason is missing.
    pub fn finish<T>(mut self, build: impl FnOnce() -> Option<T>) -> Result<T, Status> {
        if self.no_reason && self.violations.is_empty() {
            return Err(Refusal::ReasonRequired.into());
        }
        if !self.violations.is_empty() {
            if self.no_reason {
                self.refuse("reason", Refusal::ReasonRequired.to_string());
            }
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
