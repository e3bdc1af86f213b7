//! The page behind the link of a verification letter.

use axum::{
    Form, Router,
    extract::{Query, State},
    http::StatusCode,
    response::Response,
    routing::get,
};
use serde::Deserialize;

use super::{
    Error,
    proof::{Shown, link_digest},
    registration,
};
use crate::{app::App, kernel::Facts, pages, rpc::fault};

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
    let text = "Press the button to confirm that this address is yours.";
    pages::ask("Confirm your e-mail address", text, "/verify", &link.token, "Confirm the address")
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
            let text = "<p>Your account is ready. You can sign in now.</p>";
            pages::page(StatusCode::OK, "Your address is confirmed", text)
        }
        Ok(Err(Error::TokenInvalid | Error::AttemptsExhausted)) => pages::spent(
            "It was used before, or is too old. Ask for a new letter in the app; if you confirmed already, just sign in.",
        ),
        Ok(Err(error)) => {
            tracing::error!(error = fault::causes(&error), "a verification failed");
            pages::unavailable()
        }
        Err(_) => pages::unavailable(),
    }
}
