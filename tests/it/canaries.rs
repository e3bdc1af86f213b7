//! Fifty secrets planted into every method, by a stranger and by an administrator; none is read in logs, spans or metrics.
//!
//! The walk of `privacy.rs` goes where people go. This one goes everywhere, with texts in every field that takes any,
//! so a method that is added later is searched without a word here.

use std::time::Duration;

use prost_types::{DescriptorProto, FieldDescriptorProto, field_descriptor_proto::Type};

use crate::harness::{
    collector::Collector,
    protos::{Forger, requests},
    raw::frame,
    recording::Recording,
    world::email_of,
    *,
};

const PLANTED: usize = 50;
/// A stream that stays open has heard enough by then.
const PATIENCE: Duration = Duration::from_millis(300);

/// Somebody to whom what a message of this shape asks for may happen.
async fn somebody(world: &World, shape: &DescriptorProto, number: usize) -> Option<Actor> {
    let wanted = shape.field.iter().any(|field| matches!(field.name(), "account_id" | "session_id"));
    if wanted { Some(world.account(&format!("somebody{number}")).await) } else { None }
}

/// What one canary looks like in a field: free text, an address, a token, a filter or an id. Where it is an id that there
/// `is`, the act goes on, and what else is planted gets further.
fn planted(number: usize, field: &FieldDescriptorProto, is: Option<&Actor>) -> Vec<u8> {
    match (is, field.name()) {
        (Some(there), "account_id") => return there.account_id().as_bytes().to_vec(),
        (Some(there), "session_id") => return there.session_id().as_bytes().to_vec(),
        (Some(_), "request_id" | "page_token" | "filter") => return Vec::new(),
        _ => {}
    }
    let canary = format!("canary{number:06}");
    let text = match (field.r#type(), field.name(), number % 4) {
        (Type::Bytes, ..) => format!("{canary}{canary}"),
        // The request id is the client's name for its attempt, and never a secret: malformed ones still are not told.
        (_, "request_id", _) => canary,
        (_, "email" | "new_email", _) | (.., 1) => format!("{canary}@example.org"),
        (_, "filter", _) => format!("email = \"{canary}@example.org\""),
        (.., 2) => format!("acc_{canary}"),
        (..) => format!("{canary} sings in quiet rivers"),
    };
    text.into_bytes()
}

#[tokio::test]
async fn fifty_secrets_in_each_method_are_read_nowhere() {
    let collector = Collector::start().await;
    let settings = collector.settings();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let mut world = World::with(&settings).await;
    world.admin("root").await;
    let log = Recording::default();
    let listening = log.listen_beside(world.traces());
    let (forger, mut number) = (Forger::default(), 0);
    for (path, _, shape) in requests() {
        // A method before may have signed the administrator out.
        let root = world.login(&email_of("root"), PASSWORD).await.unwrap_or_else(|refused| panic!("{path}: {refused}"));
        let root = format!("Bearer {}", root.access_token());
        let there = somebody(&world, &shape, number).await;
        let (before, mut goes_on) = (number, false);
        // Where a message takes no text there is still the metadata.
        while number - before < PLANTED {
            goes_on = !goes_on;
            let is = there.as_ref().filter(|_| goes_on);
            let message = forger.forge(&shape, &mut |field| {
                number += 1;
                planted(number, field, is)
            });
            number += 2;
            let stranger = format!("Bearer canary{number:06}");
            let agent = format!("canary{:06}/1.0", number - 1);
            for token in [&root, &stranger] {
                let headers = [("authorization", token.as_str()), ("user-agent", &agent), ("cookie", &stranger)];
                let call = world.grpc(path, &headers, frame(&message));
                drop(tokio::time::timeout(PATIENCE, call).await);
            }
        }
    }
    world.run_jobs().await;
    world.stop_telemetry().await;
    drop(listening);

    let spans = collector.all();
    assert!(spans.iter().any(|message| message.contains("backline.v1.AccountService/Register")), "spans arrive");
    for message in spans {
        assert!(!message.to_lowercase().contains("canary"), "the collector was told a planted value: {message}");
        assert!(
            !message.contains(&hex::encode("canary")),
            "the collector was told a planted value as bytes: {message}"
        );
    }
    let lines = log.lines();
    for (path, ..) in requests() {
        let method = path.trim_start_matches('/');
        assert!(lines.iter().any(|line| line.contains(method)), "the log never heard of {method}");
    }
    for line in &lines {
        assert!(!line.to_lowercase().contains("canary"), "the log has a planted value: {line}");
        assert!(!line.contains(&hex::encode("canary")), "the log has a planted value as bytes: {line}");
    }
    let admin = world.server().admin_address;
    let metrics = raw::send(admin, Http::One, http::Method::GET, "/metrics", &[], "").await.text();
    assert!(metrics.contains("backline.v1.AccountService/Register"), "{metrics}");
    assert!(!metrics.to_lowercase().contains("canary"), "{metrics}");
}
