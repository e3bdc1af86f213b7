//! Rotating the server's keys, and what must not be noticed of it.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Output, time::Duration};

use backline::vault::{KeyFolder, KeyKind, NOTICE};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::harness::{
    program::{Running, backline, stderr, stdout},
    *,
};

/// Puts a new key before each of the others, as the command line does.
fn rotate(world: &World) {
    let folder = KeyFolder::new(world.app().config.keys_dir());
    for kind in KeyKind::ALL {
        folder.rotate(kind, world.now() + NOTICE, &world.app().dice).unwrap();
    }
}

/// Rotates, and lets the new keys come into use.
fn rotate_and_wait(world: &World) {
    rotate(world);
    world.advance(NOTICE);
    world.app().keys.reload().unwrap();
}

/// The id of the key that a token was made with.
fn key_id(token: &str) -> String {
    let footer = token.rsplit('.').next().unwrap();
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(footer).unwrap()).unwrap()
}

#[tokio::test]
async fn nobody_notices_a_rotation() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let root = world.admin("root").await;
    let old = key_id(&ana.access_token());
    // Begun before: a letter that waits, a page of a list, a request that may come again, a refresh whose reply is lost.
    let ben = world.register("ben").await;
    let accounts = async |page_token: String| {
        let request = pb::ListAccountsRequest { page_size: 1, page_token, filter: String::new() };
        root.admin().list_accounts(request).await
    };
    let next = accounts(String::new()).await.unwrap().into_inner().next_page_token;
    let request = pb::RegisterRequest {
        email: "lin@example.org".into(),
        password: PASSWORD.into(),
        display_name: "Lin".into(),
        request_id: request_id(1),
        ..Default::default()
    };
    let first = world.anonymous().accounts().register(request.clone()).await.unwrap().into_inner();
    let tokens = ana.refresh_with(&ana.refresh_token()).await.unwrap().tokens;

    rotate_and_wait(&world);
    ana.whoami().await.unwrap();
    assert_eq!(ana.refresh_with(&ana.refresh_token()).await.unwrap().tokens, tokens, "the same pair again");
    rotate_and_wait(&world);
    ana.whoami().await.unwrap();
    ana.keep(tokens.unwrap());
    ana.whoami().await.unwrap();
    ana.refresh().await.unwrap();
    assert_ne!(key_id(&ana.access_token()), old);
    ana.whoami().await.unwrap();
    accounts(next).await.unwrap();
    let again = world.anonymous().accounts().register(request).await.unwrap().into_inner();
    assert_eq!(again.registration_id, first.registration_id);
    let code = world.newest_letter_to(&ben.email).await.code().to_owned();
    let proof = pb::VerifyEmailRequest { registration_id: ben.id.clone(), code, ..Default::default() };
    world.anonymous().accounts().verify_email(proof).await.unwrap();
    world.login(&ben.email, PASSWORD).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn an_instance_that_has_not_read_the_new_keys_accepts_them() {
    let world = World::start().await;
    let (second, channel) = world.second_server().await;
    let ana = world.account("ana").await;
    rotate_and_wait(&world);
    let request = async |actor: &Actor, page_token: &str| {
        let request = pb::ListArtistsRequest { mine: false, page_size: 1, page_token: page_token.into() };
        actor.artists().list_artists(request).await
    };
    ana.refresh().await.unwrap();
    assert_ne!(key_id(&ana.access_token()), second.app.keys.token.active().id(), "made with a key unknown there");
    let there = ana.through(channel);
    there.whoami().await.unwrap();
    request(&there, "").await.unwrap();
    // A letter that the first one sealed under its new key is sent by the second.
    let ben = world.register("ben").await;
    backline::work::worker(&second.app).run_due().await.unwrap();
    assert_eq!(world.letters_to(&ben.email).len(), 1);
    second.stop().await;
}

#[tokio::test]
async fn a_new_key_makes_nothing_before_everyone_could_read_it() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let old = key_id(&ana.access_token());
    rotate(&world);
    world.app().keys.reload().unwrap();
    ana.refresh().await.unwrap();
    assert_eq!(key_id(&ana.access_token()), old);
    world.advance(NOTICE);
    world.app().keys.reload().unwrap();
    ana.refresh().await.unwrap();
    assert_ne!(key_id(&ana.access_token()), old);
}

#[tokio::test]
async fn an_old_token_lives_as_long_as_it_would_have() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    rotate_and_wait(&world);
    let life = world.app().config.sessions.access_token_life;
    let folder = KeyFolder::new(world.app().config.keys_dir());
    assert_eq!(folder.prune(KeyKind::Token, world.now(), life).unwrap(), 0);
    ana.whoami().await.unwrap();
    world.advance(life + NOTICE);
    assert_eq!(folder.prune(KeyKind::Token, world.now(), life).unwrap(), 1);
    world.app().keys.reload().unwrap();
    let refused = ana.whoami().await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::AccessTokenInvalid);
    ana.refresh().await.unwrap();
    ana.whoami().await.unwrap();
}

/// What stands in the key files, which nothing may show.
fn material(data: &Path) -> Vec<String> {
    let text = |kind: KeyKind| std::fs::read_to_string(data.join(format!("keys/{}.key", kind.name()))).unwrap();
    let words = KeyKind::ALL.into_iter().flat_map(|kind| text(kind).lines().map(str::to_owned).collect::<Vec<_>>());
    words.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

fn run(data: &Path, arguments: &[&str]) -> Output {
    let output = backline(data, arguments).output().unwrap();
    if data.join("keys/vault.key").exists() {
        let said = format!("{}{}", stdout(&output), stderr(&output));
        assert!(material(data).iter().all(|key| !said.contains(key)), "a key was shown: {said}");
    }
    output
}

#[test]
fn the_command_line_lists_and_rotates_without_showing_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let list = || stdout(&run(data, &["keys", "list"]));
    assert_eq!(list().matches("none in").count(), 3);
    let refused = run(data, &["keys", "rotate"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("no token key to rotate yet"), "{}", stderr(&refused));

    assert!(run(data, &["migrate"]).status.success());
    assert_eq!((list().matches("active").count(), list().matches("k4.lid.").count()), (3, 3));
    assert!(run(data, &["keys", "rotate", "token"]).status.success());
    let listed = list();
    assert_eq!((listed.matches("next").count(), listed.matches("active").count()), (1, 3), "{listed}");
    assert!(run(data, &["keys", "rotate", "--at-once", "--prune"]).status.success());
    let listed = list();
    assert_eq!((listed.matches("old").count(), listed.matches("active").count()), (4, 3), "{listed}");
    for kind in KeyKind::ALL {
        let file = data.join(format!("keys/{}.key", kind.name()));
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(run(data, &["keys", "rotate", "house"]).status.code(), Some(2));
}

#[test]
fn a_torn_key_file_is_told_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    assert!(run(data, &["migrate"]).status.success());
    let file = data.join("keys/vault.key");
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &whole[..30]).unwrap();
    for arguments in [&[] as &[&str], &["work"], &["migrate"], &["keys", "list"], &["keys", "rotate", "vault"]] {
        let output = run(data, arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = stderr(&output);
        assert!(said.contains("vault.key is malformed: line 1 is not"), "{said}");
        assert_eq!(said.lines().filter(|line| line.starts_with("backline: ")).count(), 1, "{said}");
        assert!(!said.contains(&whole[..20]), "not even half a key is told: {said}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), whole[..30], "it is never replaced");
}

#[tokio::test]
async fn a_running_server_takes_a_new_key_up_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let server = Running::start(&mut backline(data, &[]), &data.join("log"));
    let made = program::with_input(
        &mut backline(data, &["admin", "create", "--email", "root@example.org", "--password-stdin"]),
        PASSWORD,
    );
    assert!(made.status.success(), "{}", stderr(&made));
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    let root = Actor::sign_in(endpoint.connect_lazy(), "root@example.org", PASSWORD, "Console").await.unwrap();
    let old = root.access_token();
    assert!(run(data, &["keys", "rotate", "--at-once"]).status.success());
    eventually_within(Duration::from_secs(20), async || {
        root.refresh().await.unwrap();
        key_id(&root.access_token()) != key_id(&old)
    })
    .await;
    root.whoami().await.unwrap();
    root.with_access_token(&old).whoami().await.unwrap();
}
