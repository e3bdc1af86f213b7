//! Writing letters that a call asked for, and forgetting what came to nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{reset, store};
use crate::{
    accounts::proof::Proof,
    app::App,
    jobs::{Job, JobError},
    kernel::ids::ProofId,
};

/// Writes the letter of a reset, if the address has an account.
#[derive(Debug, Serialize, Deserialize)]
pub struct SendReset {
    pub proof: ProofId,
    /// The link's token and the code, sealed, in hexadecimal.
    sealed: String,
}

impl SendReset {
    pub(super) fn of(app: &App, id: ProofId, proof: Proof) -> Self {
        let sealed = app.sealer.seal(&place(id), proof.into_text().as_bytes());
        Self { proof: id, sealed: hex::encode(sealed) }
    }

    fn open(&self, app: &App) -> Option<Proof> {
        let text = app.sealer.open(&place(self.proof), &hex::decode(&self.sealed).ok()?)?;
        Proof::from_text(std::str::from_utf8(&text).ok()?)
    }
}

/// The additional data that a proof is sealed with.
fn place(id: ProofId) -> Vec<u8> {
    format!("mail_proof/{id}").into_bytes()
}

impl Job for SendReset {
    const NAME: &'static str = "security.send_reset";
    const PRIORITY: i64 = 10;

    /// May run twice: one proof gets one letter.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        let proof = self.open(app).ok_or_else(|| JobError::fail("the proof does not open under the vault keys"))?;
        reset::deliver(app, self.proof, &proof).await.map_err(JobError::retry)
    }
}

/// How long after its link died a proof is kept.
const KEPT_FOR: Duration = Duration::from_hours(168);

/// Deletes proofs whose link died a week ago, with the changes of address and tries of that age.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SweepProofs;

impl Job for SweepProofs {
    const NAME: &'static str = "security.sweep_proofs";

    /// May run twice: what was swept is gone.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        let deleted = store::delete_stale(&app.db, app.clock.now() - KEPT_FOR).await.map_err(JobError::retry)?;
        tracing::info!(deleted, "proofs of letters swept");
        Ok(())
    }
}
