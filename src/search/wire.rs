//! Search on the wire.

use tonic::Status;

use super::{
    Kind,
    domain::{Found, Item},
    query::Asked,
    store::Class,
};
use crate::{
    artists,
    kernel::text,
    pb::{self, MatchClass, SearchKind, search_result},
    rpc::Fields,
    tracks,
};

const MAX_QUERY: usize = 200;

/// What is asked, and among which kinds: without repetition, in the order of the enum.
pub fn asked(message: &pb::SearchRequest) -> Result<(Asked, Vec<Kind>), Status> {
    let mut fields = Fields::default();
    let line = fields.read("query", text::line(&message.query, MAX_QUERY));
    let asked = line.and_then(|line| fields.read("query", Asked::read(&line)));
    let mut named = Vec::new();
    for (place, number) in message.kinds.iter().enumerate() {
        let known = SearchKind::try_from(*number).ok().and_then(kind);
        named.extend(fields.read(&format!("kinds[{place}]"), known.ok_or("must be one of the kinds")));
    }
    let wanted = [Kind::Track, Kind::Artist].into_iter().filter(|kind| named.is_empty() || named.contains(kind));
    let kinds = wanted.collect();
    fields.finish(|| Some((asked?, kinds)))
}

const fn kind(kind: SearchKind) -> Option<Kind> {
    match kind {
        SearchKind::Unspecified => None,
        SearchKind::Track => Some(Kind::Track),
        SearchKind::Artist => Some(Kind::Artist),
    }
}

/// Everything that decides what there is to page through.
pub fn filter(message: &pb::SearchRequest, kinds: &[Kind]) -> String {
    let kinds: Vec<String> = kinds.iter().map(Kind::to_string).collect();
    format!("{}\n{}", kinds.join(","), message.query)
}

pub fn response(found: &[Found], next_page_token: String) -> pb::SearchResponse {
    pb::SearchResponse { results: found.iter().map(result).collect(), next_page_token }
}

fn result(found: &Found) -> pb::SearchResult {
    let item = match &found.item {
        Item::Track(track) => search_result::Item::Track(tracks::proto(track)),
        Item::Artist(artist) => search_result::Item::Artist(artists::proto(artist)),
    };
    let class = match found.class {
        Class::Exact => MatchClass::Exact,
        Class::Words => MatchClass::Words,
        Class::Prefix => MatchClass::Prefix,
    };
    pb::SearchResult { item: Some(item), match_class: class.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(query: &str, kinds: &[i32]) -> pb::SearchRequest {
        pb::SearchRequest { query: query.into(), kinds: kinds.to_vec(), ..Default::default() }
    }

    #[test]
    fn no_kind_means_every_kind() {
        assert_eq!(asked(&request("night", &[])).unwrap().1, [Kind::Track, Kind::Artist]);
        assert_eq!(asked(&request("night", &[2, 2])).unwrap().1, [Kind::Artist]);
        assert_eq!(asked(&request("night", &[2, 1])).unwrap().1, [Kind::Track, Kind::Artist]);
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        for (query, kinds) in
            [("", &[][..]), ("  ", &[]), ("!?", &[]), (&"a".repeat(201), &[]), ("night", &[0]), ("night", &[3])]
        {
            assert!(asked(&request(query, kinds)).is_err(), "{query} {kinds:?}");
        }
    }
}
