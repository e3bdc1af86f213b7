//! Which keys the database was used with, by their ids: instances with others are told apart before they serve.

use sea_orm_migration::prelude::*;

use crate::column::{Spelling, key, sql, unique};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        let server_key = on
            .table("server_key")
            .col(on.one_of("kind", &["root", "vault", "token", "page"]))
            .col(on.text("key_id"))
            .col(on.micros("seen_at"))
            .primary_key(&mut key(["kind", "key_id"]))
            .to_owned();
        schema.create_table(server_key).await?;
        // Of several first instances with keys of their own, one wins.
        let one_root =
            unique("server_key_one_root", "server_key", ["kind"]).cond_where(sql("\"kind\" = 'root'")).to_owned();
        schema.create_index(one_root).await
    }
}
