//! Review on the wire.

use tonic::Status;

use super::queue::Waiting;
use crate::{
    entity::{artist, submission::Model},
    kernel::{ids::SubmissionId, text},
    pb,
    rpc::{Fields, convert},
    submissions::{self, submission_id},
    tracks,
};

/// Longest note to the artist, in characters.
const MAX_NOTE: usize = 2000;

/// A decision for a submission.
#[derive(Debug)]
pub struct Approval {
    pub submission: SubmissionId,
    pub note: String,
}

/// A decision against one.
#[derive(Debug)]
pub struct Rejection {
    pub submission: SubmissionId,
    /// The reason's name in the proto, without the enum's prefix.
    pub reason: &'static str,
    pub note: String,
}

pub fn approval(message: &pb::ApproveSubmissionRequest) -> Result<Approval, Status> {
    let mut fields = Fields::default();
    let note = fields.read("note", text::paragraphs(&message.note, MAX_NOTE));
    let note = fields.finish(|| note)?;
    Ok(Approval { submission: submission_id(&message.submission_id)?, note })
}

pub fn rejection(message: &pb::RejectSubmissionRequest) -> Result<Rejection, Status> {
    let mut fields = Fields::default();
    let reason = reason(message.reason);
    fields.expect(reason.is_some(), "reason", "must be one of the reasons there are");
    let note = fields.read("note", text::paragraphs(&message.note, MAX_NOTE));
    let (reason, note) = fields.finish(|| Some((reason?, note?)))?;
    Ok(Rejection { submission: submission_id(&message.submission_id)?, reason, note })
}

fn reason(code: i32) -> Option<&'static str> {
    match pb::SubmissionRejectReason::try_from(code).ok()? {
        pb::SubmissionRejectReason::Unspecified => None,
        known => known.as_str_name().strip_prefix("SUBMISSION_REJECT_REASON_"),
    }
}

pub fn queue(rows: &[Waiting], next_page_token: String) -> pb::ListQueueResponse {
    let item = |row: &Waiting| pb::QueueItem {
        submission: Some(submissions::proto(&row.submission)),
        track: row.track.as_ref().map(tracks::proto),
        artist: row.artist.as_ref().map(artist),
    };
    pb::ListQueueResponse {
        submissions: rows.iter().map(|row| submissions::proto(&row.submission)).collect(),
        next_page_token,
        items: rows.iter().map(item).collect(),
    }
}

fn artist(artist: &artist::Model) -> pb::Artist {
    let state = match artist.state {
        artist::State::Active => pb::ArtistState::Active,
        artist::State::Suspended => pb::ArtistState::Suspended,
        artist::State::Archived => pb::ArtistState::Archived,
    };
    pb::Artist {
        artist_id: artist.id.to_string(),
        stage_name: artist.stage_name.clone(),
        biography: artist.biography.clone(),
        links: serde_json::from_str(&artist.links).unwrap_or_default(),
        state: state.into(),
        create_time: Some(convert::timestamp(artist.created_at)),
        update_time: Some(convert::timestamp(artist.updated_at)),
        etag: artist.row_version.to_string(),
    }
}

pub fn started(submission: &Model) -> pb::StartReviewResponse {
    pb::StartReviewResponse { submission: Some(submissions::proto(submission)) }
}

pub fn approved(submission: &Model) -> pb::ApproveSubmissionResponse {
    pb::ApproveSubmissionResponse { submission: Some(submissions::proto(submission)) }
}

pub fn rejected(submission: &Model) -> pb::RejectSubmissionResponse {
    pb::RejectSubmissionResponse { submission: Some(submissions::proto(submission)) }
}

pub fn published(submission: &Model) -> pb::PublishSubmissionResponse {
    pb::PublishSubmissionResponse { submission: Some(submissions::proto(submission)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_wants_a_reason_that_there_is() {
        assert_eq!(reason(pb::SubmissionRejectReason::NotAFit.into()), Some("NOT_A_FIT"));
        assert_eq!(reason(0), None);
        assert_eq!(reason(99), None);
    }
}
