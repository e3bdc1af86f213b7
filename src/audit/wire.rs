//! The trail on the wire.

use std::str::FromStr;

use bytes::Bytes;
use tonic::Status;
use uuid::Uuid;

use super::{
    Error,
    domain::Told,
    store::Wanted,
    verify::{Finding, Problem, Range},
};
use crate::{
    entity::audit_event::ActorKind,
    kernel::{
        Digest, Timestamp,
        ids::{
            AccountId, ApplicationId, ArtistId, AuditId, DeviceId, ExportId, Id, ObjectId, RegistrationId, SessionId,
            SubmissionId, TrackId, UploadId, first_at, uuid_in,
        },
        text,
    },
    pb,
    rpc::{Fields, Refusal, convert, filter},
};

const MAX_REASON: usize = 500;
const FIELDS: [&str; 7] = ["actor", "subject", "person", "action", "request_id", "since", "until"];

/// Which rows a filter asks for.
pub fn wanted(text: &str) -> Result<Wanted, Refusal> {
    let mut wanted = Wanted::default();
    for condition in filter::parse(text, &FIELDS)? {
        let unknown = || filter::unknown_value(&condition);
        let value = condition.value;
        match condition.field {
            "actor" => wanted.actor = Some(AccountId::parse(value).map_err(|_| unknown())?),
            "subject" => wanted.subject = Some(uuid_in(value).ok_or_else(unknown)?),
            "person" => wanted.person = Some(uuid_in(value).ok_or_else(unknown)?),
            "action" => wanted.action = Some(value.to_owned()),
            "request_id" => wanted.request_ids.push(value.to_owned()),
            "since" => wanted.since = Some(moment(value).ok_or_else(unknown)?),
            _ => wanted.until = Some(moment(value).ok_or_else(unknown)?),
        }
    }
    Ok(wanted)
}

/// The first id of a moment in RFC 3339.
fn moment(text: &str) -> Option<Uuid> {
    let at = prost_types::Timestamp::from_str(text).ok()?;
    let micros = at.seconds.checked_mul(1_000_000)?.checked_add(i64::from(at.nanos / 1000))?;
    Some(first_at(Timestamp::from_micros(micros)))
}

pub fn listed(rows: &[Told], next_page_token: String) -> pb::ListEventsResponse {
    pb::ListEventsResponse { events: rows.iter().map(event).collect(), next_page_token }
}

pub fn event((row, details): &Told) -> pb::AuditEvent {
    let digest = |digest: &Digest| Bytes::copy_from_slice(digest.as_bytes());
    pb::AuditEvent {
        event_id: row.id.to_string(),
        sequence: row.sequence,
        actor_kind: match row.actor_kind {
            ActorKind::Account => pb::AuditActorKind::Account,
            ActorKind::System => pb::AuditActorKind::System,
            ActorKind::Anonymous => pb::AuditActorKind::Anonymous,
            ActorKind::Operator => pb::AuditActorKind::Operator,
        }
        .into(),
        actor_id: row.actor_id.map(|id| id.to_string()).unwrap_or_default(),
        action: row.action.clone(),
        subject_kind: row.subject_kind.clone(),
        subject_id: row.subject_id.map(|id| typed(&row.subject_kind, id)).unwrap_or_default(),
        person_id: row.person_id.map(|id| person(&row.subject_kind, id)).unwrap_or_default(),
        reason: details.reason.clone().unwrap_or_default(),
        request_id: row.request_id.clone(),
        facts: row.facts.clone(),
        address_prefix: details.address_prefix.clone().unwrap_or_default(),
        user_agent: details.user_agent.clone(),
        private_facts: if details.private.is_null() { String::new() } else { details.private.to_string() },
        shredded: details.is_shredded,
        create_time: Some(convert::timestamp(row.created_at)),
        hash: digest(&row.hash),
        previous_hash: digest(&row.previous_hash),
    }
}

fn person(subject_kind: &str, id: Uuid) -> String {
    if subject_kind == "registration" { RegistrationId::from(id).to_string() } else { AccountId::from(id).to_string() }
}

/// An id as its kind is written elsewhere; kinds without a prefix keep the plain UUID.
fn typed(kind: &str, id: Uuid) -> String {
    match kind {
        "account" => AccountId::from(id).to_string(),
        "registration" => RegistrationId::from(id).to_string(),
        "session" => SessionId::from(id).to_string(),
        "device" => DeviceId::from(id).to_string(),
        "artist" => ArtistId::from(id).to_string(),
        "artist_application" => ApplicationId::from(id).to_string(),
        "upload" => UploadId::from(id).to_string(),
        "object" => ObjectId::from(id).to_string(),
        "track" => TrackId::from(id).to_string(),
        "submission" => SubmissionId::from(id).to_string(),
        "data_export" => ExportId::from(id).to_string(),
        "audit_event" => AuditId::from(id).to_string(),
        _ => id.to_string(),
    }
}

/// Which part of the chain to walk.
pub fn range(message: &pb::VerifyChainRequest) -> Result<Range, Status> {
    let mut fields = Fields::default();
    fields.expect(message.from_sequence >= 0, "from_sequence", "must not be negative");
    fields.expect(message.to_sequence >= 0, "to_sequence", "must not be negative");
    let after = match message.previous_hash.len() {
        0 => None,
        32 => Digest::try_from(message.previous_hash.as_ref()).ok(),
        _ => {
            fields.refuse("previous_hash", "must be empty or 32 bytes");
            None
        }
    };
    fields.finish(|| {
        Some(Range {
            from: message.from_sequence.max(1),
            to: (message.to_sequence > 0).then_some(message.to_sequence),
            after,
            until: None,
        })
    })
}

pub fn found(finding: &Finding) -> pb::VerifyChainResponse {
    let problem = finding.broken.map_or(pb::AuditProblem::Unspecified, |(_, problem)| match problem {
        Problem::Missing => pb::AuditProblem::RowMissing,
        Problem::Changed => pb::AuditProblem::RowChanged,
        Problem::Unlinked => pb::AuditProblem::RowUnlinked,
        Problem::WrongHead => pb::AuditProblem::EndWrong,
    });
    pb::VerifyChainResponse {
        verified_count: finding.verified,
        last_hash: Bytes::copy_from_slice(finding.last_hash.as_bytes()),
        head_sequence: finding.head_sequence,
        head_hash: Bytes::copy_from_slice(finding.head_hash.as_bytes()),
        broken_sequence: finding.broken.map_or(0, |(sequence, _)| sequence),
        problem: problem.into(),
        next_sequence: finding.next.unwrap_or(0),
    }
}

/// Where an export begins, and why it is made. A reason that is missing altogether has a reason of its own.
pub fn export(message: &pb::ExportEventsRequest) -> Result<(i64, String), Status> {
    let mut fields = Fields::default();
    fields.expect(message.after_sequence >= 0, "after_sequence", "must not be negative");
    let reason = fields.read("reason", text::optional_line(&message.reason, MAX_REASON));
    let reason = fields.finish(|| reason)?;
    if reason.is_empty() { Err(Error::ReasonRequired.into()) } else { Ok((message.after_sequence, reason)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_combine() {
        let account = AccountId::from(Uuid::from_u128(7));
        let text = format!("actor = \"{account}\" AND action = authz_change AND since = \"2026-03-01T00:00:00Z\"");
        let read = wanted(&text).unwrap();
        assert_eq!((read.actor, read.action.as_deref()), (Some(account), Some("authz_change")));
        assert_eq!(read.since, Some(first_at(Timestamp::from_micros(1_772_323_200_000_000))));
        for bad in ["actor = ana", "subject = 7", "since = yesterday", "reason = x", "until = 2026"] {
            assert!(wanted(bad).is_err(), "{bad}");
        }
    }
}
