//! The register: what every table holds of people, what a copy shows of it, and what an erasure leaves.
//!
//! Whoever adds a table adds a row here; a test compares both. Rows stand in the order of erasure: what refers to
//! another stands before it.

/// One table.
#[derive(Clone, Copy, Debug)]
pub struct Holding {
    pub table: &'static str,
    /// How a row is a person's, by any of these.
    pub whose: &'static [Whose],
    /// Further columns that hold an account's id and nothing more; they keep it when the account is a tombstone.
    pub mentions: &'static [&'static str],
    pub export: Export,
    pub erasure: Erasure,
    /// What an export leaves out of a row that is somebody else's as well.
    pub others: Option<Others>,
}

/// Values of another person in a row that is this person's.
#[derive(Clone, Copy, Debug)]
pub struct Others {
    /// The column with the account that it is about. Nothing is left out where that is the person's own, or null.
    pub account: &'static str,
    pub hidden: &'static [&'static str],
}

/// How a row is found to be a person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The column has the account's id.
    Account(&'static str),
    /// The column has the id of a row of another table of this register.
    Row(&'static str, &'static str),
    /// The column has the account's address.
    Address(&'static str),
    /// The column has the keyed digest of the address as a letter's recipient.
    Recipient(&'static str),
    /// The column has the keyed digest of the address as it is typed to sign in.
    Identifier(&'static str),
}

/// What an export shows.
#[derive(Clone, Copy, Debug)]
pub enum Export {
    /// Rows as JSON objects in a file.
    As(Shown),
    /// By code of its own, for the reason given.
    Apart(&'static str),
    /// Nothing, for the reason given.
    Nothing(&'static str),
}

/// How rows are shown.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    pub file: &'static str,
    /// Columns that are left out: secrets, and what is of others.
    pub hidden: &'static [&'static str],
    /// They are read in pages by this column, which orders a person's rows without ties; at once, up to 10,000, where
    /// there is none.
    pub paged_by: Option<&'static str>,
}

/// What an erasure does.
#[derive(Clone, Copy, Debug)]
pub enum Erasure {
    /// The rows are deleted.
    Delete,
    /// Steps of their own see to it, in the way given.
    Apart(&'static str),
    /// It stays, for the reason given.
    Keep(&'static str),
}

use Erasure::{Apart, Delete, Keep};
use Whose::{Account, Address, Identifier, Recipient, Row};

const fn shown(file: &'static str, hidden: &'static [&'static str], paged_by: &'static str) -> Export {
    Export::As(Shown { file, hidden, paged_by: Some(paged_by) })
}

const fn shown_at_once(file: &'static str, hidden: &'static [&'static str]) -> Export {
    Export::As(Shown { file, hidden, paged_by: None })
}

const fn holds(table: &'static str, whose: &'static [Whose], export: Export, erasure: Erasure) -> Holding {
    Holding { table, whose, mentions: &[], export, erasure, others: None }
}

const fn nothing(table: &'static str, why: &'static str) -> Holding {
    holds(table, &[], Export::Nothing(why), Keep(why))
}

impl Holding {
    const fn mentioning(self, mentions: &'static [&'static str]) -> Self {
        Self { mentions, ..self }
    }

    const fn without(self, hidden: &'static [&'static str], account: &'static str) -> Self {
        Self { others: Some(Others { account, hidden }), ..self }
    }
}

const BY_WORKS: &str = "unpublished works go; published ones keep their facts";
const BY_FILES: &str = "files that no kept work uses go, the others lose their names";

/// Every table there is.
pub const REGISTER: &[Holding] = &[
    holds("password_try", &[Row("session_id", "session")], Export::Nothing("counts of a quarter of an hour"), Delete),
    holds(
        "mail_proof",
        &[Account("account_id")],
        shown("letter_links.json", &["link_sha256", "code_mac"], "id"),
        Delete,
    ),
    holds("email_change", &[Account("account_id")], shown("address_changes.json", &[], "id"), Delete),
    holds("factor_flow", &[Account("account_id")], Export::Nothing("sign-ins half done, for minutes"), Delete),
    holds(
        "factor",
        &[Account("account_id")],
        shown("second_factors.json", &["sealed", "credential_sha256", "last_step", "sign_count"], "id"),
        Delete,
    ),
    holds("recovery_code", &[Account("account_id")], shown_at_once("recovery_codes.json", &["code_mac"]), Delete),
    holds("login_guard", &[Account("account_id")], shown_at_once("sign_in_locks.json", &["unlock_sha256"]), Delete),
    holds("api_key", &[Account("account_id")], shown("api_keys.json", &["secret_sha256", "created_by"], "id"), Delete)
        .mentioning(&["created_by"]),
    holds("device", &[Account("account_id")], shown("devices.json", &["token_sha256"], "id"), Delete),
    holds(
        "session",
        &[Account("account_id")],
        shown("sessions.json", &["refresh_sha256", "previous_sha256", "successor_sealed", "impersonator_id"], "id"),
        Apart("ended ones stay, blanked, until they are swept: tokens that are still alive are refused by them"),
    )
    .mentioning(&["impersonator_id"])
    .without(&["user_agent", "address", "address_prefix"], "impersonator_id"),
    holds(
        "login_attempt",
        &[Account("account_id"), Identifier("identifier_mac")],
        shown("sign_in_attempts.json", &["identifier_mac", "counter"], "id"),
        Delete,
    ),
    holds(
        "security_undo",
        &[Account("account_id")],
        shown_at_once("security_links.json", &["token_sha256", "sealed"]),
        Delete,
    ),
    holds(
        "registration",
        &[Address("email"), Account("account_id")],
        shown("registrations.json", &["password_hash", "password_hint", "link_sha256", "code_mac"], "id"),
        Delete,
    ),
    // The kind of a letter to an address that was proposed would tell whether that is somebody's.
    holds(
        "letter",
        &[Recipient("recipient_mac"), Account("account_id")],
        shown("letters.json", &["sealed", "recipient_mac", "kind"], "id"),
        Delete,
    ),
    holds(
        "request_record",
        &[Account("account_id")],
        Export::Nothing("replies of the last day, which the person has had"),
        Delete,
    ),
    holds("data_export", &[Account("account_id")], shown("exports.json", &["storage_key"], "id"), Delete),
    holds("artist_application", &[Account("applicant_id")], shown("applications.json", &["decided_by"], "id"), Delete)
        .mentioning(&["decided_by"]),
    holds(
        "submission_history",
        &[Row("submission_id", "submission")],
        shown("submission_history.json", &["actor_id"], "id"),
        Apart(BY_WORKS),
    )
    .mentioning(&["actor_id"]),
    holds(
        "submission_revision",
        &[Row("submission_id", "submission")],
        shown_at_once("submission_revisions.json", &[]),
        Apart(BY_WORKS),
    ),
    holds(
        "submission",
        &[Row("artist_id", "artist"), Account("submitter_id")],
        shown("submissions.json", &["reviewer_id", "decided_by", "priority"], "id"),
        Apart(BY_WORKS),
    )
    .mentioning(&["reviewer_id", "decided_by"])
    .without(&["submitter_id", "note"], "submitter_id"),
    holds("track", &[Row("artist_id", "artist")], shown("tracks.json", &[], "id"), Apart(BY_WORKS)),
    holds("artist_member", &[Account("account_id")], shown("memberships.json", &[], "artist_id"), Delete),
    holds("artist", &[Account("owner_id")], shown("artists.json", &[], "id"), Apart(BY_WORKS)),
    holds("object_reference", &[Account("owner_id")], shown("files.json", &["blob_id"], "id"), Apart(BY_FILES)),
    holds(
        "upload_segment",
        &[Row("upload_id", "upload")],
        Export::Nothing("pieces of files on their way; the files are in the export"),
        Apart(BY_FILES),
    ),
    holds(
        "upload",
        &[Account("owner_id")],
        shown("uploads.json", &["writer_generation", "staged"], "id"),
        Apart(BY_FILES),
    ),
    holds(
        "account",
        &[Account("id")],
        shown("account.json", &["password_hash", "roles_version"], "id"),
        Apart("a tombstone stays, because others' rows refer to it"),
    ),
    Holding {
        table: "audit_event",
        whose: &[],
        mentions: &["actor_id", "person_id", "subject_id"],
        export: Export::Apart("audit.json has the rows about the person, opened"),
        erasure: Keep("the chain must hold; what is personal in it is shredded with the person's key"),
        others: None,
    },
    Holding {
        table: "audit_event_unchained",
        whose: &[],
        mentions: &["actor_id", "subject_id"],
        export: Export::Nothing("empty once the server has started"),
        erasure: Keep("empty once the server has started"),
        others: None,
    },
    Holding {
        table: "subject_key",
        whose: &[],
        mentions: &["subject_id"],
        export: Export::Nothing("a key tells nothing of a person"),
        erasure: Apart("the key is destroyed last; the row says that it was"),
        others: None,
    },
    Holding {
        table: "erasure_receipt",
        whose: &[],
        mentions: &["account_id"],
        export: Export::Nothing("there is none before an erasure"),
        erasure: Keep("it is what proves the erasure, and names no one"),
        others: None,
    },
    nothing("audit_head", "one row about the trail"),
    nothing("stored_blob", "contents, shared by all who own them; goes with the last owner"),
    nothing("search_document", "published names, removed with the works they stand for"),
    nothing("job", "work to do, by ids"),
    nothing("spent_challenge", "puzzles that were solved, by whomever"),
    nothing("server_key", "which keys the database was used with, by their ids"),
    nothing("schedule", "when work is due"),
    nothing("object_hold", "that a backup copies files just now"),
    nothing("seaql_migrations", "the schema's history"),
];
