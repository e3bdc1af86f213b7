//! Guessing passwords: who is counted, who is locked out and who never is.

use std::time::Duration;

use backline::{
    accounts,
    entity::{login_attempt, login_guard},
    kernel::ids::AccountId,
    sessions,
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};

use crate::harness::{
    guests::{WRONG, address, caller_from, right_words, signed_in, wants_challenge, words},
    *,
};

const MINUTE: Duration = Duration::from_mins(1);
const ANA: &str = "ana@example.org";

/// A world with Ana in it, a minute after her first sign-in.
async fn world() -> (World, Actor) {
    let world = World::start().await;
    let ana = world.account("ana").await;
    world.advance(MINUTE);
    (world, ana)
}

fn with_token(token: &str, request: pb::LoginRequest) -> pb::LoginRequest {
    pb::LoginRequest { device_token: token.to_owned(), ..request }
}

#[track_caller]
fn assert_refused(reply: Result<pb::LoginResponse, Status>) {
    assert_reason(&reply.unwrap_err(), Code::Unauthenticated, ErrorReason::InvalidCredentials);
}

async fn outcomes(world: &World) -> Vec<login_attempt::Outcome> {
    let rows = login_attempt::Entity::find().order_by_asc(login_attempt::Column::CreatedAt);
    rows.all(&world.db().await).await.unwrap().iter().map(|row| row.result).collect()
}

async fn unlock_by_staff(world: &World, ana: &Actor) {
    let id: AccountId = ana.account_id().parse().unwrap();
    let tx = world.app().db.begin_write().await.unwrap();
    sessions::unlock(&tx, world.app(), id).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn from_the_third_failure_on_a_challenge_is_wanted_before_the_password() {
    let (world, _) = world().await;
    let stranger = caller_from(&world, address(0));
    for _ in 0..3 {
        assert_refused(stranger.try_login(words(ANA, WRONG)).await);
    }
    // From another network: it is Ana's strangers who are counted.
    let other = caller_from(&world, address(1));
    let refused = other.try_login(right_words(ANA)).await.unwrap_err();
    assert!(wants_challenge(&refused), "{refused:?}");
    world.advance(Duration::from_secs(1));
    signed_in(other.login_solving(right_words(ANA)).await);

    // The success undoes the failures of strangers, not those of the network that they came from.
    world.advance(MINUTE);
    signed_in(other.try_login(right_words(ANA)).await);
    assert!(wants_challenge(&stranger.try_login(right_words(ANA)).await.unwrap_err()));
    world.advance(14 * MINUTE);
    signed_in(stranger.try_login(right_words(ANA)).await);
    world.run_jobs().await;
}

#[tokio::test]
async fn five_failures_lock_for_a_quarter_of_an_hour_that_no_attempt_extends() {
    use login_attempt::Outcome::{ChallengeRequired, Locked, Succeeded, WrongCredentials};
    let (world, _) = world().await;
    let stranger = caller_from(&world, address(0));
    for _ in 0..5 {
        stranger.fail(ANA, "", 1).await;
        world.advance(Duration::from_secs(1));
    }
    world.run_jobs().await;
    for _ in 0..14 {
        world.advance(MINUTE);
        assert_refused(stranger.login_solving(right_words(ANA)).await);
    }
    let seen = outcomes(&world).await;
    let of = |outcome| seen.iter().filter(|seen| **seen == outcome).count();
    assert_eq!((of(WrongCredentials), of(Locked), of(Succeeded)), (5, 14, 1));
    assert_eq!(of(ChallengeRequired), 2 + 14);

    world.advance(MINUTE);
    signed_in(stranger.login_solving(right_words(ANA)).await);
    assert_eq!(world.letters_to(ANA).iter().filter(|letter| letter.subject.contains("paused")).count(), 1);
    world.run_jobs().await;
}

#[tokio::test]
async fn failures_that_are_far_apart_lock_nobody() {
    let (world, _) = world().await;
    let stranger = caller_from(&world, address(0));
    for _ in 0..12 {
        stranger.fail(ANA, "", 1).await;
        world.advance(4 * MINUTE);
    }
    signed_in(stranger.login_solving(right_words(ANA)).await);
    world.run_jobs().await;
}

#[tokio::test]
async fn a_known_device_is_locked_by_itself() {
    let (world, _) = world().await;
    let home = caller_from(&world, address(0));
    let token = home.remember(ANA).await;
    world.advance(MINUTE);
    home.fail(ANA, &token, 5).await;
    assert_refused(home.login_solving(with_token(&token, right_words(ANA))).await);
    // However late the letter is written.
    world.advance(16 * MINUTE);
    world.run_jobs().await;
    let letters = world.letters_to(ANA);
    assert_eq!(letters.iter().filter(|letter| letter.subject.contains("paused")).count(), 1, "the owner hears of it");
    home.fail(ANA, &token, 5).await;

    // Strangers may sign in meanwhile, and their success ends nothing for the device.
    world.advance(MINUTE);
    let stranger = caller_from(&world, address(1));
    signed_in(stranger.try_login(right_words(ANA)).await);
    assert_refused(home.login_solving(with_token(&token, right_words(ANA))).await);
    world.advance(14 * MINUTE);
    signed_in(home.login_solving(with_token(&token, right_words(ANA))).await);
    world.run_jobs().await;
}

#[tokio::test]
async fn a_network_is_challenged_and_never_locked() {
    let settings = [("guessing.network_challenge_after", "4"), ("guessing.network_challenge_all_after", "6")];
    let world = World::with(&settings).await;
    world.account("ana").await;
    let cafe = caller_from(&world, address(0));
    let token = cafe.remember(ANA).await;
    world.advance(MINUTE);
    for number in 0..4 {
        assert_refused(cafe.login_solving(words(&format!("guest{number}@example.org"), WRONG)).await);
    }
    assert!(wants_challenge(&cafe.try_login(right_words(ANA)).await.unwrap_err()), "a stranger there");
    signed_in(cafe.try_login(with_token(&token, right_words(ANA))).await);
    for number in 4..30 {
        assert_refused(cafe.login_solving(words(&format!("guest{number}@example.org"), WRONG)).await);
    }
    assert!(
        wants_challenge(&cafe.try_login(with_token(&token, right_words(ANA))).await.unwrap_err()),
        "everyone there"
    );
    signed_in(cafe.login_solving(right_words(ANA)).await);
    signed_in(caller_from(&world, address(1)).try_login(right_words(ANA)).await);
    world.run_jobs().await;
}

#[tokio::test]
async fn a_hundred_failures_in_a_row_turn_the_password_off_until_it_is_reset() {
    let settings = [("guessing.off_after", "10"), ("guessing.network_challenge_all_after", "9999")];
    let world = World::with(&settings).await;
    let ana = world.account("ana").await;
    let home = caller_from(&world, address(5000));
    let token = home.remember(ANA).await;
    let stranger = caller_from(&world, address(0));
    // Too slow for any lock.
    for _ in 0..10 {
        world.advance(6 * MINUTE);
        stranger.fail(ANA, "", 1).await;
    }
    let letter = world.newest_letter_to(ANA).await;
    assert!(letter.subject.contains("paused") && !letter.text.contains("/unlock"), "{letter:?}");
    world.advance(60 * MINUTE);
    assert_refused(stranger.login_solving(right_words(ANA)).await);
    signed_in(home.try_login(with_token(&token, right_words(ANA))).await);

    // Neither the unlocking by staff nor time nor the sweeping of attempts turns it on.
    unlock_by_staff(&world, &ana).await;
    assert_refused(stranger.login_solving(right_words(ANA)).await);
    world.advance(24 * 60 * 100 * MINUTE);
    world.run_jobs().await;
    assert_eq!(login_attempt::Entity::find().count(&world.db().await).await.unwrap(), 0, "the attempts are swept");
    assert_refused(stranger.login_solving(right_words(ANA)).await);
    assert_eq!(outcomes(&world).await, [login_attempt::Outcome::PasswordOff]);

    let id: AccountId = ana.account_id().parse().unwrap();
    let account = accounts::find(&world.app().db, id).await.unwrap().unwrap();
    assert!(sessions::password_standing(world.app(), &account).await.unwrap().off_since.is_some());
    let tx = world.app().db.begin_write().await.unwrap();
    sessions::password_reset(&tx, world.app(), id).await.unwrap();
    tx.commit().await.unwrap();
    signed_in(stranger.login_solving(right_words(ANA)).await);
    world.run_jobs().await;
}

#[tokio::test]
async fn a_hundred_failures_in_a_row_on_a_known_device_forget_it() {
    let world = World::with(&[("guessing.off_after", "10"), ("guessing.network_challenge_all_after", "9999")]).await;
    let ana = world.account("ana").await;
    let home = caller_from(&world, address(0));
    let token = home.remember(ANA).await;
    for _ in 0..10 {
        world.advance(6 * MINUTE);
        home.fail(ANA, &token, 1).await;
    }
    world.run_jobs().await;
    world.advance(60 * MINUTE);
    let again = signed_in(home.try_login(with_token(&token, right_words(ANA))).await);
    assert!(again.device_id.is_empty(), "it is a stranger, and strangers may sign in");
    ana.refresh().await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn refusals_are_equal_to_the_byte_and_cost_the_same() {
    let (world, _) = world().await;
    let waiting = world.register("bea").await;
    world.account("eva").await;
    world.run_jobs().await;
    world.advance(MINUTE);
    let from = |number| caller_from(&world, address(number));
    let locker = from(0);
    locker.fail("eva@example.org", "", 5).await;
    locker.fail("nobody.locked@example.org", "", 5).await;
    world.run_jobs().await;
    // A minute before the lock ends no challenge would be wanted for its failures; the lock itself wants one.
    world.advance(14 * MINUTE);

    let kinds = [ANA, "nobody@example.org", &waiting.email, "eva@example.org", "nobody.locked@example.org"];
    let mut seen = Vec::new();
    for (number, email) in (10..).zip(kinds) {
        let caller = from(number);
        let reply = caller.try_login(words(email, WRONG)).await.unwrap_err();
        let challenged = wants_challenge(&reply);
        let solution = challenged.then(|| guests::solve(&reply));
        let request = pb::LoginRequest { challenge_solution: solution, ..words(email, WRONG) };
        let (reply, cost) = world.statements(async || caller.try_login(request).await.unwrap_err()).await;
        assert_reason(&reply, Code::Unauthenticated, ErrorReason::InvalidCredentials);
        seen.push((challenged, cost, reply));
    }
    for (_, _, reply) in &seen {
        assert_alike(reply, &seen[0].2);
    }
    let told = |place: usize| (seen[place].0, seen[place].1);
    assert_eq!([told(1), told(2)], [told(0); 2], "unknown and unverified as wrong");
    assert_eq!(told(4), told(3), "locked as locked, whether there is an account or not");
    assert_eq!((told(0).0, told(3).0), (false, true));
    assert_eq!(told(3).1, told(0).1 + 1, "locked as wrong, but for the challenge that is spent");

    // Whoever registers an address hears the same of their own words, whether or not it has an account.
    let mut heard = Vec::new();
    for (number, email) in (40..).zip(["fresh@example.org", ANA]) {
        let request = pb::RegisterRequest {
            email: email.to_owned(),
            password: "an intruder's own words".into(),
            display_name: "Somebody".into(),
            ..Default::default()
        };
        world.anonymous().accounts().register(request).await.unwrap();
        let caller = from(number);
        let login = words(email, "an intruder's own words");
        heard.push(world.statements(async || caller.try_login(login).await.unwrap_err()).await);
    }
    assert_reason(&heard[0].0, Code::PermissionDenied, ErrorReason::AccountNotVerified);
    assert_alike(&heard[0].0, &heard[1].0);
    assert_eq!(heard[0].1, heard[1].1);
    signed_in(from(50).try_login(right_words(ANA)).await);
    world.run_jobs().await;

    // Only who knows the password hears more, and nobody while it is locked.
    let refused = from(30).login_solving(words(&waiting.email, PASSWORD)).await.unwrap_err();
    assert_reason(&refused, Code::PermissionDenied, ErrorReason::AccountNotVerified);
    from(31).fail(&waiting.email, "", 4).await;
    assert_refused(from(32).login_solving(words(&waiting.email, PASSWORD)).await);
    world.run_jobs().await;
}

#[tokio::test]
async fn locks_survive_a_restart_and_hold_on_every_instance() {
    let (mut world, _) = world().await;
    let (second, channel) = world.second_server().await;
    let there = Actor::anonymous(channel);
    world.anonymous().fail(ANA, "", 2).await;
    there.fail(ANA, "", 3).await;
    assert_refused(world.anonymous().login_solving(right_words(ANA)).await);
    assert_refused(there.login_solving(right_words(ANA)).await);
    second.stop().await;
    world.restart().await;
    assert_refused(world.anonymous().login_solving(right_words(ANA)).await);
    world.advance(15 * MINUTE);
    signed_in(world.anonymous().login_solving(right_words(ANA)).await);
    world.run_jobs().await;
}

#[tokio::test]
async fn of_a_hundred_guesses_at_once_only_the_first_few_count() {
    // No challenge before the lock: it could keep the fifth guess from being one, if the fourth was told of it in time.
    let settings = [
        ("passwords.permits", "32"),
        ("guessing.network_challenge_all_after", "9999"),
        ("guessing.challenge_after", "5"),
        ("guessing.off_after", "20"),
    ];
    let world = World::with(&settings).await;
    let ana = world.account("ana").await;
    world.advance(MINUTE);
    let guess = |number: u32| {
        let caller = caller_from(&world, address(number));
        // The right word is the last of them.
        let request = words(ANA, if number == 99 { PASSWORD } else { WRONG });
        async move { caller.try_login(request).await }
    };
    let replies = futures::future::join_all((0..99).map(guess)).await;
    assert!(replies.iter().all(Result::is_err));
    assert!(guess(99).await.is_err(), "by now it is locked");
    world.run_jobs().await;
    let letters = world.letters_to(ANA).into_iter().filter(|letter| letter.subject.contains("paused")).count();
    assert_eq!(letters, 1, "one episode");
    ana.whoami().await.unwrap();
    // What came after the lock counts for nothing: the password is not off.
    world.advance(15 * MINUTE);
    signed_in(caller_from(&world, address(100)).login_solving(right_words(ANA)).await);
    world.run_jobs().await;
}

#[tokio::test]
async fn the_link_of_the_letter_ends_the_lock_once_and_only_by_its_button() {
    let (world, _) = world().await;
    let stranger = caller_from(&world, address(0));
    stranger.fail(ANA, "", 5).await;
    let letter = world.newest_letter_to(ANA).await;
    let path = letter.link().strip_prefix("http://backline.test").unwrap().to_owned();
    for method in [http::Method::HEAD, http::Method::GET, http::Method::GET] {
        let page = world.http(Http::One, method, &path, &[], "").await;
        assert_eq!(page.status, 200);
    }
    assert_refused(stranger.login_solving(right_words(ANA)).await);

    let form = [("content-type", "application/x-www-form-urlencoded")];
    let post = async |token: &str| {
        world.http(Http::One, http::Method::POST, "/unlock", &form, format!("token={token}")).await.status.as_u16()
    };
    assert_eq!(post("nonsense").await, 400);
    assert_eq!(post("").await, 400);
    assert_eq!(post(letter.token()).await, 200);
    assert_eq!(post(letter.token()).await, 400, "it was spent");
    signed_in(stranger.login_solving(right_words(ANA)).await);

    // A new episode has its own letter.
    world.advance(MINUTE);
    stranger.fail(ANA, "", 5).await;
    let next = world.newest_letter_to(ANA).await;
    assert_ne!(next.token(), letter.token());
    world.advance(60 * MINUTE);
    assert_eq!(post(next.token()).await, 400, "too old");
}

#[tokio::test]
async fn staff_can_end_a_lock() {
    let (world, ana) = world().await;
    let stranger = caller_from(&world, address(0));
    stranger.fail(ANA, "", 5).await;
    unlock_by_staff(&world, &ana).await;
    signed_in(stranger.login_solving(right_words(ANA)).await);
    world.run_jobs().await;
    let guards = login_guard::Entity::find();
    let guards = guards.filter(login_guard::Column::UnlockedAt.is_not_null()).count(&world.db().await).await.unwrap();
    assert_eq!(guards, 1);
}
