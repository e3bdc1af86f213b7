//! How a call ended: its log line, its metrics, and the typed form of every error.
//!
//! Features and the gate send typed errors; tonic itself makes bare ones (a message too large, bytes that do not decode).
//! Here the bare ones get their reason, and every error the id of its request.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::time::Instant;
use tonic::{Code, Status, body::Body};
use tonic_types::{ErrorDetails, StatusExt};
use tracing::{Span, info, info_span};

use super::{Refusal, Rpc, fault::short_name};
use crate::{
    kernel::Facts,
    pb::ErrorReason,
    telemetry::{Call, Scope},
};

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Methods that are not ours to rule, by the names that metrics may show.
const INFRASTRUCTURE: [&str; 5] = [
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/List",
    "grpc.health.v1.Health/Watch",
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The method's full name. Unknown methods share one, so that nobody can fill the metrics with names.
pub(super) fn method(rpc: Option<Rpc>, path: &str) -> &'static str {
    let path = path.trim_start_matches('/');
    let known = || INFRASTRUCTURE.into_iter().find(|known| *known == path);
    rpc.map(|rpc| rpc.path().trim_start_matches('/')).or_else(known).unwrap_or("_OTHER")
}

/// Follows one call to its end.
pub(super) struct Watch {
    method: &'static str,
    arrived: Instant,
    request_id: String,
    span: Span,
    call: Call,
    told: bool,
    _in_flight: InFlight,
}

/// One more call under way, until dropped.
struct InFlight;

impl InFlight {
    fn begin() -> Self {
        metrics::gauge!("backline_calls_in_flight").increment(1);
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        metrics::gauge!("backline_calls_in_flight").decrement(1);
    }
}

impl Watch {
    /// `method` as [`method`] names it, `address` as clients know this server.
    pub(super) fn begin(method: &'static str, address: &str, arrived: Instant, facts: Option<&Facts>) -> Self {
        let facts = facts.cloned().unwrap_or_else(Facts::none);
        let call = Call::begin(method, address, &facts);
        let trace_id = facts.trace.id_text();
        let span = info_span!("rpc", rpc.method = method, request_id = %facts.request_id, trace_id);
        let request_id = facts.request_id;
        Self { method, arrived, request_id, span, call, told: false, _in_flight: InFlight::begin() }
    }

    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    pub(super) fn scope(&self) -> Scope {
        self.call.scope()
    }

    /// Gives the answer its request id and its errors their typed form, wherever the status stands: in the headers
    /// (nothing but an error), or in the trailers after a body.
    pub(super) fn finish(mut self, mut response: Response<Body>) -> Response<Body> {
        if let Ok(id) = HeaderValue::from_str(&self.request_id) {
            response.headers_mut().insert(REQUEST_ID.clone(), id);
        }
        if let Some(status) = Status::from_header_map(response.headers()) {
            self.conclude(status, response.headers_mut());
            return response;
        }
        response.map(|body| {
            Body::new(body.map_frame(move |frame: Frame<Bytes>| match frame.into_trailers() {
                Ok(mut trailers) => {
                    if let Some(status) = Status::from_header_map(&trailers) {
                        self.conclude(status, &mut trailers);
                    }
                    Frame::trailers(trailers)
                }
                Err(frame) => frame,
            }))
        })
    }

    fn conclude(&mut self, status: Status, headers: &mut HeaderMap) {
        self.tell(status.code());
        if status.code() == Code::Ok {
            return;
        }
        let typed = typed(status, &self.request_id);
        for name in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
            headers.remove(name);
        }
        if typed.add_header(headers).is_err() {
            tracing::error!("an error's details did not fit into headers");
        }
    }

    /// The one log line and the metrics of the call.
    fn tell(&mut self, code: Code) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let took: Duration = self.arrived.elapsed();
        let status = code_name(code);
        metrics::histogram!(
            "rpc_server_call_duration_seconds",
            "rpc_system_name" => "grpc", "rpc_method" => self.method, "rpc_response_status_code" => status
        )
        .record(took.as_secs_f64());
        self.span.in_scope(|| info!(rpc.status = status, duration_us = took.as_micros(), "call"));
        self.call.end(status, is_our_fault(code));
    }
}

/// A body that is dropped before its trailers belongs to a client that went away.
impl Drop for Watch {
    fn drop(&mut self) {
        self.tell(Code::Cancelled);
    }
}

/// Whether a span says that it failed (OpenTelemetry's conventions for gRPC servers). What the caller did wrong is no
/// failure of ours.
fn is_our_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// The status with exactly one `ErrorInfo` and one `RequestInfo`.
fn typed(status: Status, request_id: &str) -> Status {
    let status = if status.details().is_empty() { Status::from(reason_for(&status)) } else { status };
    let mut details: ErrorDetails = status.get_error_details();
    if details.error_info().is_some_and(|info| info.reason == short_name(ErrorReason::ServerBusy)) {
        metrics::counter!("backline_calls_shed_total").increment(1);
    }
    details.set_request_info(request_id, "");
    Status::with_error_details(status.code(), status.message(), details)
}

/// What tonic's own statuses mean. Its texts are pinned by tests, so an upgrade that changes them is noticed.
fn reason_for(status: &Status) -> Refusal {
    let message = status.message();
    match status.code() {
        Code::OutOfRange | Code::ResourceExhausted if message.contains("too large") => {
            Refusal::MessageTooLarge { max_bytes: limit_in(message) }
        }
        Code::Unimplemented => Refusal::MethodUnknown,
        // Health asked for a service that there is not.
        Code::NotFound => Refusal::NotFound,
        Code::Internal | Code::InvalidArgument
            if ["decode", "protocol error", "Missing request", "Unexpected EOF", "compress", "invalid"]
                .iter()
                .any(|word| message.contains(word)) =>
        {
            Refusal::MessageMalformed
        }
        Code::DeadlineExceeded => Refusal::DeadlineExceeded,
        Code::Cancelled => Refusal::Cancelled,
        Code::Unavailable => Refusal::DependencyDown,
        Code::ResourceExhausted => Refusal::ServerBusy,
        code => {
            tracing::error!(?code, message, "a status without details");
            Refusal::Internal
        }
    }
}

/// The limit that tonic tells: «…, the limit is: 262144 bytes».
fn limit_in(message: &str) -> String {
    message.rsplit("limit is:").next().unwrap_or_default().chars().filter(char::is_ascii_digit).collect()
}

/// The names of the protocol, as metrics and logs write them.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
