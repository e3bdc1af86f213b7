//! Taking and deciding.

use sea_orm::DbErr;

use super::{
    Error,
    store::{self, About},
    wire::{Approval, Rejection},
};
use crate::{
    app::App,
    audit::{self, Event},
    db::WriteTx,
    entity::{account, submission::Model},
    kernel::{Caller, Principal, ids::SubmissionId},
    mail::Letter,
    notifications::{self, Reader},
    rpc::once::Record,
    submissions::{self, Method, Move, settle},
    tracks,
};

/// Takes a submission into review.
pub async fn start(app: &App, caller: &Caller, id: SubmissionId, once: &impl Record<Model>) -> Result<Model, Error> {
    let mut step = begin(app, caller, id, Method::StartReview).await?;
    step.after.reviewer_id = Some(caller.account);
    let outcome = write_start(app, caller, &step, once).await;
    Ok(settle(app, id, Method::StartReview, outcome).await?)
}

async fn write_start(
    app: &App,
    caller: &Caller,
    step: &Move,
    once: &impl Record<Model>,
) -> Result<Model, submissions::Error> {
    let tx = app.db.begin_write().await?;
    step.write(&tx, app).await?;
    note(&tx, app, caller, "submission_review_started", None, &step.after).await?;
    once.record(&tx, &step.after).await?;
    tx.commit().await?;
    Ok(step.after.clone())
}

/// Accepts a submission. The track stays locked until it is published.
pub async fn approve(
    app: &App,
    caller: &Caller,
    approval: Approval,
    once: &impl Record<Model>,
) -> Result<Model, Error> {
    let step = begin(app, caller, approval.submission, Method::Approve).await?;
    let mut step = step.saying(&approval.note);
    step.after.decision_note = Some(approval.note);
    decide(app, caller, step, Method::Approve, once).await
}

/// Declines a submission. The track becomes a draft again.
pub async fn reject(
    app: &App,
    caller: &Caller,
    rejection: Rejection,
    once: &impl Record<Model>,
) -> Result<Model, Error> {
    let step = begin(app, caller, rejection.submission, Method::Reject).await?;
    let mut step = step.saying(&rejection.note);
    step.after.decision_note = Some(rejection.note);
    step.after.decision_reason = Some(rejection.reason.to_owned());
    decide(app, caller, step, Method::Reject, once).await
}

async fn decide(
    app: &App,
    caller: &Caller,
    mut step: Move,
    method: Method,
    once: &impl Record<Model>,
) -> Result<Model, Error> {
    step.after.decided_by = Some(caller.account);
    step.after.decided_at = Some(step.after.updated_at);
    let id = step.after.id;
    let about = store::find_about(&app.db, id).await?.ok_or(submissions::Error::NotFound)?;
    let outcome = write_decision(app, caller, &step, method, &about, once).await;
    Ok(settle(app, id, method, outcome).await?)
}

async fn write_decision(
    app: &App,
    caller: &Caller,
    step: &Move,
    method: Method,
    about: &About,
    once: &impl Record<Model>,
) -> Result<Model, submissions::Error> {
    let decided = &step.after;
    let tx = app.db.begin_write().await?;
    step.write(&tx, app).await?;
    let (action, decision) = match method {
        Method::Reject => {
            tracks::release(&tx, decided.track_id, decided.updated_at).await?;
            ("submission_rejected", "rejected")
        }
        _ => ("submission_approved", "approved"),
    };
    note(&tx, app, caller, action, decided.decision_reason.as_deref(), decided).await?;
    write_letter(&tx, app, decided, about, decision).await?;
    once.record(&tx, decided).await?;
    tx.commit().await?;
    Ok(decided.clone())
}

/// Reads the submission and makes the step, for a reviewer who has nothing to do with its artist.
pub(super) async fn begin(app: &App, caller: &Caller, id: SubmissionId, method: Method) -> Result<Move, Error> {
    let seen = submissions::as_reviewer(app, caller, id).await?;
    if seen.standing.is_member() || seen.submission.submitter_id == caller.account {
        return Err(Error::OwnArtist);
    }
    Ok(Move::of(seen.submission, method, caller.account, app.clock.now(), app)?)
}

/// Tells whoever handed it in. An erased account gets no letters.
pub(super) async fn write_letter(
    tx: &WriteTx,
    app: &App,
    submission: &Model,
    about: &About,
    decision: &'static str,
) -> Result<(), DbErr> {
    if about.status == account::Status::Deleted {
        return Ok(());
    }
    let note = if decision == "published" { None } else { submission.decision_note.clone() };
    let letter = Letter::SubmissionDecided { title: about.title.clone(), decision, note: note.unwrap_or_default() };
    let occasion = format!("submission_decided/{}/{}", submission.id, submission.sequence);
    let reader = Reader { account: Some(submission.submitter_id), email: &about.email, locale: &about.locale };
    notifications::post(tx, app, &occasion, reader, &letter).await
}

pub(super) async fn note(
    tx: &WriteTx,
    app: &App,
    caller: &Caller,
    action: &'static str,
    reason: Option<&str>,
    submission: &Model,
) -> Result<(), DbErr> {
    let mut event = Event::new(Principal::Account(caller.account), action, "submission", submission.id)
        .about(submission.submitter_id);
    event.reason = reason;
    audit::write(tx, app, Some(&caller.facts), event).await
}
