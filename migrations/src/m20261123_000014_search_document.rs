//! The search index: one document per published track and per artist.
//!
//! The normaliser of the server writes `terms`: words already folded, parted by single blanks, and `whole`: what is
//! shown, folded the same way. Neither database folds or parts anything by its own lights, so both find the same: FTS5
//! gets its plainest tokenizer, for which every character beyond ASCII belongs to a word, and PostgreSQL's parser is
//! not asked at all. Both refer to documents by an integer key.

use sea_orm_migration::prelude::*;

use crate::column::{Spelling, index, is_sqlite, unique};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        let search_document = on
            .table("search_document")
            .col(on.counted_key("id"))
            .col(on.one_of("kind", &["track", "artist"]))
            .col(on.id("subject_id"))
            .col(on.text("display"))
            .col(on.text("whole"))
            .col(on.text("terms"))
            .col(on.micros("published_at"))
            .to_owned();
        schema.create_table(search_document).await?;
        schema.create_index(unique("search_document_by_subject", "search_document", ["kind", "subject_id"])).await?;
        schema
            .create_index(index("search_document_by_whole", "search_document", ["whole", "published_at", "subject_id"]))
            .await?;

        let full_text = if is_sqlite(schema) { &FTS5[..] } else { &TSVECTOR[..] };
        for statement in full_text {
            schema.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

/// The index holds no text of its own; triggers keep it in step with the table. `REPLACE` into `search_document` would
/// skip the delete trigger: use `ON CONFLICT … DO UPDATE`. FTS5 is told the old terms when it forgets a row.
const FTS5: [&str; 4] = [
    "CREATE VIRTUAL TABLE search_index USING fts5(
        terms, content = 'search_document', content_rowid = 'id',
        tokenize = 'ascii', prefix = '1 2 3')",
    "CREATE TRIGGER search_document_added AFTER INSERT ON search_document BEGIN
        INSERT INTO search_index (rowid, terms) VALUES (new.id, new.terms);
    END",
    "CREATE TRIGGER search_document_removed AFTER DELETE ON search_document BEGIN
        INSERT INTO search_index (search_index, rowid, terms) VALUES ('delete', old.id, old.terms);
    END",
    "CREATE TRIGGER search_document_changed AFTER UPDATE OF id, terms ON search_document BEGIN
        INSERT INTO search_index (search_index, rowid, terms) VALUES ('delete', old.id, old.terms);
        INSERT INTO search_index (rowid, terms) VALUES (new.id, new.terms);
    END",
];

const TSVECTOR: [&str; 2] = [
    "ALTER TABLE search_document
        ADD COLUMN tsv tsvector NOT NULL
        GENERATED ALWAYS AS (array_to_tsvector(string_to_array(terms, ' '))) STORED",
    "CREATE INDEX search_document_by_terms ON search_document USING gin (tsv)",
];
