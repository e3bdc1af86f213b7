//! Moving a submission from state to state.

use sea_orm::ActiveValue::Set;

use super::{
    Error,
    states::{self, Method},
    store,
};
use crate::{
    app::App,
    cache::Signal,
    db::WriteTx,
    entity::{
        submission::Model,
        submission_history::{self, ActiveModel},
    },
    kernel::{
        Timestamp,
        ids::{AccountId, HistoryId, Id, SubmissionId},
    },
};

/// A submission on its way: the row as it was read, as it will be, and every step between.
///
/// Whoever makes a move may set further fields of `after`; its state, sequence and version belong to the move.
#[derive(Debug)]
pub struct Move {
    pub before: Model,
    pub after: Model,
    steps: Vec<submission_history::Model>,
}

impl Move {
    /// One step, if the table has it.
    ///
    /// # Errors
    /// What the state does allow.
    pub fn of(before: Model, method: Method, actor: AccountId, now: Timestamp, app: &App) -> Result<Self, Error> {
        let mut after = before.clone();
        after.row_version += 1;
        after.updated_at = now;
        Self { before, after, steps: Vec::new() }.step(method, Some(actor), app)
    }

    /// A further step, taken by the system in the same breath.
    ///
    /// # Errors
    /// As for [`Move::of`].
    pub fn then(self, method: Method, app: &App) -> Result<Self, Error> {
        self.step(method, None, app)
    }

    /// Words for the artist, kept with the last step.
    #[must_use]
    pub fn saying(mut self, note: &str) -> Self {
        if let Some(last) = self.steps.last_mut().filter(|_| !note.is_empty()) {
            last.note = Some(note.to_owned());
        }
        self
    }

    fn step(mut self, method: Method, actor: Option<AccountId>, app: &App) -> Result<Self, Error> {
        let (from, to) = (self.after.state, states::next(self.after.state, method)?);
        self.after.state = to;
        self.after.sequence += 1;
        self.steps.push(submission_history::Model {
            id: HistoryId::new(self.after.updated_at, &app.dice),
            submission_id: self.after.id,
            sequence: self.after.sequence,
            from_state: Some(from),
            to_state: to,
            actor_id: actor,
            note: None,
            created_at: self.after.updated_at,
        });
        Ok(self)
    }

    /// Writes the row and its history, and wakes the watchers once that is durable.
    ///
    /// # Errors
    /// [`Error::Changed`] when the row is no longer as it was read; then the transaction must go.
    pub async fn write(&self, tx: &WriteTx, app: &App) -> Result<(), Error> {
        if !store::update_moved(tx, &self.before, &self.after).await? {
            return Err(Error::Changed);
        }
        store::insert_history(tx, self.steps.iter().map(row).collect()).await?;
        tell(tx, app, self.after.id);
        Ok(())
    }
}

/// The first row of a new submission's history.
pub fn begun(submission: &Model, app: &App) -> ActiveModel {
    row(&submission_history::Model {
        id: HistoryId::new(submission.created_at, &app.dice),
        submission_id: submission.id,
        sequence: submission.sequence,
        from_state: None,
        to_state: submission.state,
        actor_id: Some(submission.submitter_id),
        note: None,
        created_at: submission.created_at,
    })
}

fn row(step: &submission_history::Model) -> ActiveModel {
    ActiveModel {
        id: Set(step.id),
        submission_id: Set(step.submission_id),
        sequence: Set(step.sequence),
        from_state: Set(step.from_state),
        to_state: Set(step.to_state),
        actor_id: Set(step.actor_id),
        note: Set(step.note.clone()),
        created_at: Set(step.created_at),
    }
}

fn tell(tx: &WriteTx, app: &App, id: SubmissionId) {
    let cache = app.cache.clone();
    tx.after_commit(move || cache.signal(Signal::SubmissionChanged(id)));
}

/// Gives a lost race the words that a later call would have got: the state is read again, and if it no longer allows
/// `method`, that is the answer.
///
/// # Errors
/// Those of `outcome`, with [`Error::Changed`] explained.
pub async fn settle<T>(app: &App, id: SubmissionId, method: Method, outcome: Result<T, Error>) -> Result<T, Error> {
    if let Err(Error::Changed) = outcome {
        let now = store::find(&app.db, id).await?.ok_or(Error::NotFound)?;
        states::next(now.state, method)?;
    }
    outcome
}
