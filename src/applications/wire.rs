//! Applications on the wire.

use tonic::Status;
use url::Url;

use super::domain::{NewApplication, Refusal};
use crate::{
    artists,
    entity::artist_application::{Model, State},
    kernel::text,
    pb::{self, ApplicationRejectReason as Reason, ApplicationState},
    rpc::{self, Fields, convert, filter},
};

const MAX_STAGE_NAME: usize = 100;
const MAX_BIOGRAPHY: usize = 5_000;
const MAX_LINKS: usize = 10;
const MAX_LINK: usize = 500;
const MAX_NOTE: usize = 2_000;

/// Each reason as it is stored, on the wire, and in words for the applicant.
const REASONS: [(&str, Reason, &str); 6] = [
    ("incomplete", Reason::Incomplete, "Your application said too little to decide on."),
    ("identity_unconfirmed", Reason::IdentityUnconfirmed, "Your links do not show that you are the artist."),
    ("impersonation", Reason::Impersonation, "The application uses another artist's name or work."),
    ("duplicate", Reason::Duplicate, "The artist is here already."),
    ("content_policy", Reason::ContentPolicy, "The application is against our content rules."),
    ("other", Reason::Other, "There was another reason."),
];

pub fn proto(application: &Model) -> pb::Application {
    let reason = application.decision_reason.as_deref();
    let reason = REASONS.iter().find(|(stored, ..)| Some(*stored) == reason).map(|(_, reason, _)| *reason);
    pb::Application {
        application_id: application.id.to_string(),
        applicant_id: application.applicant_id.to_string(),
        stage_name: application.stage_name.clone(),
        biography: application.biography.clone(),
        links: artists::links(&application.links),
        state: pb_state(application.state).into(),
        artist_id: application.artist_id.map(|id| id.to_string()).unwrap_or_default(),
        decision_reason: reason.unwrap_or_default().into(),
        decision_note: application.decision_note.clone().unwrap_or_default(),
        submit_time: application.submitted_at.map(convert::timestamp),
        decide_time: application.decided_at.map(convert::timestamp),
        create_time: Some(convert::timestamp(application.created_at)),
        update_time: Some(convert::timestamp(application.updated_at)),
        etag: application.row_version.to_string(),
    }
}

fn pb_state(state: State) -> ApplicationState {
    match state {
        State::Draft => ApplicationState::Draft,
        State::Submitted => ApplicationState::Submitted,
        State::InReview => ApplicationState::InReview,
        State::InfoRequested => ApplicationState::InfoRequested,
        State::Approved => ApplicationState::Approved,
        State::Rejected => ApplicationState::Rejected,
        State::Withdrawn => ApplicationState::Withdrawn,
        State::Expired => ApplicationState::Expired,
    }
}

pub fn created(application: &Model) -> pb::CreateApplicationResponse {
    pb::CreateApplicationResponse { application: Some(proto(application)) }
}

pub fn submitted(application: &Model) -> pb::SubmitApplicationResponse {
    pb::SubmitApplicationResponse { application: Some(proto(application)) }
}

pub fn approved(application: &Model) -> pb::ApproveApplicationResponse {
    pb::ApproveApplicationResponse { application: Some(proto(application)) }
}

pub fn rejected(application: &Model) -> pb::RejectApplicationResponse {
    pb::RejectApplicationResponse { application: Some(proto(application)) }
}

pub fn listed(applications: &[Model], next_page_token: String) -> pb::ListApplicationsResponse {
    pb::ListApplicationsResponse { applications: applications.iter().map(proto).collect(), next_page_token }
}

pub fn new_application(message: &pb::CreateApplicationRequest) -> Result<NewApplication, Status> {
    let mut fields = Fields::default();
    let stage_name = fields.read("stage_name", text::line(&message.stage_name, MAX_STAGE_NAME));
    let biography = fields.read("biography", text::paragraphs(&message.biography, MAX_BIOGRAPHY));
    fields.expect(message.links.len() <= MAX_LINKS, "links", "must be at most 10");
    let links: Vec<String> = message
        .links
        .iter()
        .take(MAX_LINKS)
        .enumerate()
        .filter_map(|(place, given)| fields.read(&format!("links[{place}]"), link(given)))
        .collect();
    fields.finish(|| {
        Some(NewApplication {
            stage_name: stage_name?,
            biography: biography?,
            links: serde_json::Value::from(links).to_string(),
        })
    })
}

/// A link as given, if it is an https URL of a host and carries no password.
fn link(given: &str) -> Result<String, &'static str> {
    const WANTED: &str = "must be an https URL of at most 500 characters";
    let text = text::line(given, MAX_LINK).map_err(|_| WANTED)?;
    let url = Url::parse(&text).map_err(|_| WANTED)?;
    let plain = url.scheme() == "https" && url.has_host() && url.username().is_empty() && url.password().is_none();
    if plain && !text.contains(char::is_whitespace) { Ok(text) } else { Err(WANTED) }
}

/// The state that a filter asks for. Drafts are nobody else's business, so staff cannot ask for them.
pub fn state_filter(text: &str) -> Result<Option<State>, rpc::Refusal> {
    let conditions = filter::parse(text, &["state"])?;
    let Some(condition) = conditions.first() else { return Ok(None) };
    match ApplicationState::from_str_name(&format!("APPLICATION_STATE_{}", condition.value)) {
        Some(ApplicationState::Submitted) => Ok(Some(State::Submitted)),
        Some(ApplicationState::InReview) => Ok(Some(State::InReview)),
        Some(ApplicationState::InfoRequested) => Ok(Some(State::InfoRequested)),
        Some(ApplicationState::Approved) => Ok(Some(State::Approved)),
        Some(ApplicationState::Rejected) => Ok(Some(State::Rejected)),
        Some(ApplicationState::Withdrawn) => Ok(Some(State::Withdrawn)),
        Some(ApplicationState::Expired) => Ok(Some(State::Expired)),
        Some(ApplicationState::Draft | ApplicationState::Unspecified) | None => Err(filter::unknown_value(condition)),
    }
}

pub fn note(message: &pb::ApproveApplicationRequest) -> Result<String, Status> {
    let mut fields = Fields::default();
    let note = fields.read("note", text::paragraphs(&message.note, MAX_NOTE));
    fields.finish(|| note)
}

pub fn refusal(message: &pb::RejectApplicationRequest) -> Result<Refusal, Status> {
    let mut fields = Fields::default();
    let known = REASONS.iter().find(|(_, reason, _)| *reason as i32 == message.reason);
    let reason = fields.read("reason", known.ok_or("must be one of the reasons"));
    let note = fields.read("note", text::paragraphs(&message.note, MAX_NOTE));
    fields.finish(|| reason.and_then(|(reason, _, words)| Some(Refusal { reason, words, note: note? })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_somewhere_safe() {
        for good in ["https://example.org", "https://example.org/a?b=c#d", "https://bücher.example/ö"] {
            assert_eq!(link(good), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "example.org",
            "http://example.org",
            "javascript:alert(1)",
            "https://ana:secret@example.org",
            "https://exa mple.org",
            "https://",
        ] {
            assert!(link(bad).is_err(), "{bad}");
        }
        assert!(link(&format!("https://example.org/{}", "a".repeat(500))).is_err());
    }

    #[test]
    fn every_bad_field_is_named() {
        let message = pb::CreateApplicationRequest {
            stage_name: " ".into(),
            biography: "\u{7}".into(),
            links: vec!["https://example.org".into(), "ftp://example.org".into()],
            ..Default::default()
        };
        let refused = new_application(&message).unwrap_err();
        let violations = tonic_types::StatusExt::get_details_bad_request(&refused).unwrap().field_violations;
        let fields: Vec<&str> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["stage_name", "biography", "links[1]"]);
    }

    #[test]
    fn staff_filter_by_any_state_but_drafts() {
        assert_eq!(state_filter("").unwrap(), None);
        assert_eq!(state_filter("state = IN_REVIEW").unwrap(), Some(State::InReview));
        for bad in ["state = DRAFT", "state = submitted", "state = UNSPECIFIED", "applicant = ana"] {
            assert!(state_filter(bad).is_err(), "{bad}");
        }
    }
}
