//! Finding, and showing what was found.

use std::collections::HashMap;

use sea_orm::DbErr;
use uuid::Uuid;

use super::{
    Kind,
    query::Asked,
    store::{self, After, Class, Hit},
};
use crate::{
    app::App,
    artists,
    entity::{artist, track::State},
    kernel::{Timestamp, ids::ArtistId},
    rpc::{
        Refusal,
        page::{Page, Slice},
    },
    tracks::{self, Track},
};

/// One thing found.
#[derive(Clone, Debug)]
pub struct Found {
    pub class: Class,
    pub item: Item,
}

#[derive(Clone, Debug)]
pub enum Item {
    Track(Track),
    Artist(artist::Model),
}

/// A page of what matches: one statement for the hits and one for each kind among them.
pub async fn search(app: &App, asked: &Asked, kinds: &[Kind], page: &Page) -> Result<Slice<Found>, Refusal> {
    let hits = store::list(&app.db, asked, kinds, after(page)?, page.size + 1).await?;
    let Slice { rows: hits, next } = Slice::cut(hits, page, key);
    let mut items = items(app, &hits).await?;
    // What was taken down between the statements is left out.
    let found = hits.iter().filter_map(|hit| Some(Found { class: hit.class, item: items.remove(&hit.subject)? }));
    Ok(Slice { rows: found.collect(), next })
}

async fn items(app: &App, hits: &[Hit]) -> Result<HashMap<Uuid, Item>, DbErr> {
    let of = |kind: Kind| hits.iter().filter(move |hit| hit.kind == kind).map(|hit| hit.subject);
    let mut items = HashMap::with_capacity(hits.len());
    let track_ids: Vec<_> = of(Kind::Track).map(Into::into).collect();
    if !track_ids.is_empty() {
        let tracks = tracks::find_many(&app.db, &track_ids).await?;
        let published = tracks.into_iter().filter(|track| track.model.state == State::Active);
        items.extend(published.map(|track| (track.model.id.into(), Item::Track(track))));
    }
    let artist_ids: Vec<ArtistId> = of(Kind::Artist).map(Into::into).collect();
    if !artist_ids.is_empty() {
        let artists = artists::list_active_by_ids(&app.db, artist_ids).await?;
        items.extend(artists.into_iter().map(|artist| (artist.id.into(), Item::Artist(artist))));
    }
    Ok(items)
}

/// A hit's place in the order: the class in one byte, the time in eight, the id in sixteen.
fn key(hit: &Hit) -> Vec<u8> {
    let class = u8::try_from(hit.class.number()).unwrap_or(u8::MAX);
    [&[class][..], &hit.published_at.micros().to_be_bytes(), hit.subject.as_bytes()].concat()
}

fn after(page: &Page) -> Result<After, Refusal> {
    if page.after.is_empty() {
        return Ok(After::START);
    }
    let read = || {
        let (class, rest) = page.after.split_first()?;
        let (published_at, subject) = rest.split_first_chunk::<8>()?;
        Some(After {
            class: i32::from(*class),
            published_at: Timestamp::from_micros(i64::from_be_bytes(*published_at)),
            subject: Uuid::from_slice(subject).ok()?,
        })
    };
    read().ok_or(Refusal::PageTokenInvalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_order_survives_the_token() {
        let hit = Hit {
            class: Class::Words,
            published_at: Timestamp::from_micros(1_700_000_000_000_123),
            subject: Uuid::from_u128(7),
            kind: Kind::Track,
        };
        let page = Page { size: 1, after: key(&hit) };
        let expected = After { class: 2, published_at: hit.published_at, subject: hit.subject };
        assert_eq!(after(&page).unwrap(), expected);
        assert_eq!(after(&Page { size: 1, after: Vec::new() }).unwrap(), After::START);
        assert!(after(&Page { size: 1, after: vec![1, 2, 3] }).is_err());
    }
}
