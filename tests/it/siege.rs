//! One account, attacked from a thousand addresses: strangers are kept out, the owner is not.

use std::time::Duration;

use pb::{complete_password_reset_request::Factor, login_response::Outcome};

use crate::harness::{
    factors::{Device, Proof},
    guests::{WRONG, address, caller_from, right_words, signed_in, words},
    *,
};

const MINUTE: Duration = Duration::from_mins(1);
const ANA: &str = "ana@example.org";
const NEW: &str = "nine slow clouds above the harbour";

fn with_token(token: &str, request: pb::LoginRequest) -> pb::LoginRequest {
    pb::LoginRequest { device_token: token.to_owned(), ..request }
}

#[tokio::test]
async fn a_thousand_addresses_lock_strangers_out_and_the_owner_gets_in_all_the_same() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    world.advance(MINUTE);
    let home = caller_from(&world, address(5000));
    let token = home.remember(ANA).await;
    world.advance(MINUTE);

    let refused = async |caller: &Actor, request: pb::LoginRequest| {
        let refused = caller.login_solving(request).await.unwrap_err();
        assert_reason(&refused, Code::Unauthenticated, ErrorReason::InvalidCredentials);
    };
    for number in 0..1000 {
        refused(&caller_from(&world, address(number)), words(ANA, WRONG)).await;
    }
    world.run_jobs().await;
    let stranger = caller_from(&world, address(2000));
    refused(&stranger, right_words(ANA)).await;

    // On the known device, without a challenge: the owner does not notice.
    let at_home = signed_in(home.try_login(with_token(&token, right_words(ANA))).await);
    assert_eq!(at_home.account.as_ref().unwrap().account_id, ana.account_id());
    assert!(at_home.device_token.is_empty(), "it is known already");
    let owner = home.signed_in(at_home);
    // The owner's success undoes nothing of what strangers did.
    world.advance(MINUTE);
    refused(&stranger, right_words(ANA)).await;
    // And a token of another account makes no friend.
    let bea = world.account("bea").await;
    let of_bea = caller_from(&world, address(6000)).remember(&bea.email).await;
    refused(&stranger, with_token(&of_bea, right_words(ANA))).await;

    // By a passkey, from anywhere.
    let mut device = Device::new();
    let made = owner.add_passkey(&mut device).await;
    let abroad = caller_from(&world, address(7000));
    let begun = abroad.factors().begin_passkey_login(pb::BeginPasskeyLoginRequest::default()).await;
    let begun = begun.unwrap().into_inner();
    let credential = device.sign(&begun.passkey_options);
    let by_passkey = abroad.continue_login(&begun.flow_id, Proof::PasskeyCredential(credential)).await.unwrap();
    assert_eq!(by_passkey.account_id(), ana.account_id());
    refused(&stranger, right_words(ANA)).await;

    // By a reset, which ends the lock: the guesses were at another password.
    world.run_jobs().await;
    let start = pb::StartPasswordResetRequest { email: ANA.into(), ..Default::default() };
    abroad.accounts().start_password_reset(start).await.unwrap();
    let complete = pb::CompletePasswordResetRequest {
        token: world.newest_letter_to(ANA).await.token().to_owned(),
        new_password: NEW.into(),
        factor: Some(Factor::RecoveryCode(made.recovery_codes[0].clone())),
        ..Default::default()
    };
    abroad.accounts().complete_password_reset(complete).await.unwrap();
    let reply = caller_from(&world, address(8000)).try_login(words(ANA, NEW)).await.unwrap();
    assert!(matches!(reply.outcome, Some(Outcome::FactorRequired(_))), "{reply:?}");
    world.run_jobs().await;
}
