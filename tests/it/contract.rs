//! What holds for every RPC there is: a comment, an access row, typed refusals, a test.
//!
//! The list comes from the protos, so a method that is added later is judged without a word here.

use backline::rpc::{
    Rpc,
    access::{self, Who},
};
use prost_types::{
    FileDescriptorProto, MethodDescriptorProto, ServiceDescriptorProto, field_descriptor_proto::Type,
    method_options::IdempotencyLevel,
};

use crate::harness::{
    protos::{files, requests},
    raw::frame,
    *,
};

/// Calls `judge` with each method, its service, its comment.
fn each_method(mut judge: impl FnMut(&ServiceDescriptorProto, &MethodDescriptorProto, &str)) {
    for file in files() {
        for (place, service) in (0..).zip(&file.service) {
            for (number, method) in (0..).zip(&service.method) {
                judge(service, method, &comment(&file, &[6, place, 2, number]));
            }
        }
    }
}

/// The comment before the element at `path`, as one line.
fn comment(file: &FileDescriptorProto, path: &[i32]) -> String {
    let locations = file.source_code_info.as_ref().map(|info| info.location.as_slice()).unwrap_or_default();
    let found = locations.iter().find(|location| location.path == path);
    let text = found.map(|location| location.leading_comments().to_owned()).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn each_method_says_who_may_call_what_repeating_does_and_how_it_fails() {
    each_method(|service, method, comment| {
        for word in ["Callers:", "Repeats:", "Fails with"] {
            assert!(comment.contains(word), "{}.{} does not say «{word}»: {comment}", service.name(), method.name());
        }
    });
}

/// Methods that ask for a factor themselves, where no session is that could be fresh.
const ASK_FOR_A_FACTOR: [Rpc; 2] = [Rpc::AccountCompletePasswordReset, Rpc::SessionStepUp];

#[test]
fn methods_that_want_a_fresh_check_say_so_and_no_others_do() {
    each_method(|service, method, comment| {
        let path = format!("/backline.v1.{}/{}", service.name(), method.name());
        let rpc = Rpc::find(&path).unwrap();
        let wants = access::of(rpc).fresh || ASK_FOR_A_FACTOR.contains(&rpc);
        assert_eq!(comment.contains("STEP_UP_REQUIRED"), wants, "{path}: {comment}");
    });
}

#[test]
fn reads_are_declared_free_of_side_effects() {
    each_method(|service, method, _| {
        let reads = ["Get", "List", "Search", "Watch", "Read", "Download", "VerifyChain"]
            .iter()
            .any(|verb| method.name().starts_with(verb));
        let declared = method.options.as_ref().map(prost_types::MethodOptions::idempotency_level);
        let free = declared == Some(IdempotencyLevel::NoSideEffects);
        assert_eq!(reads, free, "{}.{}", service.name(), method.name());
    });
}

#[test]
fn each_method_has_a_deadline_and_each_stream_is_bounded_while_it_flows() {
    let most = |cost: access::Cost| if cost.is_long() { 30 * 60 } else { 30 };
    each_method(|service, method, _| {
        let name = format!("{}.{}", service.name(), method.name());
        let rpc = Rpc::find(&format!("/backline.v1.{}/{}", service.name(), method.name())).unwrap();
        let cost = access::of(rpc).cost;
        let limit = cost.time_limit().as_secs();
        assert!((1..=most(cost)).contains(&limit), "{name} may take {limit} s");
        // What is long has its flow bounded by the gate, and its caller looked at again; what is not must not stream.
        assert_eq!(method.client_streaming() || method.server_streaming(), cost.is_long(), "{name}");
    });
    let idle = backline::config::ServerConfig::default().stream_idle_timeout;
    assert!((1..=30).contains(&idle.as_secs()), "{idle:?}");
}

#[test]
fn each_reason_says_its_code_and_what_a_client_should_do() {
    let files = files();
    let (file, place, reasons) = files
        .iter()
        .find_map(|file| {
            let place = file.enum_type.iter().position(|known| known.name() == "ErrorReason")?;
            Some((file, i32::try_from(place).unwrap(), &file.enum_type[place]))
        })
        .unwrap();
    for (number, value) in (0..).zip(&reasons.value).skip(1) {
        let comment = comment(file, &[5, place, 2, number]);
        let code = comment.split([' ', '.', ',', ';']).next().unwrap_or_default();
        assert!(CODES.contains(&code), "{}: {comment}", value.name());
        assert!(comment.contains("Client:"), "{}: {comment}", value.name());
    }
}

const CODES: [&str; 14] = [
    "CANCELLED",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "UNAUTHENTICATED",
];

#[test]
fn each_method_is_called_by_a_test() {
    let mut tests = String::new();
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                tests.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut missing = Vec::new();
    each_method(|service, method, _| {
        let mut call = String::from(".");
        for letter in method.name().chars() {
            if letter.is_uppercase() && call.len() > 1 {
                call.push('_');
            }
            call.push(letter.to_ascii_lowercase());
        }
        call.push('(');
        if !tests.contains(&call) {
            missing.push(format!("{}.{}", service.name(), method.name()));
        }
    });
    assert!(missing.is_empty(), "no test calls {}", missing.join(", "));
}

#[tokio::test]
async fn without_a_token_only_open_methods_answer() {
    let world = World::start().await;
    for (path, rpc, _) in requests() {
        let refused = world.grpc(path, &[], frame(&[])).await.grpc();
        if access::of(rpc).who == Who::Anyone {
            assert_ne!(details(&refused).error_info().map(|info| info.reason.as_str()), Some("ACCESS_TOKEN_MISSING"));
        } else {
            assert_reason(&refused, Code::Unauthenticated, ErrorReason::AccessTokenMissing);
        }
    }
}

#[tokio::test]
async fn a_listener_is_told_which_permission_is_missing() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let bearer = format!("Bearer {}", ana.access_token());
    let mut judged = 0;
    for (path, rpc, _) in requests() {
        let Who::With(permission) = access::of(rpc).who else { continue };
        let refused = world.grpc(path, &[("authorization", &bearer)], frame(&[])).await.grpc();
        assert_reason(&refused, Code::PermissionDenied, ErrorReason::PermissionMissing);
        assert_eq!(fact(&refused, "permission").as_deref(), Some(permission.name()), "{path}");
        judged += 1;
    }
    assert!(judged > 5);
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused_as_such() {
    let world = World::start().await;
    let bearer = format!("Bearer {}", world.admin("root").await.access_token());
    for (path, _, request) in requests() {
        // A field of ten bytes of which there are none.
        let cut = [0x0a, 10];
        let refused = world.grpc(path, &[("authorization", &bearer)], frame(&cut)).await.grpc();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::MessageMalformed);

        let Some(text) = request.field.iter().find(|field| field.r#type() == Type::String) else { continue };
        let tag = u8::try_from(text.number() << 3 | 2).unwrap();
        let not_utf8 = [tag, 2, 0xff, 0xfe];
        let refused = world.grpc(path, &[("authorization", &bearer)], frame(&not_utf8)).await.grpc();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::MessageMalformed);
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_with_the_limit() {
    let world = World::start().await;
    let bearer = format!("Bearer {}", world.admin("root").await.access_token());
    for (path, rpc, _) in requests() {
        // A service's limit is that of its largest method.
        let least = access::of(rpc).cost.max_message_bytes();
        let most = if path.contains("StorageService") { access::Cost::Chunk.max_message_bytes() } else { least };
        let refused = world.grpc(path, &[("authorization", &bearer)], frame(&vec![0; most + 1])).await.grpc();
        assert_reason(&refused, Code::ResourceExhausted, ErrorReason::MessageTooLarge);
        assert_eq!(fact(&refused, "max_bytes"), Some(most.to_string()), "{path}");
    }
}

#[tokio::test]
async fn a_deadline_of_a_millisecond_is_exceeded() {
    let world = World::start().await;
    let bearer = format!("Bearer {}", world.admin("root").await.access_token());
    for (path, ..) in requests() {
        let headers = [("authorization", bearer.as_str()), ("grpc-timeout", "1m")];
        let refused = world.grpc(path, &headers, frame(&[])).await.grpc();
        assert_reason(&refused, Code::DeadlineExceeded, ErrorReason::DeadlineExceeded);
    }
}

#[tokio::test]
async fn unknown_methods_and_services_are_named_so() {
    let world = World::start().await;
    for path in ["/backline.v1.AccountService/Nothing", "/backline.v1.NoService/Get", "/x/y", "/x", "/backline.v1."] {
        let refused = world.grpc(path, &[], frame(&[])).await.grpc();
        assert_reason(&refused, Code::Unimplemented, ErrorReason::MethodUnknown);
    }
}
