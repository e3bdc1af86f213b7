//! What every watch has in common: how often it shows that it is alive, and when it ends cleanly.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Request;

use super::{
    access::Cost,
    gate::{Closing, Deadline},
};

/// A quiet stream says this often that it is alive.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// How late a change made by another instance is noticed at most.
pub const LOOK: Duration = Duration::from_secs(1);

/// When a watch ends cleanly, whatever happens.
#[derive(Clone, Debug)]
pub struct Until {
    pub at: Instant,
    /// Its connection is to end.
    pub closing: CancellationToken,
}

impl Until {
    /// As the gate and the connection decided for this call.
    pub fn of<T>(request: &Request<T>) -> Self {
        let deadline = request.extensions().get::<Deadline>().map(|deadline| deadline.0);
        let closing = request.extensions().get::<Closing>().map(|closing| closing.0.clone());
        Self {
            at: deadline.unwrap_or_else(|| Instant::now() + Cost::Watch.time_limit()),
            closing: closing.unwrap_or_default(),
        }
    }

    /// Whether the time has come.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.at || self.closing.is_cancelled()
    }
}
