//! What the artist's side does.

use sea_orm::DbErr;

use super::{
    Error,
    allowance::{self, Allowance},
    moves::{self, Move, settle},
    read, snapshot,
    states::{self, Method},
    store,
    wire::NewSubmission,
};
use crate::{
    app::App,
    audit::{self, Event},
    db::WriteTx,
    entity::{
        submission::{Model, State},
        track,
    },
    kernel::{
        Caller, Principal,
        ids::{Id, SubmissionId},
    },
    rpc::once::Record,
    tracks::{self, Act},
};

/// Begins a submission as a draft.
pub async fn create(app: &App, caller: &Caller, new: NewSubmission, once: &impl Record<Model>) -> Result<Model, Error> {
    let seen = tracks::find_seen(&app.db, new.track, caller.account).await?.ok_or(Error::TrackNotFound)?;
    if !seen.standing.is_member() {
        return Err(Error::TrackNotFound);
    }
    if !seen.standing.may_add() {
        return Err(Error::MayNotEdit);
    }
    let track = seen.track.model;
    if track.state == track::State::Locked {
        return Err(already_offered(app, track.id).await?);
    }
    tracks::allows(track.state, Act::Offer)?;

    let now = app.clock.now();
    let submission = Model {
        id: SubmissionId::new(now, &app.dice),
        track_id: track.id,
        artist_id: track.artist_id,
        submitter_id: caller.account,
        state: State::Draft,
        priority: 0,
        note: new.note,
        revision: 0,
        sequence: 1,
        reviewer_id: None,
        submitted_at: None,
        decided_by: None,
        decided_at: None,
        decision_reason: None,
        decision_note: None,
        published_at: None,
        created_at: now,
        updated_at: now,
        row_version: 1,
    };
    match write_draft(app, caller, &submission, once).await {
        Err(Error::ActiveSubmissionExists(_)) => Err(already_offered(app, track.id).await?),
        Err(error) => Err(error),
        Ok(()) => Ok(submission),
    }
}

async fn write_draft(app: &App, caller: &Caller, draft: &Model, once: &impl Record<Model>) -> Result<(), Error> {
    let tx = app.db.begin_write().await?;
    if !tracks::hold(&tx, draft.track_id).await? {
        tx.rollback().await?;
        return Err(gone(app, draft).await?);
    }
    store::insert(&tx, draft).await?;
    store::insert_history(&tx, vec![moves::begun(draft, app)]).await?;
    note(&tx, app, caller, "submission_created", draft).await?;
    once.record(&tx, draft).await?;
    Ok(tx.commit().await?)
}

/// Why a track that was a draft a moment ago is none now.
async fn gone(app: &App, draft: &Model) -> Result<Error, DbErr> {
    Ok(match tracks::find(&app.db, draft.track_id).await? {
        None => Error::TrackNotFound,
        Some(track) if track.model.state == track::State::Locked => Error::ActiveSubmissionExists(None),
        Some(track) => tracks::allows(track.model.state, Act::Offer).map_or_else(Error::from, |()| Error::Changed),
    })
}

async fn already_offered(app: &App, track: crate::kernel::ids::TrackId) -> Result<Error, DbErr> {
    let active = store::find_active(&app.db, track).await?;
    Ok(Error::ActiveSubmissionExists(active.map(|active| active.id)))
}

/// A submission that was handed in, and what is left of the hourly limit.
#[derive(Debug)]
pub struct HandedIn {
    pub submission: Model,
    pub allowance: Allowance,
}

/// Hands a draft in: freezes the track as the next revision and locks it.
pub async fn submit(
    app: &App,
    caller: &Caller,
    id: SubmissionId,
    once: &impl Record<HandedIn>,
) -> Result<HandedIn, Error> {
    let submission = read::as_member(app, caller, id).await?;
    states::next(submission.state, Method::Submit)?;
    let track = tracks::find(&app.db, submission.track_id).await?.ok_or(Error::Changed)?;
    let named = std::iter::once(track.model.audio_upload_id).chain(track.model.artwork_upload_id).collect();
    let snapshot = snapshot::of(&track, &store::list_uploads(&app.db, named).await?)?;
    let now = app.clock.now();
    let mut step = Move::of(submission, Method::Submit, caller.account, now, app)?.then(Method::PassChecks, app)?;
    step.after.revision += 1;
    step.after.submitted_at = Some(now);
    let outcome = write_hand_in(app, caller, &step, track.model.row_version, snapshot, once).await;
    settle(app, id, Method::Submit, outcome).await
}

async fn write_hand_in(
    app: &App,
    caller: &Caller,
    step: &Move,
    track_version: i64,
    snapshot: String,
    once: &impl Record<HandedIn>,
) -> Result<HandedIn, Error> {
    let submission = &step.after;
    let tx = app.db.begin_write().await?;
    let allowance = allowance::take(&tx, app, caller.account).await?;
    // The version makes sure that what is frozen is what is locked.
    if !tracks::lock(&tx, submission.track_id, track_version, submission.updated_at).await? {
        return Err(Error::Changed);
    }
    step.write(&tx, app).await?;
    store::insert_revision(&tx, submission, snapshot).await?;
    note(&tx, app, caller, "submission_submitted", submission).await?;
    let handed_in = HandedIn { submission: submission.clone(), allowance };
    once.record(&tx, &handed_in).await?;
    tx.commit().await?;
    Ok(handed_in)
}

/// Takes a submission back before it is decided; its track becomes a draft again.
pub async fn withdraw(app: &App, caller: &Caller, id: SubmissionId, once: &impl Record<Model>) -> Result<Model, Error> {
    let submission = read::as_member(app, caller, id).await?;
    let step = Move::of(submission, Method::Withdraw, caller.account, app.clock.now(), app)?;
    let outcome = write_withdrawal(app, caller, &step, once).await;
    settle(app, id, Method::Withdraw, outcome).await
}

async fn write_withdrawal(app: &App, caller: &Caller, step: &Move, once: &impl Record<Model>) -> Result<Model, Error> {
    let tx = app.db.begin_write().await?;
    step.write(&tx, app).await?;
    if states::holds_track(step.before.state) {
        tracks::release(&tx, step.after.track_id, step.after.updated_at).await?;
    }
    note(&tx, app, caller, "submission_withdrawn", &step.after).await?;
    once.record(&tx, &step.after).await?;
    tx.commit().await?;
    Ok(step.after.clone())
}

async fn note(tx: &WriteTx, app: &App, caller: &Caller, action: &'static str, submission: &Model) -> Result<(), DbErr> {
    let event = Event::new(Principal::Account(caller.account), action, "submission", submission.id);
    audit::write(tx, app, Some(&caller.facts), event).await
}
