//! Sending what was posted, and forgetting it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::letters::{self, End};
use crate::{
    app::App,
    entity::letter::State,
    jobs::{Job, JobError},
    kernel::ids::LetterId,
    mail::MailError,
};

/// How long a letter is tried again: as long as mail servers do (RFC 5321, 4.5.4.1).
const TRIED_FOR: Duration = Duration::from_hours(4 * 24);

/// How long it is known that a letter went out.
const KEPT_FOR: Duration = Duration::from_hours(30 * 24);

/// Hands one letter to the mailer.
#[derive(Debug, Serialize, Deserialize)]
pub struct SendLetter {
    pub letter: LetterId,
}

impl Job for SendLetter {
    const NAME: &'static str = "notifications.send_letter";
    const PRIORITY: i64 = 10;

    /// May run twice: a sent letter is left alone, and what a lost acknowledgement sends again has the same id.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        let found = letters::find(&app.db, self.letter).await.map_err(JobError::retry)?;
        let Some(letter) = found.filter(|letter| letter.state == State::Queued) else { return Ok(()) };
        let Some(sealed) = &letter.sealed else { return Ok(()) };
        let message = app.sealer.open(&letters::place(self.letter), sealed);
        let message = message.ok_or_else(|| JobError::fail("the letter does not open under the vault keys"))?;
        let now = app.clock.now();
        let end = match app.mailer.send(&self.letter.to_string(), &message).await {
            Ok(()) => End::Sent(now),
            Err(error @ MailError::Away(_)) if now.since(letter.created_at) < TRIED_FOR => {
                return Err(JobError::retry(error));
            }
            Err(error) => {
                tracing::warn!(letter.id = %letter.id, letter.kind = letter.kind, %error, "a letter was given up");
                End::Abandoned
            }
        };
        let outcome = if matches!(end, End::Sent(_)) { "sent" } else { "abandoned" };
        metrics::counter!("backline_letters_total", "kind" => letter.kind, "outcome" => outcome).increment(1);
        letters::update_ended(&app.db, self.letter, end).await.map_err(JobError::retry)
    }
}

/// Deletes letters that are over, 30 days after they were written. Their text is long gone by then.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SweepLetters;

impl Job for SweepLetters {
    const NAME: &'static str = "notifications.sweep_letters";

    /// May run twice: what was swept is gone.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        let deleted = letters::delete_old(&app.db, app.clock.now() - KEPT_FOR).await.map_err(JobError::retry)?;
        tracing::info!(deleted, "letters swept");
        Ok(())
    }
}
