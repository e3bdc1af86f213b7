//! The tables: columns, relations, and the scopes that queries start from. Nothing else.
//!
//! Entities stay together because relations are cyclic; who may write which table is told by each feature's `mod.rs`.
//! The schema itself, with its rules and indexes, is the `migrations` crate's. Here
//!
//! - ids are UUIDv7 behind one type per kind, times are microseconds behind [`crate::kernel::Timestamp`];
//! - every number is an `i64`, because every number is a `bigint` in PostgreSQL;
//! - an enum is text in `snake_case`, and its `Display` is that text;
//! - a row about a person prints its id and no more, so that no log line can tell on anyone.

pub mod account;
pub mod api_key;
pub mod artist;
pub mod artist_application;
pub mod artist_member;
pub mod audit_event;
pub mod audit_event_unchained;
pub mod audit_head;
pub mod data_export;
pub mod device;
pub mod email_change;
pub mod erasure_receipt;
pub mod factor;
pub mod factor_flow;
pub mod job;
pub mod letter;
pub mod login_attempt;
pub mod login_guard;
pub mod mail_proof;
pub mod object_hold;
pub mod object_reference;
pub mod password_try;
pub mod recovery_code;
pub mod registration;
pub mod request_record;
pub mod schedule;
pub mod search_document;
pub mod security_undo;
pub mod server_key;
pub mod session;
pub mod spent_challenge;
pub mod stored_blob;
pub mod subject_key;
pub mod submission;
pub mod submission_history;
pub mod submission_revision;
pub mod track;
pub mod upload;
pub mod upload_segment;

/// `Display` in the spelling of the column, for logs, facts and messages.
macro_rules! displays_as_stored {
    ($($name:ident),*) => {$(
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&sea_orm::ActiveEnum::to_value(self))
            }
        }
    )*};
}

/// `Debug` for rows that hold personal or secret values.
macro_rules! prints_only_its_id {
    ($name:ident) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(module_path!()).field("id", &self.id).finish_non_exhaustive()
            }
        }
    };
}

use {displays_as_stored, prints_only_its_id};
