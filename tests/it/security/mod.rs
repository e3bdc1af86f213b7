//! The safety of an account: new passwords, new addresses, and taking them back.

mod addresses;
mod deletions;
mod events;
mod passwords;
mod resets;
mod undoing;

use backline::{entity::account, kernel::ids::AccountId, sessions};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use crate::harness::{guests, *};

/// Another good password.
const NEW: &str = "nine slow clouds above the harbour";

/// Presses the button of a page.
async fn press(world: &World, path: &str, form: &[(&str, &str)]) -> Answer {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    world.http(Http::One, http::Method::POST, path, &kind, body).await
}

/// Opens a link as mail scanners do, and checks that the page only asks.
async fn open(world: &World, link: &str) {
    let path = link.strip_prefix("http://backline.test").unwrap();
    for method in [http::Method::HEAD, http::Method::GET, http::Method::GET] {
        let page = world.http(Http::One, method.clone(), path, &[], "").await;
        assert_eq!((page.status, page.header("cache-control")), (http::StatusCode::OK, Some("no-store")), "{method}");
        assert_eq!(method == http::Method::GET, page.text().contains("<form method=\"post\""), "{}", page.text());
    }
}

async fn change_password(actor: &Actor, current: &str, new: &str) -> Result<i32, Status> {
    let request =
        pb::ChangePasswordRequest { current_password: current.into(), new_password: new.into(), ..Default::default() };
    Ok(actor.accounts().change_password(request).await?.into_inner().ended_count)
}

/// Asks for a reset. Returns its id.
async fn ask_reset(world: &World, email: &str) -> String {
    let request = pb::StartPasswordResetRequest { email: email.into(), ..Default::default() };
    let reply = world.anonymous().accounts().start_password_reset(request).await.unwrap().into_inner();
    assert_eq!(reply.resend_after.unwrap().seconds, 60);
    reply.reset_id
}

async fn reset_by_token(world: &World, token: &str, new: &str) -> Result<i32, Status> {
    let request =
        pb::CompletePasswordResetRequest { token: token.into(), new_password: new.into(), ..Default::default() };
    Ok(world.anonymous().accounts().complete_password_reset(request).await?.into_inner().ended_count)
}

async fn reset_by_code(world: &World, reset_id: &str, code: &str) -> Result<i32, Status> {
    let request = pb::CompletePasswordResetRequest {
        reset_id: reset_id.into(),
        code: code.into(),
        new_password: NEW.into(),
        ..Default::default()
    };
    Ok(world.anonymous().accounts().complete_password_reset(request).await?.into_inner().ended_count)
}

/// Asks for another address. Returns the change's id.
async fn ask_address(actor: &Actor, new_email: &str) -> Result<String, Status> {
    let request = pb::StartEmailChangeRequest { new_email: new_email.into(), ..Default::default() };
    Ok(actor.accounts().start_email_change(request).await?.into_inner().change_id)
}

async fn confirm_address(actor: &Actor, token: &str) -> Result<pb::EmailChangeState, Status> {
    let request = pb::ConfirmEmailChangeRequest { token: token.into(), ..Default::default() };
    Ok(actor.accounts().confirm_email_change(request).await?.into_inner().state())
}

/// Changes an address with both mailboxes' consent.
pub async fn move_to(world: &World, actor: &Actor, new_email: &str) {
    let old = actor.whoami().await.unwrap().email;
    ask_address(actor, new_email).await.unwrap();
    for mailbox in [old.as_str(), new_email] {
        let token = world.newest_letter_to(mailbox).await.token().to_owned();
        confirm_address(actor, &token).await.unwrap();
    }
    world.run_jobs().await;
}

async fn undo(world: &World, token: &str) -> Result<pb::UndoSecurityChangeResponse, Status> {
    let request = pb::UndoSecurityChangeRequest { token: token.into(), ..Default::default() };
    Ok(world.anonymous().accounts().undo_security_change(request).await?.into_inner())
}

#[track_caller]
fn assert_spent(refused: &Status) {
    assert_reason(refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
}

#[track_caller]
fn assert_shut_out(signed_in: Result<Actor, Status>) {
    let refused = signed_in.err().expect("nobody signs in with this");
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::InvalidCredentials);
}

async fn set_status(world: &World, actor: &Actor, status: &str) {
    set_column(world, actor, account::Column::Status, status).await;
}

/// Changes a row behind the back of the API.
async fn set_column(world: &World, actor: &Actor, column: account::Column, value: &str) {
    let id: AccountId = actor.account_id().parse().unwrap();
    account::Entity::update_many()
        .col_expr(column, Expr::value(value))
        .filter(account::Column::Id.eq(id))
        .exec(&world.db().await)
        .await
        .unwrap();
}
