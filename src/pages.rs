//! The few pages that a browser shows: those behind the links of letters, and a first one.
//!
//! Opening a link spends nothing, because mail scanners open links; the page asks, and only its button acts, by a POST.
//! Plain HTML without scripts, styles or anything from elsewhere.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

/// A page with a title and a body of trusted HTML.
pub fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title></head>\
         <body><main><h1>{title}</h1>{body}</main></body></html>"
    );
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, html).into_response()
}

/// The page at `/`, for whoever comes here to sign in.
pub fn home() -> Response {
    let text = "<p>This is the server of Backline. There is nothing to do here: open the Backline app to sign in, or to \
                choose a new password.</p>";
    page(StatusCode::OK, "Backline", text)
}

/// A page that asks whether to go on: `button` posts the link's token to `action`.
pub fn ask(title: &str, text: &str, action: &str, token: &str, button: &str) -> Response {
    let form = format!(
        "<p>{text}</p><form method=\"post\" action=\"{action}\">\
         <input type=\"hidden\" name=\"token\" value=\"{}\"><button type=\"submit\">{button}</button></form>",
        escaped(token)
    );
    page(StatusCode::OK, title, &form)
}

/// The page of a link that was spent, is too old, or was never one.
pub fn spent(text: &str) -> Response {
    page(StatusCode::BAD_REQUEST, "This link does not work any more", &format!("<p>{text}</p>"))
}

/// The page for when something is away. Nothing was changed.
pub fn unavailable() -> Response {
    page(
        StatusCode::SERVICE_UNAVAILABLE,
        "Please try again",
        "<p>Something is away for a moment. Nothing was changed.</p>",
    )
}

/// Text that came from outside, harmless inside HTML and its attributes.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
