//! Submissions on the wire.

use sea_orm::Iterable;
use tonic::Status;

use super::{
    Error,
    allowance::{Allowance, WINDOW},
    domain::HandedIn,
    store::Wanted,
};
use crate::{
    entity::{
        submission::{Model, State},
        submission_history,
    },
    kernel::{
        ids::{SubmissionId, TrackId},
        text,
    },
    pb,
    rpc::{
        Fields, convert,
        fields::id_or,
        filter::{self, unknown_value},
    },
};

/// Longest note to or from the reviewers, in characters.
const MAX_NOTE: usize = 2000;

/// A submission to be.
#[derive(Debug)]
pub struct NewSubmission {
    pub track: TrackId,
    pub note: String,
}

pub fn submission_id(text: &str) -> Result<SubmissionId, Status> {
    id_or(text, || Error::NotFound)
}

pub fn new_submission(message: &pb::CreateSubmissionRequest) -> Result<NewSubmission, Status> {
    let mut fields = Fields::default();
    fields.expect(!message.track_id.is_empty(), "track_id", "must not be empty");
    let note = fields.read("note", text::paragraphs(&message.note, MAX_NOTE));
    let note = fields.finish(|| note)?;
    Ok(NewSubmission { track: id_or(&message.track_id, || Error::TrackNotFound)?, note })
}

/// Which submissions a list is to show.
pub fn wanted(message: &pb::ListSubmissionsRequest) -> Result<Wanted, Status> {
    let mut state = None;
    for condition in filter::parse(&message.filter, &["state"])? {
        let named = State::iter().find(|state| state.to_string().to_uppercase() == condition.value);
        state = Some(named.ok_or_else(|| unknown_value(&condition))?);
    }
    let artist = match message.artist_id.as_str() {
        "" => None,
        id => Some(id_or(id, || Error::ArtistNotFound)?),
    };
    Ok(Wanted { artist, state })
}

/// The last sequence that a watcher saw; 0 for none.
pub fn resume_after(message: &pb::WatchSubmissionRequest) -> Result<i64, Status> {
    let mut fields = Fields::default();
    fields.expect(message.resume_after_sequence >= 0, "resume_after_sequence", "must not be negative");
    fields.finish(|| Some(message.resume_after_sequence))
}

/// A submission as everyone gets it who may see it.
pub fn proto(submission: &Model) -> pb::Submission {
    let reason = submission.decision_reason.as_deref().map(|code| format!("SUBMISSION_REJECT_REASON_{code}"));
    let reason = reason.and_then(|name| pb::SubmissionRejectReason::from_str_name(&name)).unwrap_or_default();
    pb::Submission {
        submission_id: submission.id.to_string(),
        track_id: submission.track_id.to_string(),
        artist_id: submission.artist_id.to_string(),
        state: state(submission.state).into(),
        note: submission.note.clone(),
        revision: i32::try_from(submission.revision).unwrap_or(i32::MAX),
        submit_time: submission.submitted_at.map(convert::timestamp),
        decide_time: submission.decided_at.map(convert::timestamp),
        publish_time: submission.published_at.map(convert::timestamp),
        decision_reason: reason.into(),
        decision_note: submission.decision_note.clone().unwrap_or_default(),
        create_time: Some(convert::timestamp(submission.created_at)),
        update_time: Some(convert::timestamp(submission.updated_at)),
        etag: submission.row_version.to_string(),
    }
}

/// One change of state, for watchers.
pub fn change(row: &submission_history::Model) -> pb::SubmissionChange {
    pb::SubmissionChange {
        from_state: row.from_state.map_or(pb::SubmissionState::Unspecified, state).into(),
        to_state: state(row.to_state).into(),
        note: row.note.clone().unwrap_or_default(),
        change_time: Some(convert::timestamp(row.created_at)),
    }
}

fn state(state: State) -> pb::SubmissionState {
    match state {
        State::Draft => pb::SubmissionState::Draft,
        State::Processing => pb::SubmissionState::Processing,
        State::Submitted => pb::SubmissionState::Submitted,
        State::ChangesRequested => pb::SubmissionState::ChangesRequested,
        State::InReview => pb::SubmissionState::InReview,
        State::Approved => pb::SubmissionState::Approved,
        State::Rejected => pb::SubmissionState::Rejected,
        State::Published => pb::SubmissionState::Published,
        State::TakenDown => pb::SubmissionState::TakenDown,
        State::Withdrawn => pb::SubmissionState::Withdrawn,
        State::Expired => pb::SubmissionState::Expired,
    }
}

fn limit(allowance: Allowance) -> pb::Limit {
    let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    pb::Limit {
        limit: number(allowance.limit),
        remaining: number(allowance.remaining),
        window: Some(convert::duration(WINDOW)),
    }
}

pub fn created(submission: &Model) -> pb::CreateSubmissionResponse {
    pb::CreateSubmissionResponse { submission: Some(proto(submission)) }
}

pub fn handed_in(outcome: &HandedIn) -> pb::SubmitSubmissionResponse {
    pb::SubmitSubmissionResponse { submission: Some(proto(&outcome.submission)), limit: Some(limit(outcome.allowance)) }
}

pub fn withdrawn(submission: &Model) -> pb::WithdrawSubmissionResponse {
    pb::WithdrawSubmissionResponse { submission: Some(proto(submission)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_filtered_by_their_names_in_the_proto() {
        for known in State::iter() {
            let name = state(known).as_str_name().trim_start_matches("SUBMISSION_STATE_").to_owned();
            let message = pb::ListSubmissionsRequest { filter: format!("state = {name}"), ..Default::default() };
            assert_eq!(wanted(&message).unwrap().state, Some(known));
        }
        for filter in ["state = SOLD", "state = draft", "colour = RED"] {
            let message = pb::ListSubmissionsRequest { filter: filter.to_owned(), ..Default::default() };
            assert!(wanted(&message).is_err(), "{filter}");
        }
    }
}
