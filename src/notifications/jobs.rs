//! Sending what was posted.

use serde::{Deserialize, Serialize};

use super::letters;
use crate::{
    app::App,
    entity::letter::State,
    jobs::{Job, JobError},
    kernel::ids::LetterId,
};

/// Hands one letter to the mailer.
#[derive(Debug, Serialize, Deserialize)]
pub struct SendLetter {
    pub letter: LetterId,
}

impl Job for SendLetter {
    const NAME: &'static str = "notifications.send_letter";
    const PRIORITY: i64 = 10;

    /// May run twice: the mailer delivers a letter's id once, and a sent letter is left alone.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        let found = letters::find(&app.db, self.letter).await.map_err(JobError::retry)?;
        let Some(sealed) = found.filter(|letter| letter.state == State::Queued).and_then(|letter| letter.sealed) else {
            return Ok(());
        };
        let message = app.sealer.open(&letters::place(self.letter), &sealed);
        let message = message.ok_or_else(|| JobError::fail("the letter does not open under the vault keys"))?;
        app.mailer.send(&self.letter.to_string(), &message).await.map_err(JobError::retry)?;
        letters::update_sent(&app.db, self.letter, app.clock.now()).await.map_err(JobError::retry)
    }
}
