//! The page behind the link of a verification letter.
//!
//! Opening it spends nothing: mail scanners open links. Only its button does, by a POST.

use axum::{
    Form, Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;

use super::{
    Error,
    proof::{Shown, link_digest},
    registration,
};
use crate::{app::App, kernel::Facts, rpc::fault};

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    token: String,
}

/// `GET /verify` and `POST /verify`.
pub fn router(app: App) -> Router {
    Router::new().route("/verify", get(ask).post(verify)).with_state(app)
}

async fn ask(Query(link): Query<Link>) -> Response {
    let form = format!(
        "<p>Press the button to confirm that this address is yours.</p>\
         <form method=\"post\" action=\"/verify\"><input type=\"hidden\" name=\"token\" value=\"{}\">\
         <button type=\"submit\">Confirm the address</button></form>",
        escaped(&link.token)
    );
    page(StatusCode::OK, "Confirm your e-mail address", &form)
}

async fn verify(
    State(app): State<App>,
    axum::Extension(facts): axum::Extension<Facts>,
    Form(link): Form<Link>,
) -> Response {
    let proof = Shown::Link(link_digest(&link.token));
    // On a task of its own, as every handler that opens a transaction.
    let verified = tokio::spawn(async move { registration::verify(&app, &facts, proof, &()).await }).await;
    match verified {
        Ok(Ok(_)) => {
            page(StatusCode::OK, "Your address is confirmed", "<p>Your account is ready. You can sign in now.</p>")
        }
        Ok(Err(Error::TokenInvalid | Error::AttemptsExhausted)) => page(
            StatusCode::BAD_REQUEST,
            "This link does not work any more",
            "<p>It was used before, or is too old. Ask for a new letter in the app; if you confirmed already, just sign in.</p>",
        ),
        Ok(Err(error)) => {
            tracing::error!(error = fault::causes(&error), "a verification failed");
            unavailable()
        }
        Err(_) => unavailable(),
    }
}

/// Nothing was done.
pub fn unavailable() -> Response {
    page(
        StatusCode::SERVICE_UNAVAILABLE,
        "Please try again",
        "<p>Something is away for a moment. Nothing was changed.</p>",
    )
}

/// A page of ours: a heading and a body, which is HTML already.
pub fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title></head>\
         <body><main><h1>{title}</h1>{body}</main></body></html>"
    );
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, html).into_response()
}

/// Text as HTML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
