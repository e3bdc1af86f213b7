//! Several people register one address: the mailbox's owner gets it, and nobody learns who else asked.

use super::*;

const OWNERS: &str = "quite another passphrase";
const ANA: &str = "ana@example.org";

async fn verify_with(world: &World, token: &str, password: &str) -> Result<pb::Account, Status> {
    let request = pb::VerifyEmailRequest { token: token.into(), password: password.into(), ..Default::default() };
    let reply = world.anonymous().accounts().verify_email(request).await?;
    world.run_jobs().await;
    Ok(reply.into_inner().account.unwrap())
}

async fn register(world: &World, email: &str, password: &str) -> String {
    let request = registering(email, password, "");
    world.anonymous().accounts().register(request).await.unwrap().into_inner().registration_id
}

async fn press(world: &World, form: &[(&str, &str)]) -> Answer {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    world.http(Http::One, http::Method::POST, "/verify", &kind, body).await
}

#[track_caller]
fn assert_wants_password(refused: &Status) {
    assert_reason(refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(refused), ["password"]);
    assert!(refused.message().contains("more than once"), "{}", refused.message());
}

/// The attacker registers first, then the owner. Returns both letters and both registrations.
async fn two(world: &World) -> ([Letter; 2], [String; 2]) {
    let attackers = register(world, ANA, PASSWORD).await;
    let first = world.newest_letter_to(ANA).await;
    let owners = register(world, "Ana@Example.org", OWNERS).await;
    ([first, world.newest_letter_to(ANA).await], [attackers, owners])
}

#[tokio::test]
async fn whoever_registers_an_address_first_gets_nothing_by_its_owner_s_button() {
    let world = World::start().await;
    let ([attackers, owners], _) = two(&world).await;
    // The owner cannot tell the letters apart, and opens the wrong one.
    for password in ["", OWNERS] {
        assert_wants_password(&verify_with(&world, attackers.token(), password).await.unwrap_err());
    }
    assert_wants_password(&verify_by_token(&world, owners.token()).await.unwrap_err());
    let account = verify_with(&world, owners.token(), OWNERS).await.unwrap();
    assert_eq!(account.email, ANA);

    let refused = verify_with(&world, attackers.token(), PASSWORD).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    let refused = world.login(ANA, PASSWORD).await.err().unwrap();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::InvalidCredentials);
    world.login(ANA, OWNERS).await.unwrap();
}

#[tokio::test]
async fn the_page_asks_for_the_password_of_its_letter_where_there_are_several() {
    let world = World::start().await;
    let ([attackers, owners], _) = two(&world).await;
    for (token, password) in [(attackers.token(), ""), (attackers.token(), OWNERS), (owners.token(), "")] {
        let page = press(&world, &[("token", token), ("password", password)]).await;
        assert_eq!(page.status, 403);
        assert!(page.text().contains("type=\"password\"") && page.text().contains(token), "{}", page.text());
    }
    assert_eq!(press(&world, &[("token", owners.token()), ("password", OWNERS)]).await.status, 200);
    assert_eq!(press(&world, &[("token", attackers.token()), ("password", PASSWORD)]).await.status, 400);
    world.run_jobs().await;
    world.login(ANA, PASSWORD).await.err().unwrap();
    world.login(ANA, OWNERS).await.unwrap();
}

#[tokio::test]
async fn a_code_and_its_registration_are_the_owner_s_own_proof() {
    let world = World::start().await;
    let ([attackers, owners], [of_attacker, of_owner]) = two(&world).await;
    let refused = verify_by_code(&world, &of_owner, attackers.code()).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    verify_by_code(&world, &of_owner, owners.code()).await.unwrap();
    let refused = verify_by_code(&world, &of_attacker, attackers.code()).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    world.login(ANA, OWNERS).await.unwrap();
}

#[tokio::test]
async fn passwords_of_a_registration_and_its_codes_have_five_tries_together() {
    let world = World::start().await;
    let ([_, owners], [_, of_owner]) = two(&world).await;
    verify_by_code(&world, &of_owner, "AAAA-AAAA").await.unwrap_err();
    // Without a password nothing is tried.
    for password in ["wrong", "wrong", "", "wrong", "wrong"] {
        assert_wants_password(&verify_with(&world, owners.token(), password).await.unwrap_err());
    }
    let refused = verify_with(&world, owners.token(), OWNERS).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::AttemptsExhausted);
    let long = verify_with(&world, owners.token(), &"x".repeat(2000)).await.unwrap_err();
    assert_eq!(violations(&long), ["password"]);

    world.advance(MINUTE);
    resend(&world, &of_owner).await;
    let letter = world.newest_letter_to(ANA).await;
    verify_with(&world, letter.token(), OWNERS).await.unwrap();
}

#[tokio::test]
async fn whoever_registered_an_address_before_does_not_see_its_owner_open_it() {
    let world = World::start().await;
    let (strangers, waiting) =
        (register(&world, ANA, PASSWORD).await, register(&world, "bea@example.org", PASSWORD).await);
    let owners = register(&world, ANA, OWNERS).await;
    let code = world.newest_letter_to(ANA).await.code().to_owned();
    verify_by_code(&world, &owners, &code).await.unwrap();

    // Twice: as the first letter left it, and as the next one does.
    for _ in 0..2 {
        for number in 0..6 {
            let told = [
                verify_by_code(&world, &strangers, "ABCD-2345").await.unwrap_err(),
                verify_by_code(&world, &waiting, "ABCD-2345").await.unwrap_err(),
            ];
            assert_alike(&told[0], &told[1]);
            let used_up = (told[0].code() == Code::FailedPrecondition, number == 5);
            assert_eq!(used_up.0, used_up.1, "the sixth try is one too many");
        }
        world.advance(Duration::from_secs(20));
        assert_eq!([resend(&world, &strangers).await, resend(&world, &waiting).await], [40, 40]);
        world.advance(Duration::from_secs(40));
        let again = async |id: &str| world.statements(async || resend(&world, id).await).await;
        assert_eq!(again(&strangers).await, again(&waiting).await, "the same answer for the same work");
    }
    assert_eq!(world.newest_letter_to(ANA).await.subject, "You already have an account");
}

#[tokio::test]
async fn what_was_guessed_before_there_was_an_account_locks_nobody_out() {
    let settings = [("guessing.off_after", "10"), ("guessing.network_challenge_all_after", "9999")];
    let world = World::with(&settings).await;
    let stranger = guests::caller_from(&world, guests::address(0));
    for _ in 0..10 {
        world.advance(6 * MINUTE);
        stranger.fail(ANA, "", 1).await;
    }
    world.run_jobs().await;
    let ana = world.account("ana").await;
    assert_eq!(ana.whoami().await.unwrap().email, ANA);
}
