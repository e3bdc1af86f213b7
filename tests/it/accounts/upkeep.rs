//! What becomes of accounts, letters and links in the end; and where letters send people.

use backline::{
    entity::{account, letter, security_undo},
    kernel::ids::AccountId,
};
use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter, sea_query::Expr};

use super::*;

#[tokio::test]
async fn a_deleted_account_is_not_changed_by_a_token_that_is_still_out() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let id: AccountId = ana.account_id().parse().unwrap();
    let etag = ana.whoami().await.unwrap().etag;
    account::Entity::update_many()
        .col_expr(account::Column::Status, Expr::value("deleted"))
        .filter(account::Column::Id.eq(id))
        .exec(&world.db().await)
        .await
        .unwrap();
    for etag in ["", &etag] {
        let refused = ana.accounts().update_account(renaming("Ana Sol", etag, "")).await.unwrap_err();
        assert_reason(&refused, Code::Unauthenticated, ErrorReason::SessionRevoked);
        assert_eq!(fact(&refused, "cause").as_deref(), Some("account_deleted"));
    }
    let row = account::Entity::find_by_id(id).one(&world.db().await).await.unwrap().unwrap();
    assert_eq!(row.display_name, "Ana");
}

#[tokio::test]
async fn an_account_read_before_a_second_factor_came_is_stale() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let before = ana.whoami().await.unwrap();
    ana.add_app(&world).await;
    let after = ana.whoami().await.unwrap();
    assert_ne!(before.factor_kinds, after.factor_kinds);
    let refused = ana.accounts().update_account(renaming("Ana Sol", &before.etag, "")).await.unwrap_err();
    assert_reason(&refused, Code::Aborted, ErrorReason::EtagMismatch);
    ana.accounts().update_account(renaming("Ana Sol", &after.etag, "")).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn letters_go_after_a_month_and_links_when_they_are_too_old() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let request = pb::ChangePasswordRequest {
        current_password: PASSWORD.into(),
        new_password: "nine slow clouds above the harbour".into(),
        ..Default::default()
    };
    ana.accounts().change_password(request).await.unwrap();
    world.run_jobs().await;
    let left = async || {
        let db = world.db().await;
        (letter::Entity::find().count(&db).await.unwrap(), security_undo::Entity::find().count(&db).await.unwrap())
    };
    assert_eq!(left().await, (3, 1));
    world.advance(6 * 24 * HOUR);
    world.run_jobs().await;
    assert_eq!(left().await, (3, 1));
    world.advance(25 * HOUR);
    world.run_jobs().await;
    assert_eq!(left().await, (3, 0));
    world.advance(23 * 24 * HOUR);
    world.run_jobs().await;
    assert_eq!(left().await, (0, 0));
}

#[tokio::test]
async fn letters_send_people_to_a_page_that_is_there() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let letter = world.newest_letter_to(&ana.email).await;
    assert_eq!((letter.subject.as_str(), letter.link()), ("Welcome to Backline", "http://backline.test"));
    let page = world.http(Http::One, http::Method::GET, "/", &[], "").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("open the Backline app"), "{}", page.text());

    let world = World::with(&[("web.sign_in_url", "https://app.backline.test/in")]).await;
    let ana = world.account("ana").await;
    assert_eq!(world.newest_letter_to(&ana.email).await.link(), "https://app.backline.test/in");
    world.register("ana").await;
    assert_eq!(world.newest_letter_to(&ana.email).await.link(), "https://app.backline.test/in");
}
