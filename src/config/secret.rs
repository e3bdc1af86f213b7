//! How secrets are serialised: not at all. Sections are serialised only to find their defaults.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::{Serialize, Serializer};

#[expect(clippy::ref_option, reason = "serde's signature")]
pub fn hidden<S: Serializer>(_: &Option<SecretString>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_none()
}

/// A table of which nobody knows what in it is secret.
pub fn hidden_table<S: Serializer>(_: &BTreeMap<String, SecretString>, to: S) -> Result<S::Ok, S::Error> {
    BTreeMap::<String, String>::new().serialize(to)
}
