//! The schema of Backline, on SQLite and on PostgreSQL, and the way there.
//!
//! One change per file, forward only, never edited once released. A migration spells every name out and imports
//! nothing of the server: it must mean the same thing in ten years, whatever the entities look like by then.
//!
//! It promises that
//!
//! - [`run()`] is all or nothing, on both databases, and may be killed at any statement;
//! - several instances may call it at once: one works, the others wait and then find nothing to do;
//! - a database that a newer release has migrated is refused, not touched.
//!
//! The types of columns are in `column`: one meaning, two spellings. Tables are made anew by `rebuild`.

mod column;
mod m20261123_000001_account;
mod m20261123_000002_registration;
mod m20261123_000003_session;
mod m20261123_000004_request_record;
mod m20261123_000005_audit_event;
mod m20261123_000006_job;
mod m20261123_000007_letter;
mod m20261123_000008_artist;
mod m20261123_000009_artist_application;
mod m20261123_000010_upload;
mod m20261123_000011_stored_blob;
mod m20261123_000012_track;
mod m20261123_000013_submission;
mod m20261123_000014_search_document;
mod m20261124_000001_session_proofs;
mod m20261124_000002_account_care;
mod m20261124_000003_attempts_count;
mod m20261124_000004_login_guard;
mod m20261124_000005_device;
mod m20261124_000006_spent_challenge;
mod m20261124_000007_factor;
mod m20261124_000008_mail_proof;
mod m20261124_000009_audit_chain;
mod m20261124_000010_privacy;
mod m20261124_000011_account_lists;
mod m20261124_000012_api_key;
mod m20261124_000013_audit_requests;
mod m20261124_000014_full_text_forgets;
mod m20261124_000015_ends_of_accounts;
mod m20261124_000016_session_second_factor;
mod m20261124_000017_factor_failures;
mod m20261124_000018_password_hint;
mod m20261127_000001_object_hold;
mod m20261127_000003_server_key;
mod rebuild;
mod run;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

pub use self::run::{Error, Status, check, names, run, run_first, status};

/// Every migration, oldest first.
struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_account::Migration),
            Box::new(m20261123_000002_registration::Migration),
            Box::new(m20261123_000003_session::Migration),
            Box::new(m20261123_000004_request_record::Migration),
            Box::new(m20261123_000005_audit_event::Migration),
            Box::new(m20261123_000006_job::Migration),
            Box::new(m20261123_000007_letter::Migration),
            Box::new(m20261123_000008_artist::Migration),
            Box::new(m20261123_000009_artist_application::Migration),
            Box::new(m20261123_000010_upload::Migration),
            Box::new(m20261123_000011_stored_blob::Migration),
            Box::new(m20261123_000012_track::Migration),
            Box::new(m20261123_000013_submission::Migration),
            Box::new(m20261123_000014_search_document::Migration),
            Box::new(m20261124_000001_session_proofs::Migration),
            Box::new(m20261124_000002_account_care::Migration),
            Box::new(m20261124_000003_attempts_count::Migration),
            Box::new(m20261124_000004_login_guard::Migration),
            Box::new(m20261124_000005_device::Migration),
            Box::new(m20261124_000006_spent_challenge::Migration),
            Box::new(m20261124_000007_factor::Migration),
            Box::new(m20261124_000008_mail_proof::Migration),
            Box::new(m20261124_000009_audit_chain::Migration),
            Box::new(m20261124_000010_privacy::Migration),
            Box::new(m20261124_000011_account_lists::Migration),
            Box::new(m20261124_000012_api_key::Migration),
            Box::new(m20261124_000013_audit_requests::Migration),
            Box::new(m20261124_000014_full_text_forgets::Migration),
            Box::new(m20261124_000015_ends_of_accounts::Migration),
            Box::new(m20261124_000016_session_second_factor::Migration),
            Box::new(m20261124_000017_factor_failures::Migration),
            Box::new(m20261124_000018_password_hint::Migration),
            Box::new(m20261127_000001_object_hold::Migration),
            Box::new(m20261127_000003_server_key::Migration),
        ]
    }
}
