//! Artists on the wire.

use crate::{
    entity::artist::{Model, State},
    pb,
    rpc::convert,
};

/// An artist as everyone who may see it does.
pub fn proto(artist: &Model) -> pb::Artist {
    pb::Artist {
        artist_id: artist.id.to_string(),
        stage_name: artist.stage_name.clone(),
        biography: artist.biography.clone(),
        links: links(&artist.links),
        state: match artist.state {
            State::Active => pb::ArtistState::Active,
            State::Suspended => pb::ArtistState::Suspended,
            State::Archived => pb::ArtistState::Archived,
        }
        .into(),
        create_time: Some(convert::timestamp(artist.created_at)),
        update_time: Some(convert::timestamp(artist.updated_at)),
        etag: artist.row_version.to_string(),
    }
}

/// The column's JSON array of URLs. A damaged one is empty: it must not hide the rest of the row.
pub fn links(column: &str) -> Vec<String> {
    serde_json::from_str(column).unwrap_or_default()
}

pub fn listed(artists: &[Model], next_page_token: String) -> pb::ListArtistsResponse {
    pb::ListArtistsResponse { artists: artists.iter().map(proto).collect(), next_page_token }
}
