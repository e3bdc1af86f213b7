//! The page behind the link of a letter about a lock.

use axum::{
    Form, Router,
    extract::{Query, State},
    response::Response,
    routing::get,
};
use http::StatusCode;
use serde::Deserialize;

use super::guard;
use crate::{app::App, kernel::Facts, pages, rpc::fault};

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    token: String,
}

/// `GET /unlock` and `POST /unlock`.
pub fn router(app: App) -> Router {
    Router::new().route("/unlock", get(ask).post(unlock)).with_state(app)
}

async fn ask(Query(link): Query<Link>) -> Response {
    let text = "If it was you who gave the wrong passwords, press the button and try again. If not, leave it: the pause \
                protects your account and ends by itself.";
    pages::ask("End the pause", text, "/unlock", &link.token, "End the pause")
}

async fn unlock(
    State(app): State<App>,
    axum::Extension(facts): axum::Extension<Facts>,
    Form(link): Form<Link>,
) -> Response {
    // On a task of its own, as every handler that opens a transaction.
    let unlocked = tokio::spawn(async move { guard::unlock_by_link(&app, &facts, &link.token).await }).await;
    match unlocked {
        Ok(Ok(true)) => pages::page(StatusCode::OK, "The pause has ended", "<p>You can sign in now.</p>"),
        Ok(Ok(false)) => pages::spent("It was used before, or is too old. The pause ends by itself."),
        Ok(Err(error)) => {
            tracing::error!(error = fault::causes(&error), "a lock was not ended");
            pages::unavailable()
        }
        Err(_) => pages::unavailable(),
    }
}
