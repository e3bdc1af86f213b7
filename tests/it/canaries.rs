//! Fifty secrets planted into every method, by a stranger and by an administrator; none is read in logs, spans or metrics.
//!
//! The walk of `privacy.rs` goes where people go. This one goes everywhere, with texts in every field that takes any,
//! so a method that is added later is searched without a word here.

use std::time::Duration;

use prost_types::{FieldDescriptorProto, field_descriptor_proto::Type};

use crate::harness::{
    protos::{Forger, requests},
    raw::frame,
    recording::Recording,
    world::email_of,
    *,
};

const PLANTED: usize = 50;
/// A stream that stays open has heard enough by then.
const PATIENCE: Duration = Duration::from_millis(300);

/// What one canary looks like in a field: free text, an address, a token, a filter or an id.
fn planted(number: usize, field: &FieldDescriptorProto) -> Vec<u8> {
    let canary = format!("canary{number:06}");
    let text = match (field.r#type(), field.name(), number % 4) {
        (Type::Bytes, ..) => format!("{canary}{canary}"),
        // The request id is the client's name for its attempt, and never a secret: malformed ones still are not told.
        (_, "request_id", _) => canary,
        (_, "email" | "new_email", _) | (.., 1) => format!("{canary}@example.org"),
        (_, "filter", _) => format!("email = \"{canary}@example.org\""),
        (.., 2) => format!("acc_{canary}"),
        (.., _) => format!("{canary} sings in quiet rivers"),
    };
    text.into_bytes()
}

#[tokio::test]
async fn fifty_secrets_in_each_method_are_read_nowhere() {
    let world = World::start().await;
    world.admin("root").await;
    let log = Recording::default();
    let listening = log.listen();
    let (forger, mut number) = (Forger::default(), 0);
    for (path, _, shape) in requests() {
        // A method before may have signed the administrator out.
        let root = world.login(&email_of("root"), PASSWORD).await.unwrap_or_else(|refused| panic!("{path}: {refused}"));
        let root = format!("Bearer {}", root.access_token());
        let before = number;
        // Where a message takes no text there is still the metadata.
        while number - before < PLANTED {
            let message = forger.forge(&shape, &mut |field| {
                number += 1;
                planted(number, field)
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
    drop(listening);

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
