//! Until when the work of this task is worth doing.
//!
//! The gate sets it for each call. Whoever is about to do something long looks at it, so that nobody works for a caller
//! who has given up; it need not be passed down through everything between.

use std::{future::Future, time::Duration};

use tokio::time::Instant;

tokio::task_local! {
    static DEADLINE: Instant;
}

/// Runs `work`, whose deadline is `at`.
pub async fn until<T>(at: Instant, work: impl Future<Output = T>) -> T {
    DEADLINE.scope(at, work).await
}

/// This task's deadline, or `patience` from now, whichever is sooner.
pub fn within(patience: Duration) -> Instant {
    let limit = Instant::now() + patience;
    DEADLINE.try_with(|at| limit.min(*at)).unwrap_or(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_sooner_of_deadline_and_patience_holds() {
        let soon = Instant::now() + Duration::from_secs(1);
        until(soon, async {
            assert_eq!(within(Duration::from_secs(9)), soon);
            assert!(within(Duration::from_millis(1)) < soon);
        })
        .await;
        assert!(within(Duration::from_secs(9)) > soon, "no deadline outside");
    }
}
