//! The pages behind the links of letters about an account: its opening and its safety.
//!
//! Opening one spends nothing: mail scanners open links. Only its button does, by a POST.

use std::future::Future;

use axum::{
    Extension, Form, Router,
    extract::{Query, State},
    http::StatusCode,
    response::Response,
    routing::get,
};
use serde::Deserialize;

use super::{
    Error,
    email::{self, Progress},
    opening,
    reset::{self, Reset, Second},
    undo,
};
use crate::{
    accounts::{
        self,
        password::MAX_TYPED,
        proof::{Shown, link_digest},
    },
    app::App,
    factors::wire as factor,
    kernel::{Facts, Password},
    pages::{ask, escaped, page, spent, unavailable},
    rpc::{Fault, Fields, fault},
};

/// `/verify`, `/reset`, `/email` and `/undo`, each with GET and POST.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/verify", get(ask_verification).post(verify))
        .route("/reset", get(ask_password).post(set_password))
        .route("/email", get(ask_email).post(confirm_email))
        .route("/undo", get(ask_undo).post(undo_change))
        .with_state(app)
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    token: String,
}

#[derive(Deserialize)]
struct Verification {
    #[serde(default)]
    token: String,
    /// Only where the address was registered more than once.
    #[serde(default)]
    password: String,
}

#[derive(Deserialize)]
struct NewPassword {
    #[serde(default)]
    token: String,
    #[serde(default)]
    password: String,
    /// Of an authenticator app, or a recovery code; most accounts want none.
    #[serde(default)]
    code: String,
}

async fn ask_verification(Query(link): Query<Link>) -> Response {
    let text = "Press the button to confirm that this address is yours.";
    ask("Confirm your e-mail address", text, "/verify", &link.token, "Confirm the address")
}

async fn verify(
    State(app): State<App>,
    Extension(facts): Extension<Facts>,
    Form(given): Form<Verification>,
) -> Response {
    let shown = Shown::Link(link_digest(&given.token));
    let password = Some(&given.password).filter(|typed| !typed.is_empty() && typed.len() <= MAX_TYPED);
    let password = password.map(|typed| Password::new(typed));
    match on_its_own(async move { opening::verify(&app, &facts, shown, password.as_ref(), &()).await }).await {
        Ok(_) => {
            let text = "<p>Your account is ready. You can sign in now.</p>";
            page(StatusCode::OK, "Your address is confirmed", text)
        }
        Err(Some(accounts::Error::PasswordWanted)) => {
            page(StatusCode::FORBIDDEN, "Your password is wanted too", &verification_form(&given))
        }
        Err(Some(accounts::Error::TokenInvalid | accounts::Error::AttemptsExhausted)) => spent(
            "It was used before, or is too old. Ask for a new letter in the app; if you confirmed already, just sign in.",
        ),
        Err(error) => failed(error),
    }
}

fn verification_form(given: &Verification) -> String {
    let why =
        if given.password.is_empty() { "" } else { "<p role=\"alert\">This is not the password of this letter.</p>" };
    format!(
        "<form method=\"post\" action=\"/verify\">{why}\
         <p>This address was registered more than once, perhaps by somebody else. Type the password that you chose. If \
         it does not fit, this letter is not yours: try another one.</p>\
         <p><label for=\"password\">Password</label><br>\
         <input id=\"password\" type=\"password\" name=\"password\" autocomplete=\"current-password\" required></p>\
         <input type=\"hidden\" name=\"token\" value=\"{}\"><button type=\"submit\">Confirm the address</button></form>",
        escaped(&given.token)
    )
}

async fn ask_password(Query(link): Query<Link>) -> Response {
    page(StatusCode::OK, "Choose a new password", &password_form(&link.token, ""))
}

async fn set_password(
    State(app): State<App>,
    Extension(facts): Extension<Facts>,
    Form(given): Form<NewPassword>,
) -> Response {
    let asked = Reset {
        shown: Shown::Link(link_digest(&given.token)),
        new: Password::new(&given.password),
        second: second(&given.code),
    };
    match on_its_own(async move { reset::complete(&app, &facts, asked, &()).await }).await {
        Ok(_) => page(
            StatusCode::OK,
            "Your password is changed",
            "<p>You were signed out everywhere. You can sign in with the new password now.</p>",
        ),
        Err(Some(Error::PasswordRejected(why))) => {
            let why = format!("This password cannot be used: {why}.");
            page(StatusCode::BAD_REQUEST, "Choose another password", &password_form(&given.token, &why))
        }
        Err(Some(error)) if wants_factor(&error) => {
            let why =
                "This account has a second factor: its code, or a recovery code, is wanted too. Codes serve once.";
            page(StatusCode::FORBIDDEN, "Your second factor is wanted too", &password_form(&given.token, why))
        }
        Err(error) => refusal(error),
    }
}

/// Whether another code may help.
fn wants_factor(error: &Error) -> bool {
    matches!(error, Error::FactorWanted { .. } | Error::Factor(_)) && error.database().is_none()
}

/// The code that was typed: six digits are an app's, anything else is a recovery code.
fn second(code: &str) -> Option<Second> {
    let mut fields = Fields::default();
    let given = factor::totp(&mut fields, code).or_else(|| factor::recovery_code(&mut fields, code))?;
    Some(Second { given, flow: None })
}

fn password_form(token: &str, why: &str) -> String {
    let why = if why.is_empty() { String::new() } else { format!("<p role=\"alert\">{}</p>", escaped(why)) };
    format!(
        "<form method=\"post\" action=\"/reset\">{why}\
         <p><label for=\"password\">New password, 12 characters or more</label><br>\
         <input id=\"password\" type=\"password\" name=\"password\" autocomplete=\"new-password\" required></p>\
         <p><label for=\"code\">Code of your second factor, only if you have one</label><br>\
         <input id=\"code\" name=\"code\" autocomplete=\"one-time-code\"></p>\
         <input type=\"hidden\" name=\"token\" value=\"{}\"><button type=\"submit\">Set the password</button></form>",
        escaped(token)
    )
}

async fn ask_email(Query(link): Query<Link>) -> Response {
    let text = "Press the button to agree that this account's address is changed. It happens when both addresses have \
                agreed.";
    ask("Confirm the change of address", text, "/email", &link.token, "Agree to the change")
}

async fn confirm_email(State(app): State<App>, Extension(facts): Extension<Facts>, Form(link): Form<Link>) -> Response {
    let shown = Shown::Link(link_digest(&link.token));
    match on_its_own(async move { email::confirm(&app, &facts, None, shown, &()).await }).await {
        Ok(Progress::Changed) => {
            page(StatusCode::OK, "The address is changed", "<p>Sign in with the new address from now on.</p>")
        }
        Ok(Progress::OldConfirmed | Progress::NewConfirmed) => page(
            StatusCode::OK,
            "Thank you: one of two",
            "<p>The address changes as soon as the link in the letter to the other address is confirmed too.</p>",
        ),
        Err(error) => refusal(error),
    }
}

async fn ask_undo(Query(link): Query<Link>) -> Response {
    let text = "If it was not you who made the change, press the button: the change is taken back, every device is \
                signed out, and where someone may know your password you get a letter to choose another.";
    ask("Was it not you?", text, "/undo", &link.token, "Take it back")
}

async fn undo_change(State(app): State<App>, Extension(facts): Extension<Facts>, Form(link): Form<Link>) -> Response {
    let token = link_digest(&link.token);
    match on_its_own(async move { undo::undo(&app, &facts, token, &()).await }).await {
        Ok(outcome) => {
            let next = if outcome.reset_sent {
                "<p>Every device is signed out. A letter to choose a new password is on its way to you.</p>"
            } else {
                "<p>Every device is signed out. Sign in again on yours.</p>"
            };
            page(StatusCode::OK, "It is taken back", next)
        }
        Err(error) => refusal(error),
    }
}

/// Runs on a task of its own, as every handler that opens a transaction. `Err(None)` if the task did not finish.
async fn on_its_own<T: Send + 'static, E: Send + 'static>(
    act: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, Option<E>> {
    match tokio::spawn(act).await {
        Ok(done) => done.map_err(Some),
        Err(_) => Err(None),
    }
}

fn refusal(error: Option<Error>) -> Response {
    match error {
        Some(Error::TokenInvalid | Error::AttemptsExhausted) => {
            spent("It was used before, is too old, or a newer letter has replaced it.")
        }
        error => failed(error),
    }
}

fn failed(error: Option<impl std::error::Error>) -> Response {
    if let Some(error) = error {
        tracing::error!(error = fault::causes(&error), "a page of a letter failed");
    }
    unavailable()
}
