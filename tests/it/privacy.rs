//! What nobody reads who only looks after the server: names, addresses, passwords, tokens, codes.
//!
//! Everything that a person in these tests types has the word «canary» in it, so that one search finds any of it.

use std::{fmt::Debug, net::Ipv4Addr};

use tonic::transport::Channel;

use crate::harness::{
    audio, closed, guests,
    recording::Recording,
    rows,
    stages::{received, submitted, track},
    *,
};

const EMAIL: &str = "canary.mailbox@example.org";
const SECRET: &str = "canary sings in quiet rivers";
/// Where the person calls from.
const HOME: Ipv4Addr = Ipv4Addr::new(127, 77, 66, 55);

/// A connection from [`HOME`].
fn from_home(world: &World) -> Channel {
    guests::channel_from(world, HOME, "canary-client/1")
}

/// What must not be read anywhere: the secrets of one walk.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    fn keep(&mut self, secret: &str) {
        assert!(secret.len() >= 8, "{secret} would be found by chance");
        self.0.push(secret.to_owned());
    }

    fn keep_tokens(&mut self, actor: &Actor) {
        self.keep(&actor.access_token());
        self.keep(&actor.refresh_token());
    }

    #[track_caller]
    fn assert_absent(&self, place: &str, text: &str) {
        for secret in &self.0 {
            assert!(!text.contains(secret.as_str()), "{place} has the secret {secret}: {text}");
            let hex = hex::encode(secret);
            assert!(!text.to_lowercase().contains(&hex), "{place} has the secret {secret} as bytes: {text}");
        }
    }
}

/// Runs `act` while `table` takes no rows, so that the database's own words about the row reach the log.
async fn failing<T: Debug>(world: &World, table: &str, act: impl Future<Output = Result<T, Status>>) {
    let db = world.db().await;
    world.expect_error(table);
    closed::close(&db, table).await;
    let refused = act.await.unwrap_err();
    closed::open(&db, table).await;
    assert_reason(&refused, Code::Internal, ErrorReason::Internal);
    assert!(!format!("{refused:?}").contains(table), "a client hears nothing of tables: {refused:?}");
}

/// Registers, proves the mailbox, signs in, with every mistake on the way.
async fn walk_in(world: &World, secrets: &mut Secrets) -> Actor {
    let nobody = Actor::anonymous(from_home(world));
    let request = pb::RegisterRequest {
        email: EMAIL.into(),
        password: SECRET.into(),
        display_name: "Canary Display".into(),
        ..Default::default()
    };
    let malformed = pb::RegisterRequest { display_name: "Canary\u{7}".into(), ..request.clone() };
    nobody.accounts().register(malformed).await.unwrap_err();
    let similar = pb::RegisterRequest { password: EMAIL.into(), ..request.clone() };
    nobody.accounts().register(similar).await.unwrap_err();
    failing(world, "registration", nobody.accounts().register(request.clone())).await;
    failing(world, "job", nobody.accounts().register(request.clone())).await;
    nobody.accounts().register(request.clone()).await.unwrap();

    let letter = world.newest_letter_to(EMAIL).await;
    secrets.keep(letter.token());
    secrets.keep(letter.code());
    let path = letter.link().strip_prefix("http://backline.test").unwrap();
    assert_eq!(world.http(Http::One, http::Method::GET, path, &[], "").await.status, 200);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    world.http(Http::One, http::Method::POST, "/verify", &form, "token=canary-token").await;
    let verification = pb::VerifyEmailRequest { token: letter.token().into(), ..Default::default() };
    failing(world, "account", nobody.accounts().verify_email(verification.clone())).await;
    nobody.accounts().verify_email(verification).await.unwrap();
    // The address is known now.
    nobody.accounts().register(request).await.unwrap();
    world.run_jobs().await;

    nobody.login(EMAIL, "canary guesses wrong", "Canary Phone").await.unwrap_err();
    nobody.login("canary.unknown@example.org", SECRET, "Canary Phone").await.unwrap_err();
    failing(world, "session", nobody.login(EMAIL, SECRET, "Canary Phone")).await;
    let ana = Actor::sign_in(from_home(world), EMAIL, SECRET, "Canary Phone").await.unwrap();
    secrets.keep_tokens(&ana);
    ana.refresh().await.unwrap();
    secrets.keep_tokens(&ana);
    for forged in ["canary-forged-token", &tampered(&ana.access_token(), 30)] {
        secrets.keep(forged);
        ana.with_access_token(forged).whoami().await.unwrap_err();
    }
    nobody.refresh_with("canary-forged-token").await.unwrap_err();
    let request = pb::UpdateAccountRequest {
        account: Some(pb::Account { display_name: "Canary Renamed".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
        ..Default::default()
    };
    failing(world, "audit_event", ana.accounts().update_account(request.clone())).await;
    ana.accounts().update_account(request).await.unwrap();
    ana
}

/// Becomes an artist. Returns the artist's id.
async fn walk_up(world: &World, ana: &Actor, rui: &Actor) -> String {
    let request = pb::CreateApplicationRequest {
        stage_name: "Canary Stage".into(),
        biography: "Canary biography".into(),
        links: vec!["https://example.org/canary".into()],
        request_id: request_id(1),
    };
    failing(world, "artist_application", ana.applications().create_application(request.clone())).await;
    let reply = ana.applications().create_application(request).await.unwrap().into_inner();
    let application_id = reply.application.unwrap().application_id;
    let request = pb::SubmitApplicationRequest { application_id: application_id.clone(), ..Default::default() };
    ana.applications().submit_application(request).await.unwrap();
    let request = pb::ApproveApplicationRequest { application_id, note: "Canary note".into(), ..Default::default() };
    failing(world, "artist", rui.applications().approve_application(request.clone())).await;
    let reply = rui.applications().approve_application(request).await.unwrap().into_inner();
    world.run_jobs().await;
    reply.application.unwrap().artist_id
}

/// Uploads, submits, is refused, looks for it, downloads.
async fn walk_through(world: &World, ana: &Actor, rui: &Actor, artist_id: &str, secrets: &mut Secrets) {
    let request = pb::CreateUploadRequest {
        purpose: pb::UploadPurpose::TrackAudio.into(),
        size_bytes: 10,
        media_type: "audio/wav".into(),
        file_name: "canary.wav".into(),
        ..Default::default()
    };
    failing(world, "upload", ana.storage().create_upload(request)).await;
    received(ana, b"canary, not a sound").await;
    let draft = track(world, ana, artist_id, "Canary Song", 1).await;
    let request = pb::CreateTrackRequest {
        artist_id: artist_id.into(),
        title: "Canary Song".into(),
        audio_upload_id: draft.audio_upload_id.clone(),
        ..Default::default()
    };
    failing(world, "track", ana.tracks().create_track(request)).await;
    for id in ["canary", "trk_canary"] {
        ana.tracks().get_track(pb::GetTrackRequest { track_id: id.into() }).await.unwrap_err();
    }
    let submission_id = submitted(ana, &draft.track_id).await;
    let request = pb::StartReviewRequest { submission_id: submission_id.clone(), ..Default::default() };
    rui.review().start_review(request).await.unwrap();
    let request = pb::RejectSubmissionRequest {
        submission_id,
        reason: pb::SubmissionRejectReason::Other.into(),
        note: "Canary note".into(),
        ..Default::default()
    };
    failing(world, "submission_history", rui.review().reject_submission(request.clone())).await;
    rui.review().reject_submission(request).await.unwrap();
    world.run_jobs().await;

    for query in ["canary song", "canary \" OR"] {
        let request = pb::SearchRequest { query: query.into(), page_token: "canary".into(), ..Default::default() };
        ana.search().search(request.clone()).await.unwrap_err();
        ana.search().search(pb::SearchRequest { page_token: String::new(), ..request }).await.unwrap();
    }

    let request = pb::CreateDownloadUrlRequest { object_id: draft.audio_object_id };
    let url = ana.storage().create_download_url(request).await.unwrap().into_inner().url;
    let path = url.strip_prefix("http://backline.test").unwrap();
    secrets.keep(path.split_once('?').unwrap().1);
    let answer = world.http(Http::One, http::Method::GET, path, &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.body), (200, audio::wav(0.05, 1).into()));
    world.http(Http::One, http::Method::GET, &format!("{path}canary"), &[], "").await;
    let headers = [("user-agent", "canary/1"), ("cookie", "canary=1")];
    world.http(Http::One, http::Method::GET, "/canary?canary", &headers, "").await;
    world.grpc("/backline.v1.TrackService/Canary", &headers, raw::frame(b"canary")).await;
    world.grpc("/backline.v1.TrackService/GetTrack", &headers, raw::frame(b"canary")).await;
}

#[tokio::test]
async fn nothing_personal_is_read_in_logs_metrics_or_the_trail() {
    let world = World::start().await;
    let log = Recording::default();
    let listening = log.listen();
    let mut secrets = Secrets(vec![SECRET.to_owned()]);
    let ana = Box::pin(walk_in(&world, &mut secrets)).await;
    let rui = world.reviewer("rui").await;
    let artist_id = walk_up(&world, &ana, &rui).await;
    walk_through(&world, &ana, &rui, &artist_id, &mut secrets).await;
    let root = world.admin("root").await;
    let request = pb::ListAccountsRequest { filter: format!("email = \"{EMAIL}\""), ..Default::default() };
    assert_eq!(root.admin().list_accounts(request).await.unwrap().into_inner().accounts.len(), 1);
    let request = pb::ListAccountsRequest { filter: "canary = \"canary\"".into(), ..Default::default() };
    root.admin().list_accounts(request).await.unwrap_err();
    drop(listening);

    let lines = log.lines();
    assert!(lines.iter().any(|line| line.contains("is closed") || line.contains("violates check constraint")));
    assert!(lines.iter().any(|line| line.contains("backline.v1.AccountService/Register")), "the log was heard");
    let admin = world.server().admin_address;
    let metrics = raw::send(admin, Http::One, http::Method::GET, "/metrics", &[], "").await.text();
    assert!(metrics.contains("backline.v1.AccountService/Register"), "{metrics}");
    let everything = rows::all(&world.db().await).await;
    let trail = &everything["audit_event"];
    let places = [("the log", &lines), ("metrics", &vec![metrics]), ("the trail", trail)];
    for (place, lines) in places {
        for line in lines {
            assert!(!line.to_lowercase().contains("canary"), "{place} has a personal value: {line}");
            secrets.assert_absent(place, line);
        }
    }
    for line in lines {
        assert!(!line.contains(&HOME.to_string()), "the log has an address: {line}");
    }
}

#[tokio::test]
async fn no_secret_stands_in_the_database_as_it_is() {
    let world = World::start().await;
    let mut secrets = Secrets(vec![SECRET.to_owned()]);
    let ana = Box::pin(walk_in(&world, &mut secrets)).await;
    // Replies that hold tokens are kept for repeats.
    ana.refresh().await.unwrap();
    secrets.keep_tokens(&ana);
    for (table, rows) in rows::all(&world.db().await).await {
        for row in rows {
            secrets.assert_absent(&table, &row);
        }
    }
}
