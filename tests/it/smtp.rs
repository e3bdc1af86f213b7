//! Letters over SMTP, to a real mail server.

use std::time::Duration;

use backline::entity::{job, letter};
use sea_orm::EntityTrait;

use crate::harness::{
    smtp::{PostOffice, SMTP_PASSWORD, Talk, USER},
    *,
};

async fn world_with(office: &PostOffice, url: String, further: &[(&'static str, &str)]) -> World {
    let mut settings = office.settings(url);
    settings.extend(further.iter().map(|(key, value)| (*key, (*value).to_owned())));
    let settings: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
    World::with(&settings).await
}

/// The one letter of this world, as the database has it.
async fn the_letter(world: &World) -> letter::Model {
    letter::Entity::find().one(&world.db().await).await.unwrap().expect("a letter was posted")
}

/// The job that sends it, while it waits.
async fn the_job(world: &World) -> job::Model {
    let jobs = job::Entity::find().all(&world.db().await).await.unwrap();
    jobs.into_iter().find(|job| job.kind == "notifications.send_letter").expect("the letter has a job")
}

/// Nothing that was logged or stored in the queue tells a password or an address.
async fn assert_discreet(world: &World, address: &str) {
    let told = format!("{:?} {:?}", world.logged(), the_job(world).await.last_error);
    for secret in [SMTP_PASSWORD, address] {
        assert!(!told.contains(secret), "{secret} was told: {told}");
    }
}

#[tokio::test]
async fn a_letter_arrives_encrypted_and_signed_in() {
    let Some(office) = PostOffice::open() else { return };
    for (talk, scheme) in [(Talk::StartTls, "smtp"), (Talk::StartTls, "smtp+starttls"), (Talk::Wrapped, "smtps")] {
        let server = office.serve(talk, 0);
        let world = world_with(&office, format!("{scheme}://localhost:{}", server.port), &[]).await;
        let before = office.letters().len();
        let ana = world.register("ana").await;
        world.run_jobs().await;
        let letter = the_letter(&world).await;
        assert_eq!((letter.state, letter.sealed), (letter::State::Sent, None));
        let letters = office.letters();
        assert_eq!(letters.len(), before + 1);
        let arrived = letters.iter().find(|text| text.contains(&format!("<{}@backline.test>", letter.id))).unwrap();
        for header in [
            "X-Encrypted: yes",
            "X-Request-Id: ",
            "X-Envelope-From: hello@backline.test",
            "X-Envelope-To: ana@example.org",
            "From: Backline <hello@backline.test>",
            "To: ana@example.org",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "Date: Sun, 01 Mar 2026",
        ] {
            assert!(arrived.contains(&format!("\n{header}")) || arrived.starts_with(header), "{header}: {arrived}");
        }
        assert!(!arrived.contains("List-Unsubscribe"));
        let (_, message) = arrived.split_once("X-Envelope-To: ana@example.org").unwrap();
        let read = Letter::parse(message.trim_start().replace("\r\n", "\n").replace('\n', "\r\n").as_bytes());
        let request = pb::VerifyEmailRequest { token: read.token().to_owned(), ..Default::default() };
        world.anonymous().accounts().verify_email(request).await.unwrap();
        assert_discreet(&world, &ana.email).await;
        assert!(!format!("{:?}", world.app()).contains(SMTP_PASSWORD));
        world.run_jobs().await;
    }
}

#[tokio::test]
async fn a_letter_waits_for_a_mail_server_that_is_away() {
    let Some(office) = PostOffice::open() else { return };
    let server = office.serve(Talk::StartTls, 0);
    let port = server.port;
    let world = world_with(&office, format!("smtp://localhost:{port}"), &[]).await;
    drop(server);
    let ana = world.register("ana").await;
    for _ in 0..3 {
        world.run_jobs().await;
        assert_eq!(the_letter(&world).await.state, letter::State::Queued);
        world.advance(Duration::from_hours(1));
    }
    assert_eq!(the_job(&world).await.attempt, 3);
    let _server = office.serve(Talk::StartTls, port);
    world.run_jobs().await;
    assert_eq!(the_letter(&world).await.state, letter::State::Sent);
    assert_eq!(office.letters().len(), 1);
    assert_discreet(&world, &ana.email).await;
}

#[tokio::test]
async fn a_mailbox_that_is_refused_is_not_tried_again() {
    let Some(office) = PostOffice::open() else { return };
    let server = office.serve(Talk::StartTls, 0);
    let world = world_with(&office, format!("smtp://localhost:{}", server.port), &[]).await;
    let refused = world.register("refused").await;
    world.run_jobs().await;
    let letter = the_letter(&world).await;
    assert_eq!((letter.state, letter.sealed, letter.sent_at), (letter::State::Abandoned, None, None));
    let job = the_job(&world).await;
    assert_eq!((job.state, job.attempt), (job::State::Completed, 1));
    assert!(world.logged().iter().any(|line| line.contains("given up") && line.contains("550")), "it is told");
    assert_discreet(&world, &refused.email).await;
}

#[tokio::test]
async fn a_mailbox_that_is_busy_is_tried_for_four_days() {
    let Some(office) = PostOffice::open() else { return };
    let server = office.serve(Talk::StartTls, 0);
    let world = world_with(&office, format!("smtp://localhost:{}", server.port), &[]).await;
    let busy = world.register("busy").await;
    world.run_jobs().await;
    let waiting = the_job(&world).await;
    assert_eq!(waiting.state, job::State::Retryable);
    assert!(waiting.last_error.is_some_and(|error| error.contains("451")));
    assert_discreet(&world, &busy.email).await;
    world.advance(Duration::from_hours(4 * 24));
    world.run_jobs().await;
    assert_eq!(the_letter(&world).await.state, letter::State::Abandoned);
    assert_eq!(office.letters().len(), 0);
}

#[tokio::test]
async fn a_slow_mail_server_holds_nobody_up() {
    let Some(office) = PostOffice::open() else { return };
    let server = office.serve(Talk::StartTls, 0);
    let url = format!("smtp://localhost:{}", server.port);
    let world = world_with(&office, url, &[("mail.timeout", "1s")]).await;
    world.register("slow").await;
    let begun = std::time::Instant::now();
    world.run_jobs().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let waiting = the_job(&world).await;
    assert_eq!(waiting.state, job::State::Retryable);
    assert!(waiting.last_error.is_some_and(|error| error.contains("1000 ms")));
    // The cut conversation is not gone on with.
    world.register("ana").await;
    world.run_jobs().await;
    assert!(office.letters()[0].contains("X-Envelope-To: ana@example.org"));
    world.advance(Duration::from_hours(4 * 24));
    world.run_jobs().await;
}

#[tokio::test]
async fn a_mail_server_that_cannot_be_trusted_gets_nothing() {
    let (Some(office), Some(stranger)) = (PostOffice::open(), PostOffice::open()) else { return };
    let server = stranger.serve(Talk::Wrapped, 0);
    let other = office.serve(Talk::Wrapped, 0);
    let plain = office.serve(Talk::Clear, 0);
    let untrusted = format!("smtps://localhost:{}", server.port);
    let misnamed = format!("smtps://127.0.0.2:{}", other.port);
    let in_clear = format!("smtp+starttls://localhost:{}", plain.port);
    for (url, why) in [(untrusted, "certificate"), (misnamed, ""), (in_clear, "STARTTLS")] {
        let world = world_with(&office, url.clone(), &[]).await;
        world.register("ana").await;
        world.run_jobs().await;
        let waiting = the_job(&world).await;
        assert_eq!(waiting.state, job::State::Retryable, "{url}");
        let error = waiting.last_error.unwrap();
        assert!(error.contains(why), "{url}: {error}");
        world.advance(Duration::from_hours(4 * 24));
        world.run_jobs().await;
        assert_eq!(the_letter(&world).await.state, letter::State::Abandoned);
    }
    assert_eq!(office.letters().len() + stranger.letters().len(), 0);
}

#[tokio::test]
async fn a_wrong_password_is_our_mistake_and_loses_no_letter() {
    let Some(office) = PostOffice::open() else { return };
    let server = office.serve(Talk::StartTls, 0);
    let url = format!("smtp://localhost:{}", server.port);
    let world = world_with(&office, url, &[("mail.password", "wrong-canary")]).await;
    world.register("ana").await;
    world.run_jobs().await;
    let waiting = the_job(&world).await;
    assert_eq!(waiting.state, job::State::Retryable);
    assert!(!waiting.last_error.unwrap().contains("wrong-canary"));
    assert!(!format!("{:?}", world.logged()).contains(USER));
    world.advance(Duration::from_hours(4 * 24));
    world.run_jobs().await;
}

#[tokio::test]
async fn without_its_mail_server_the_server_is_degraded_and_not_down() {
    let Some(office) = PostOffice::open() else { return };
    let port = office.serve(Talk::StartTls, 0).port;
    let world = world_with(&office, format!("smtp://localhost:{port}"), &[]).await;
    let ready =
        async || raw::send(world.server().admin_address, Http::One, http::Method::GET, "/readyz", &[], "").await;
    eventually(async || ready().await.text().contains("degraded")).await;
    let answer = ready().await;
    assert_eq!(answer.status, http::StatusCode::OK);
    assert!(answer.text().contains("\"mail\":\"down\""), "{}", answer.text());
}
