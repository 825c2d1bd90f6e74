//! Waiting for a moment that may not come.

use tokio::time::{Instant, sleep_until};

/// Waits until `at`; for ever if there is no such moment.
pub(crate) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
