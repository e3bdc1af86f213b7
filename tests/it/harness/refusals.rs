//! What a refused call must look like, whatever refused it.

use std::collections::BTreeMap;

use backline::{pb::ErrorReason, rpc::fault};
use tonic::{Code, Status};
use tonic_types::{ErrorDetail, ErrorDetails, StatusExt};

/// Checks the code and the reason, and that the status is typed as every refusal must be: one `ErrorInfo` of our
/// domain, one `RequestInfo` with an id, nothing of the kinds meant for developers.
#[track_caller]
pub fn assert_reason(status: &Status, code: Code, reason: ErrorReason) {
    let details = status.check_error_details_vec().expect("the details decode");
    let mut infos = details.iter().filter_map(|detail| match detail {
        ErrorDetail::ErrorInfo(info) => Some(info),
        _ => None,
    });
    let info = infos.next().unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
    assert!(infos.next().is_none(), "more than one ErrorInfo: {details:?}");
    assert_eq!((status.code(), info.reason.as_str()), (code, fault::short_name(reason)), "{}", status.message());
    assert_eq!(info.domain, "backline");

    let ids: Vec<&str> = details
        .iter()
        .filter_map(|detail| match detail {
            ErrorDetail::RequestInfo(info) => Some(info.request_id.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(ids.len(), 1, "exactly one RequestInfo: {details:?}");
    assert!(!ids[0].is_empty(), "the RequestInfo names the request");
    assert!(!details.iter().any(|detail| matches!(detail, ErrorDetail::DebugInfo(_))), "DebugInfo is not for clients");
    assert!(!status.message().is_empty(), "a refusal says what is true");
}

/// The details of a refusal.
pub fn details(status: &Status) -> ErrorDetails {
    status.get_error_details()
}

/// A value of `ErrorInfo.metadata`.
pub fn fact(status: &Status, key: &str) -> Option<String> {
    details(status).error_info().and_then(|info| info.metadata.get(key).cloned())
}

/// The paths of the fields that a `BadRequest` names, in its order.
pub fn violations(status: &Status) -> Vec<String> {
    let details = details(status);
    let violations = details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default();
    violations.iter().map(|violation| violation.field.clone()).collect()
}

/// Checks that two refusals tell nobody which is which: all is equal but the request's id.
#[track_caller]
pub fn assert_alike(one: &Status, other: &Status) {
    let told = |status: &Status| {
        let details = status.check_error_details_vec().expect("the details decode").into_iter();
        let details: Vec<ErrorDetail> =
            details.filter(|detail| !matches!(detail, ErrorDetail::RequestInfo(_))).collect();
        // Metadata is in no order.
        let in_order = |detail: ErrorDetail| match detail {
            ErrorDetail::ErrorInfo(info) => {
                format!("{} {} {:?}", info.reason, info.domain, BTreeMap::from_iter(info.metadata))
            }
            other => format!("{other:?}"),
        };
        let details: Vec<String> = details.into_iter().map(in_order).collect();
        (status.code(), status.message().to_owned(), details)
    };
    assert_eq!(told(one), told(other));
}
