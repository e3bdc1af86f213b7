//! Who sees which artist, and how one comes to be.

use std::sync::Arc;

use sea_orm::DbErr;

use super::{Error, store};
use crate::{
    app::App,
    cache::Row,
    db::WriteTx,
    entity::artist::{Model, State},
    kernel::{
        Caller,
        ids::{AccountId, ArtistId, Id},
    },
    rpc::page::{Page, Slice, id_key},
};

/// What an artist begins with.
#[derive(Clone, Debug)]
pub struct NewArtist {
    /// The account that answers for it.
    pub owner: AccountId,
    pub stage_name: String,
    pub biography: String,
    /// A JSON array of URLs.
    pub links: String,
}

/// Makes an artist and its owner's membership, in the caller's transaction.
///
/// # Errors
/// When the database fails, and with it the whole transaction.
pub async fn found(tx: &WriteTx, app: &App, new: NewArtist) -> Result<Model, DbErr> {
    let now = app.clock.now();
    let artist = Model {
        id: ArtistId::new(now, &app.dice),
        owner_id: new.owner,
        stage_name: new.stage_name,
        biography: new.biography,
        links: new.links,
        state: State::Active,
        created_at: now,
        updated_at: now,
        row_version: 1,
    };
    store::insert(tx, &artist).await?;
    store::insert_owner(tx, &artist).await?;
    Ok(artist)
}

/// The artist, if the caller may see it. One that is active everybody may; it is kept for a moment.
pub async fn read(app: &App, caller: &Caller, id: ArtistId) -> Result<Arc<Model>, Error> {
    let ticket = match app.cache.recall(Row::Artist(id)) {
        Ok(active) => return Ok(active),
        Err(ticket) => ticket,
    };
    let artist = Arc::new(store::find(&app.db, id).await?.ok_or(Error::NotFound)?);
    if artist.state == State::Active {
        app.cache.keep(&ticket, &artist);
    }
    let visible = artist.state == State::Active
        || caller.roles.is_staff()
        || store::is_member(&app.db, id, caller.account).await?;
    if visible { Ok(artist) } else { Err(Error::NotFound) }
}

/// Makes every instance forget this artist, once it is durable that it changed. Whoever changes one calls it.
pub fn changed(tx: &WriteTx, app: &App, id: ArtistId) {
    let cache = app.cache.clone();
    tx.after_commit(move || cache.forget(&[Row::Artist(id)]));
}

/// Which artists are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Active,
    /// Those this account is a member of, in any state.
    Of(AccountId),
}

/// A page of artists, newest first.
pub async fn list(app: &App, which: Which, page: &Page, before: ArtistId) -> Result<Slice<Model>, Error> {
    let rows = match which {
        Which::Active => store::list_active(&app.db, before, page.size + 1).await?,
        Which::Of(account) => store::list_of(&app.db, account, before, page.size + 1).await?,
    };
    Ok(Slice::cut(rows, page, |artist| id_key(artist.id)))
}
