//! Passkeys: made, used in the place of the password or after it, and everything that must not work.

use std::time::Duration;

use backline::entity::account;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use pb::continue_login_request::Proof;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::{Value, json};

use crate::harness::{
    factors::{Page, parsed},
    *,
};

const MINUTE: Duration = Duration::from_mins(1);

async fn begin(actor: &Actor, request: u32) -> pb::BeginPasskeyRegistrationResponse {
    let message = pb::BeginPasskeyRegistrationRequest { name: "Laptop".into(), request_id: request_id(request) };
    actor.factors().begin_passkey_registration(message).await.unwrap().into_inner()
}

async fn finish(
    actor: &Actor,
    flow_id: &str,
    credential: &str,
    request: u32,
) -> Result<pb::FinishPasskeyRegistrationResponse, Status> {
    let message = pb::FinishPasskeyRegistrationRequest {
        flow_id: flow_id.to_owned(),
        passkey_credential: credential.to_owned(),
        request_id: request_id(request),
    };
    Ok(actor.factors().finish_passkey_registration(message).await?.into_inner())
}

async fn begin_login(actor: &Actor) -> pb::BeginPasskeyLoginResponse {
    let message = pb::BeginPasskeyLoginRequest { device_name: "Laptop".into(), ..Default::default() };
    actor.factors().begin_passkey_login(message).await.unwrap().into_inner()
}

async fn answer(actor: &Actor, flow_id: &str, credential: impl ToString) -> Result<Actor, Status> {
    actor.continue_login(flow_id, Proof::PasskeyCredential(credential.to_string())).await
}

#[track_caller]
fn assert_rejected(refused: &Status) {
    assert_reason(refused, Code::InvalidArgument, ErrorReason::PasskeyRejected);
}

#[track_caller]
fn assert_over(refused: &Status) {
    assert_reason(refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
}

/// A person with a passkey, and the device that has it.
async fn with_passkey(world: &World, name: &str) -> (Actor, Device) {
    let (person, mut device) = (world.account(name).await, Device::new());
    person.add_passkey(&mut device).await;
    world.run_jobs().await;
    (person, device)
}

#[tokio::test]
async fn a_passkey_is_made_once_and_signs_in_alone() {
    let world = World::start().await;
    let (ana, mut device) = (world.account("ana").await, Device::new());
    let begun = begin(&ana, 1).await;
    assert_eq!(begin(&ana, 1).await, begun);
    let credential = device.make(&begun.passkey_options);
    let done = finish(&ana, &begun.flow_id, &credential, 2).await.unwrap();
    assert_eq!(finish(&ana, &begun.flow_id, &credential, 2).await.unwrap(), done);
    assert_over(&finish(&ana, &begun.flow_id, &credential, 3).await.unwrap_err());
    assert_eq!((done.recovery_codes.len(), done.factor.unwrap().name), (10, "Laptop".to_owned()));

    let anyone = world.anonymous();
    let login = begin_login(&anyone).await;
    let laptop = answer(&anyone, &login.flow_id, device.sign(&login.passkey_options)).await.unwrap();
    assert_eq!((laptop.account_id(), laptop.session.device_name.as_str()), (ana.account_id(), "Laptop"));
    // A verified person with a passkey is two factors: the session is fresh by the strongest.
    begin(&laptop, 4).await;
    world.run_jobs().await;
}

#[tokio::test]
async fn a_passkey_also_follows_the_password() {
    let world = World::start().await;
    let (ana, mut device) = with_passkey(&world, "ana").await;
    let anyone = world.anonymous();
    let required = anyone.begin_login(&ana.email).await;
    assert_eq!(required.methods, ["passkey", "recovery_code"]);
    assert_eq!(parsed(&required.passkey_options)["allowCredentials"].as_array().unwrap().len(), 1);
    let phone = answer(&anyone, &required.flow_id, device.sign(&required.passkey_options)).await.unwrap();
    assert_eq!(phone.account_id(), ana.account_id());
}

#[tokio::test]
async fn the_beginning_tells_nobody_anything() {
    let world = World::start().await;
    with_passkey(&world, "ana").await;
    let anyone = world.anonymous();
    let mut asked = Vec::new();
    for _ in 0..2 {
        let mut options = parsed(&begin_login(&anyone).await.passkey_options);
        assert!(options["challenge"].take().as_str().is_some_and(|challenge| challenge.len() >= 43));
        asked.push(options);
    }
    assert_eq!(asked[0], asked[1]);
    assert_eq!(asked[0]["allowCredentials"], json!([]));
    assert_eq!((&asked[0]["rpId"], &asked[0]["userVerification"]), (&json!("backline.test"), &json!("required")));
    let message =
        pb::BeginPasskeyLoginRequest { device_name: "d".repeat(101), session_transport: 9, ..Default::default() };
    let refused = anyone.factors().begin_passkey_login(message).await.unwrap_err();
    assert_eq!(violations(&refused), ["device_name", "session_transport"]);
}

#[tokio::test]
async fn an_answer_from_another_page_is_rejected() {
    let world = World::start().await;
    let (ana, mut device) = with_passkey(&world, "ana").await;
    let anyone = world.anonymous();
    let pages = [
        Page { origin: "https://backline.example".into(), ..Page::default() },
        Page { origin: "https://backline.test".into(), ..Page::default() },
        Page { origin: "http://backline.test:8080".into(), ..Page::default() },
        Page { origin: "http://evil.backline.test".into(), ..Page::default() },
        Page { origin: "http://evilbackline.test".into(), ..Page::default() },
        Page { cross_origin: true, ..Page::default() },
        Page { kind: Some("webauthn.create"), ..Page::default() },
        Page { kind: Some("payment.get"), ..Page::default() },
    ];
    for page in &pages {
        let login = begin_login(&anyone).await;
        let signed = device.sign_on(page, parsed(&login.passkey_options));
        assert_rejected(&answer(&anyone, &login.flow_id, signed).await.err().unwrap());
    }
    // The signature is right, for another site.
    let login = begin_login(&anyone).await;
    let mut options = parsed(&login.passkey_options);
    options["rpId"] = json!("evil.test");
    let signed = device.sign_on(&Page::default(), options);
    assert_rejected(&answer(&anyone, &login.flow_id, signed).await.err().unwrap());
    // The person was there and not verified.
    let mut options = parsed(&login.passkey_options);
    options["userVerification"] = json!("discouraged");
    let signed = device.sign_on(&Page::default(), options);
    assert_rejected(&answer(&anyone, &login.flow_id, signed).await.err().unwrap());

    // The same for making one.
    for (number, page) in (10..).zip(&pages[..6]) {
        let begun = begin(&ana, number).await;
        let made = Device::new().make_on(page, parsed(&begun.passkey_options));
        assert_rejected(&finish(&ana, &begun.flow_id, &made.to_string(), 100 + number).await.unwrap_err());
    }
    let begun = begin(&ana, 20).await;
    let mut options = parsed(&begun.passkey_options);
    options["rp"]["id"] = json!("evil.test");
    let made = Device::new().make_on(&Page::default(), options).to_string();
    assert_rejected(&finish(&ana, &begun.flow_id, &made, 120).await.unwrap_err());
    let mut options = parsed(&begun.passkey_options);
    options["authenticatorSelection"]["userVerification"] = json!("discouraged");
    let made = Device::new().make_on(&Page::default(), options).to_string();
    assert_rejected(&finish(&ana, &begun.flow_id, &made, 121).await.unwrap_err());
}

#[tokio::test]
async fn pages_that_were_configured_may_ask() {
    let origins = "android:apk-key-hash:pYSgJ2mPLdyFbDHv7ZQxTrSeOaVsxT4SgnGlD0u8-qs";
    let settings = [("web.allowed_origins", "https://app.backline.test"), ("passkeys.origins", origins)];
    let world = World::with(&settings).await;
    let (_, mut device) = with_passkey(&world, "ana").await;
    let anyone = world.anonymous();
    for origin in ["https://app.backline.test", origins] {
        let login = begin_login(&anyone).await;
        let page = Page { origin: origin.into(), ..Page::default() };
        let signed = device.sign_on(&page, parsed(&login.passkey_options));
        answer(&anyone, &login.flow_id, signed).await.unwrap();
    }
}

#[tokio::test]
async fn a_passkey_that_counts_backwards_is_refused_and_written_down() {
    use backline::entity::audit_event::{Column, Entity};

    let world = World::start().await;
    let (_, mut device) = with_passkey(&world, "ana").await;
    let anyone = world.anonymous();
    let (early, late) = (begin_login(&anyone).await, begin_login(&anyone).await);
    // Signed first, shown last: what a copy of the passkey would do.
    let copied = device.sign(&early.passkey_options);
    answer(&anyone, &late.flow_id, device.sign(&late.passkey_options)).await.unwrap();
    assert_rejected(&answer(&anyone, &early.flow_id, copied).await.err().unwrap());
    let rows = Entity::find().filter(Column::Action.eq("authn_passkey_copied")).all(&world.db().await).await.unwrap();
    assert_eq!(rows.len(), 1);
    // The owner's own device goes on.
    answer(&anyone, &early.flow_id, device.sign(&early.passkey_options)).await.unwrap();
}

/// The credential with one bit of a field changed.
fn flipped(credential: &Value, path: [&str; 2], at: usize) -> Value {
    let mut changed = credential.clone();
    let field = if path[1].is_empty() { &mut changed[path[0]] } else { &mut changed[path[0]][path[1]] };
    let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(field.as_str().unwrap()).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= 1;
    *field = json!(BASE64_URL_SAFE_NO_PAD.encode(bytes));
    changed
}

#[tokio::test]
async fn flipped_bits_are_noticed_in_every_field() {
    let world = World::start().await;
    let (_, mut device) = with_passkey(&world, "ana").await;
    let anyone = world.anonymous();
    let fields = [
        ["rawId", ""],
        ["response", "authenticatorData"],
        ["response", "clientDataJSON"],
        ["response", "signature"],
        ["response", "userHandle"],
    ];
    for path in fields {
        for at in [0, 7, 36, 1000] {
            let login = begin_login(&anyone).await;
            let signed = parsed(&device.sign(&login.passkey_options));
            let refused = answer(&anyone, &login.flow_id, flipped(&signed, path, at)).await.err().unwrap();
            assert_rejected(&refused);
        }
    }
    let login = begin_login(&anyone).await;
    let mut nameless = parsed(&device.sign(&login.passkey_options));
    nameless["response"]["userHandle"] = Value::Null;
    assert_rejected(&answer(&anyone, &login.flow_id, nameless).await.err().unwrap());
    answer(&anyone, &login.flow_id, device.sign(&login.passkey_options)).await.unwrap();
}

#[tokio::test]
async fn flipped_bits_of_a_new_passkey_are_noticed() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    for (number, path) in (1..).zip([["response", "clientDataJSON"], ["response", "attestationObject"]]) {
        let begun = begin(&ana, number).await;
        let made = parsed(&Device::new().make(&begun.passkey_options));
        for (try_number, at) in (10 * number..).zip([3, 60, 150]) {
            let credential = flipped(&made, path, at).to_string();
            assert_rejected(&finish(&ana, &begun.flow_id, &credential, try_number).await.unwrap_err());
        }
    }
    for (number, malformed) in (40..).zip(["{}", "null", "[]", "{\"id\":1}"]) {
        let begun = begin(&ana, number).await;
        assert_rejected(&finish(&ana, &begun.flow_id, malformed, 100 + number).await.unwrap_err());
    }
    let refused = finish(&ana, "", "", 50).await.unwrap_err();
    assert_eq!(violations(&refused), ["flow_id", "passkey_credential"]);
    assert!(ana.whoami().await.unwrap().factor_kinds.is_empty());
}

#[tokio::test]
async fn a_challenge_is_one_flow_s_for_five_minutes() {
    let world = World::start().await;
    let (ana, mut device) = with_passkey(&world, "ana").await;
    let anyone = world.anonymous();
    let (one, two) = (begin_login(&anyone).await, begin_login(&anyone).await);
    assert_rejected(&answer(&anyone, &two.flow_id, device.sign(&one.passkey_options)).await.err().unwrap());
    let signed = device.sign(&one.passkey_options);
    answer(&anyone, &one.flow_id, &signed).await.unwrap();
    assert_over(&answer(&anyone, &one.flow_id, &signed).await.err().unwrap());
    assert_rejected(&answer(&anyone, &two.flow_id, &signed).await.err().unwrap());
    let code = anyone.continue_login(&two.flow_id, Proof::TotpCode("123456".into())).await.err().unwrap();
    assert_reason(&code, Code::Unauthenticated, ErrorReason::InvalidCredentials);

    let begun = begin(&ana, 1).await;
    world.advance(5 * MINUTE);
    assert_over(&answer(&anyone, &two.flow_id, device.sign(&two.passkey_options)).await.err().unwrap());
    let made = Device::new().make(&begun.passkey_options);
    assert_over(&finish(&ana, &begun.flow_id, &made, 2).await.unwrap_err());
}

#[tokio::test]
async fn a_registration_belongs_to_its_session() {
    let world = World::start().await;
    let (ana, bea) = (world.account("ana").await, world.account("bea").await);
    let tablet = ana.on_another_device("Tablet").await;
    let begun = begin(&ana, 1).await;
    let mut device = Device::new();
    let made = device.make(&begun.passkey_options);
    assert_over(&finish(&bea, &begun.flow_id, &made, 2).await.unwrap_err());
    assert_over(&finish(&tablet, &begun.flow_id, &made, 3).await.unwrap_err());
    finish(&ana, &begun.flow_id, &made, 4).await.unwrap();

    // The same passkey is not another's, even if their browser says so.
    let begun = begin(&bea, 1).await;
    let known = parsed(&begun.passkey_options)["excludeCredentials"].clone();
    assert!(known.is_null() || known == json!([]));
    assert_rejected(&finish(&bea, &begun.flow_id, &made, 5).await.unwrap_err());
    world.run_jobs().await;
}

#[tokio::test]
async fn a_passkey_opens_only_its_owner_s_account() {
    let world = World::start().await;
    let (ana, _) = with_passkey(&world, "ana").await;
    let (_, mut device_of_bea) = with_passkey(&world, "bea").await;
    let anyone = world.anonymous();
    let required = anyone.begin_login(&ana.email).await;
    let signed = device_of_bea.sign(&required.passkey_options);
    assert_rejected(&answer(&anyone, &required.flow_id, signed).await.err().unwrap());
}

#[tokio::test]
async fn a_suspended_owner_is_told_after_the_right_passkey_and_a_removed_one_opens_nothing() {
    let world = World::start().await;
    let (ana, mut device) = with_passkey(&world, "ana").await;
    let id: backline::kernel::ids::AccountId = ana.account_id().parse().unwrap();
    let anyone = world.anonymous();
    for (status, reason) in
        [("suspended", ErrorReason::AccountSuspended), ("deleted", ErrorReason::TokenInvalidOrExpired)]
    {
        let tx = world.app().db.begin_write().await.unwrap();
        let update = account::Entity::update_many().col_expr(account::Column::Status, Expr::value(status));
        update.filter(account::Column::Id.eq(id)).exec(&tx).await.unwrap();
        tx.commit().await.unwrap();
        let login = begin_login(&anyone).await;
        let refused = answer(&anyone, &login.flow_id, device.sign(&login.passkey_options)).await.err().unwrap();
        assert_eq!(details(&refused).error_info().unwrap().reason, backline::rpc::fault::short_name(reason));
    }
    let (bea, mut device) = with_passkey(&world, "bea").await;
    let factors = bea.factors().list_factors(pb::ListFactorsRequest {}).await.unwrap().into_inner().factors;
    let message = pb::DeleteFactorRequest { factor_id: factors[0].factor_id.clone(), ..Default::default() };
    bea.factors().delete_factor(message).await.unwrap();
    let login = begin_login(&anyone).await;
    assert_rejected(&answer(&anyone, &login.flow_id, device.sign(&login.passkey_options)).await.err().unwrap());
    world.run_jobs().await;
}

#[tokio::test]
async fn the_password_s_lock_does_not_stop_a_passkey() {
    let world = World::start().await;
    let (ana, mut device) = with_passkey(&world, "ana").await;
    let anyone = world.anonymous();
    world.advance(Duration::from_secs(1));
    for _ in 0..12 {
        anyone.login(&ana.email, "not the password", "").await.unwrap_err();
    }
    let locked = anyone.login(&ana.email, PASSWORD, "").await.unwrap_err();
    assert_reason(&locked, Code::Unauthenticated, ErrorReason::InvalidCredentials);
    let login = begin_login(&anyone).await;
    answer(&anyone, &login.flow_id, device.sign(&login.passkey_options)).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn a_known_device_stays_the_same_one_with_a_passkey() {
    let world = World::start().await;
    let (ana, mut device) = with_passkey(&world, "ana").await;
    let (_, mut device_of_bea) = with_passkey(&world, "bea").await;
    let told = || world.letters_to(&ana.email).iter().filter(|letter| letter.subject.contains("new device")).count();
    let sign_in = async |caller: &Actor, device: &mut Device, token: &str| {
        let message = pb::BeginPasskeyLoginRequest {
            device_name: "Laptop".into(),
            remember_device: true,
            device_token: token.to_owned(),
            ..Default::default()
        };
        let begun = caller.factors().begin_passkey_login(message).await.unwrap().into_inner();
        let proof = Some(Proof::PasskeyCredential(device.sign(&begun.passkey_options)));
        let message = pb::ContinueLoginRequest { flow_id: begun.flow_id, proof, ..Default::default() };
        caller.sessions().continue_login(message).await.unwrap().into_inner().signed_in.unwrap()
    };
    let first = sign_in(&world.anonymous(), &mut device, "").await;
    assert!(!first.device_token.is_empty());
    // From another network, where the owner would hear of a stranger.
    let moved = guests::caller_from(&world, guests::address(0));
    let second = sign_in(&moved, &mut device, &first.device_token).await;
    assert_eq!((&second.device_id, second.device_token.as_str()), (&first.device_id, ""));
    world.run_jobs().await;
    assert_eq!(told(), 0);
    let devices = ana.sessions().list_devices(pb::ListDevicesRequest::default()).await.unwrap().into_inner().devices;
    assert_eq!(devices.len(), 1);

    // It is nobody else's.
    let other = sign_in(&moved, &mut device_of_bea, &first.device_token).await;
    assert!(other.device_id != first.device_id && !other.device_token.is_empty());
    let message = pb::BeginPasskeyLoginRequest { device_token: "t".repeat(257), ..Default::default() };
    assert_eq!(violations(&moved.factors().begin_passkey_login(message).await.unwrap_err()), ["device_token"]);
    world.run_jobs().await;
}
