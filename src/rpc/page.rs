//! Keyset paging: sizes, and tokens that only this server can make and only their own query accepts.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;
use tonic::Status;

use super::{Fields, Refusal, Rpc, fields};
use crate::{
    kernel::{Digest, ids::AccountId},
    vault::{Key, Ring},
};

/// Rows of a page when the client does not say.
pub const DEFAULT_SIZE: u64 = 50;
/// More is silently lowered to this.
pub const MAX_SIZE: u64 = 200;

const TAG_BYTES: usize = 16;

/// What part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Rows, at most; `1..=200`.
    pub size: u64,
    /// The sort key of the last row already seen; empty at the start.
    pub after: Vec<u8>,
}

/// One page of rows, and the sort key to go on after, if there is more.
#[derive(Clone, Debug)]
pub struct Slice<T> {
    pub rows: Vec<T>,
    pub next: Option<Vec<u8>>,
}

impl<T> Slice<T> {
    /// Cuts `rows`, of which the store fetched one more than the page holds.
    pub fn cut(mut rows: Vec<T>, page: &Page, key: impl FnOnce(&T) -> Vec<u8>) -> Self {
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let more = rows.len() > size;
        rows.truncate(size);
        let next = rows.last().filter(|_| more).map(key);
        Self { rows, next }
    }
}

/// The query that a token belongs to: tokens do not travel between methods, callers or filters.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    pub rpc: Rpc,
    pub caller: Option<AccountId>,
    /// Everything that decides which rows there are and in which order.
    pub filter: &'a str,
}

/// Makes and opens page tokens.
#[derive(Clone)]
pub struct Pages {
    keys: Ring,
}

impl Pages {
    pub fn new(keys: Ring) -> Self {
        Self { keys }
    }

    /// Reads `page_size` and `page_token`.
    ///
    /// # Errors
    /// `FIELD_INVALID` for a negative size, `PAGE_TOKEN_INVALID` for a token that is not this query's.
    pub fn read(&self, query: Query<'_>, page_size: i32, page_token: &str) -> Result<Page, Status> {
        let size = match u64::try_from(page_size) {
            Ok(0) => DEFAULT_SIZE,
            Ok(size) => size.min(MAX_SIZE),
            Err(_) => {
                let mut fields: Fields = fields::Fields::default();
                fields.refuse("page_size", "must not be negative");
                return fields.finish(|| None);
            }
        };
        let after = if page_token.is_empty() { Vec::new() } else { self.open(query, page_token)? };
        Ok(Page { size, after })
    }

    /// The token for what follows `next`; empty at the end.
    pub fn token(&self, query: Query<'_>, next: Option<Vec<u8>>) -> String {
        next.map_or_else(String::new, |mut key| {
            let tag = tag(&self.keys.active(), query, &key);
            key.extend_from_slice(&tag);
            BASE64_URL_SAFE_NO_PAD.encode(key)
        })
    }

    fn open(&self, query: Query<'_>, token: &str) -> Result<Vec<u8>, Refusal> {
        let mut key = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| Refusal::PageTokenInvalid)?;
        let split = key.len().checked_sub(TAG_BYTES).ok_or(Refusal::PageTokenInvalid)?;
        let given = key.split_off(split);
        let ours = self.keys.find(|with| given.ct_eq(&tag(with, query, &key)).into());
        if ours.is_some() { Ok(key) } else { Err(Refusal::PageTokenInvalid) }
    }
}

/// Binds a sort key to its query.
fn tag(with: &Key, query: Query<'_>, key: &[u8]) -> [u8; TAG_BYTES] {
    let caller = query.caller.map(|id| uuid::Uuid::from(id).into_bytes()).unwrap_or_default();
    let mac = Digest::mac(with.bytes(), &[query.rpc.path().as_bytes(), &caller, query.filter.as_bytes(), key]);
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(&mac.as_bytes()[..TAG_BYTES]);
    tag
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pages(…)")
    }
}

/// A sort key that is one id.
pub fn id_key(id: impl Into<uuid::Uuid>) -> Vec<u8> {
    id.into().into_bytes().to_vec()
}

/// The id in a page's sort key, if the page is not the first.
///
/// # Errors
/// `PAGE_TOKEN_INVALID`; cannot happen for keys made by [`id_key`].
pub fn after_id<T: From<uuid::Uuid>>(page: &Page) -> Result<Option<T>, Refusal> {
    if page.after.is_empty() {
        return Ok(None);
    }
    let id = uuid::Uuid::from_slice(&page.after).map_err(|_| Refusal::PageTokenInvalid)?;
    Ok(Some(id.into()))
}

/// As [`after_id`], for lists that go from the newest to the oldest: on the first page an id after all others, so that
/// every page is the same query and the same walk along an index.
///
/// # Errors
/// As there.
pub fn before_id<T: From<uuid::Uuid>>(page: &Page) -> Result<T, Refusal> {
    Ok(after_id(page)?.unwrap_or_else(|| uuid::Uuid::max().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(filter: &str) -> Query<'_> {
        Query { rpc: Rpc::TrackListTracks, caller: None, filter }
    }

    #[test]
    fn a_token_opens_only_for_its_own_query() {
        let pages = Pages::new(Ring::fixed(&[[1; 32]]));
        let token = pages.token(query("a"), Some(vec![1, 2, 3]));
        assert_eq!(pages.read(query("a"), 0, &token).unwrap().after, [1, 2, 3]);
        assert!(pages.read(query("b"), 0, &token).is_err());
        assert!(Pages::new(Ring::fixed(&[[2; 32]])).read(query("a"), 0, &token).is_err());
        assert!(pages.read(query("a"), 0, "nonsense").is_err());
        assert!(pages.read(query("a"), 0, &token[1..]).is_err());
    }

    #[test]
    fn sizes_are_lowered_but_never_negative() {
        let pages = Pages::new(Ring::fixed(&[[1; 32]]));
        assert_eq!(pages.read(query(""), 0, "").unwrap().size, DEFAULT_SIZE);
        assert_eq!(pages.read(query(""), 100_000, "").unwrap().size, MAX_SIZE);
        assert!(pages.read(query(""), -1, "").is_err());
    }

    #[test]
    fn a_slice_ends_where_the_rows_do() {
        let page = Page { size: 2, after: Vec::new() };
        assert_eq!(Slice::cut(vec![1_u8, 2], &page, |n| vec![*n]).next, None);
        let slice = Slice::cut(vec![1_u8, 2, 3], &page, |n| vec![*n]);
        assert_eq!((slice.rows, slice.next), (vec![1, 2], Some(vec![2])));
    }
}
