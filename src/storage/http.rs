//! `GET` and `HEAD` of `/objects/{object_id}`: what a signed URL leads to.
//!
//! Whoever has the URL may fetch; no token, no cookie. Bytes are streamed from the store with a few blocks in memory.

use axum::{
    Router,
    body::Body,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{
        HeaderMap, HeaderValue, Method, Response, StatusCode,
        header::{
            ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
            CONTENT_TYPE, ETAG, HeaderName, IF_RANGE, RANGE, X_CONTENT_TYPE_OPTIONS,
        },
    },
    routing::get,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{
    catalog,
    domain::open,
    error::Error,
    http_parts,
    range::{self, Wanted},
    signature::{Claims, Signer},
};
use crate::{
    app::App,
    kernel::ids::{Id, ObjectId},
    rpc::fault,
};

/// The routes of this feature.
pub fn router(app: App) -> Router {
    // axum answers HEAD by the same handler.
    let parts = http_parts::router(app.clone());
    Router::new().route("/objects/{object_id}", get(fetch)).with_state(app).merge(parts)
}

async fn fetch(
    State(app): State<App>,
    method: Method,
    Path(id): Path<String>,
    claims: Result<Query<Claims>, QueryRejection>,
    headers: HeaderMap,
) -> Response<Body> {
    match answer(&app, &method, &id, claims.ok().map(|Query(claims)| claims), &headers).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(error = fault::causes(&error), "a download failed");
            plain(StatusCode::SERVICE_UNAVAILABLE, "The file cannot be read at the moment. Try again shortly.")
        }
    }
}

async fn answer(
    app: &App,
    method: &Method,
    id: &str,
    claims: Option<Claims>,
    headers: &HeaderMap,
) -> Result<Response<Body>, Error> {
    let Ok(id) = ObjectId::parse(id) else { return Ok(absent()) };
    let Some(claims) = claims else { return Ok(refused()) };
    let Some((object, blob)) = catalog::find(&app.db, id).await? else {
        // Only a URL of ours is told that the object is gone; a guess is refused like every other.
        return Ok(refused());
    };
    if !Signer::new(&app.keys).allows(id, blob.access_epoch, &claims, app.clock.now()) {
        return Ok(refused());
    }

    let size = u64::try_from(blob.size_bytes).unwrap_or(0);
    let etag = format!("\"sha256-{}\"", BASE64_URL_SAFE_NO_PAD.encode(blob.sha256.as_bytes()));
    let wanted = if method == Method::GET { wanted(headers, &etag, size) } else { Wanted::Whole };
    let (status, range) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..size),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Unsatisfiable => {
            let mut response = plain(StatusCode::RANGE_NOT_SATISFIABLE, "The range lies beyond the end of the file.");
            set(&mut response, CONTENT_RANGE, &format!("bytes */{size}"));
            return Ok(response);
        }
    };
    let body = match *method {
        Method::HEAD => Body::empty(),
        _ => Body::from_stream(open(app, &blob, range.clone()).await?),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if status == StatusCode::PARTIAL_CONTENT {
        set(&mut response, CONTENT_RANGE, &format!("bytes {}-{}/{size}", range.start, range.end - 1));
    }
    set(&mut response, CONTENT_LENGTH, &(range.end - range.start).to_string());
    set(&mut response, CONTENT_TYPE, &object.media_type);
    set(&mut response, CONTENT_DISPOSITION, &disposition(&object.file_name));
    set(&mut response, ETAG, &etag);
    set(&mut response, ACCEPT_RANGES, "bytes");
    guard(&mut response);
    Ok(response)
}

/// The range asked for, if `If-Range` does not ask for the whole of a file that changed (RFC 9110, 13.1.5). Ours never
/// change, so any other tag belongs to another file; dates are not kept.
fn wanted(headers: &HeaderMap, etag: &str, size: u64) -> Wanted {
    let Some(range) = headers.get(RANGE).and_then(|range| range.to_str().ok()) else { return Wanted::Whole };
    match headers.get(IF_RANGE) {
        Some(tag) if tag.as_bytes() != etag.as_bytes() => Wanted::Whole,
        _ => range::read(range, size),
    }
}

fn absent() -> Response<Body> {
    plain(StatusCode::NOT_FOUND, "There is no such file.")
}

fn refused() -> Response<Body> {
    plain(StatusCode::FORBIDDEN, "This link has expired or is not one of ours. Ask for a new one.")
}

pub(super) fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, "text/plain; charset=utf-8");
    guard(&mut response);
    response
}

/// What keeps a browser from storing, guessing at or running what it is given. The server adds what all answers carry.
fn guard(response: &mut Response<Body>) {
    set(response, CACHE_CONTROL, "private, no-store");
    set(response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(response, CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    // Values are ours: digits, media types of the allow-list, encoded names.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// `Content-Disposition` with the owner's name for the file: plain for old readers, UTF-8 for all others (RFC 6266, 4.3
/// and RFC 8187).
pub(super) fn disposition(file_name: &str) -> String {
    let plain: String = file_name
        .chars()
        .map(|letter| match letter {
            '"' | '\\' | '%' => '_',
            ' '..='~' => letter,
            _ => '_',
        })
        .collect();
    let mut encoded = String::with_capacity(file_name.len());
    for byte in file_name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex::encode_upper([byte]));
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_their_header() {
        assert_eq!(
            disposition("Maré \"alta\".wav"),
            "attachment; filename=\"Mar_ _alta_.wav\"; filename*=UTF-8''Mar%C3%A9%20%22alta%22.wav"
        );
        assert!(HeaderValue::from_str(&disposition("a\r\nSet-Cookie: b")).is_ok());
    }

    #[test]
    fn a_range_of_another_file_is_not_given() {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_static("bytes=1-2"));
        assert_eq!(wanted(&headers, "\"a\"", 9), Wanted::Part(1..3));
        headers.insert(IF_RANGE, HeaderValue::from_static("\"a\""));
        assert_eq!(wanted(&headers, "\"a\"", 9), Wanted::Part(1..3));
        headers.insert(IF_RANGE, HeaderValue::from_static("\"b\""));
        assert_eq!(wanted(&headers, "\"a\"", 9), Wanted::Whole);
    }
}
