//! Refresh tokens in a cookie: for browsers, whose scripts must not be able to read them.
//!
//! The cookie has one form everywhere. Browsers keep a `__Host-` cookie only from an `https://` address, and most of them
//! from `http://localhost`; a weaker cookie for other development set-ups would be one more thing to get wrong, so those
//! use the other transport. It is looked at by two methods only, and only beside a header that a foreign page cannot add
//! without asking first (OWASP: custom request headers against CSRF).

use std::time::Duration;

use tonic::{
    Response,
    metadata::{AsciiMetadataValue, MetadataMap},
};

use super::{Error, begin::Tokens};
use crate::entity::session::Transport;

const NAME: &str = "__Host-backline_refresh";
/// What the browser must be told on every change, or it takes it for another cookie.
const ATTRIBUTES: &str = "Secure; HttpOnly; SameSite=Strict; Path=/";
const CSRF_HEADER: &str = "x-backline-csrf";

/// The refresh token that a browser sent along, if it did.
///
/// # Errors
/// [`Error::CsrfHeaderMissing`], if nothing shows that one of our own pages made the call.
pub fn read(metadata: &MetadataMap) -> Result<Option<String>, Error> {
    let lines = metadata.get_all("cookie").iter().filter_map(|line| line.to_str().ok());
    let found = lines.flat_map(|line| line.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == NAME).then(|| value.to_owned())
    });
    let ours = metadata.get(CSRF_HEADER).is_some_and(|value| !value.is_empty());
    if found.is_some() && !ours { Err(Error::CsrfHeaderMissing) } else { Ok(found) }
}

/// The reply with the cookie that holds its refresh token, if that is how the session's tokens travel.
pub fn give<T>(reply: Response<T>, transport: Transport, tokens: &Tokens) -> Response<T> {
    match transport {
        Transport::Bearer => reply,
        Transport::Cookie => set(reply, &tokens.refresh, tokens.refresh_lifetime),
    }
}

/// The reply that makes the browser forget the cookie.
pub fn take_away<T>(reply: Response<T>) -> Response<T> {
    set(reply, "", Duration::ZERO)
}

/// The reply with a cookie of this value and life.
pub fn set<T>(mut reply: Response<T>, value: &str, life: Duration) -> Response<T> {
    let text = format!("{NAME}={value}; {ATTRIBUTES}; Max-Age={}", life.as_secs());
    let mut header: AsciiMetadataValue = text.parse().expect("a token is made of letters that fit a header");
    // Kept out of the connection's table of headers.
    header.set_sensitive(true);
    reply.metadata_mut().insert("set-cookie", header);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(cookies: &[&'static str], csrf: Option<&'static str>) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        for line in cookies {
            metadata.append("cookie", line.parse().unwrap());
        }
        if let Some(value) = csrf {
            metadata.insert(CSRF_HEADER, value.parse().unwrap());
        }
        metadata
    }

    #[test]
    fn the_cookie_is_found_among_others_and_on_any_line() {
        for lines in [
            &["__Host-backline_refresh=t=1"][..],
            &["a=b; __Host-backline_refresh=t=1; c"],
            &["a=b", "__Host-backline_refresh=t=1"],
        ] {
            assert_eq!(read(&sent(lines, Some("1"))).unwrap().as_deref(), Some("t=1"), "{lines:?}");
        }
        for lines in [&[][..], &["a=b"], &["backline_refresh=t"], &["x__Host-backline_refresh=t"]] {
            assert_eq!(read(&sent(lines, None)).unwrap(), None, "{lines:?}");
        }
    }

    #[test]
    fn it_is_taken_only_beside_the_header() {
        for csrf in [None, Some("")] {
            assert!(matches!(read(&sent(&["__Host-backline_refresh=t"], csrf)), Err(Error::CsrfHeaderMissing)));
        }
    }
}
