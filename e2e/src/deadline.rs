//! Waiting: for a condition with a deadline, never for a time to pass.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep, timeout};

/// How long a thing may take that should take no time: a loaded machine is slow.
pub const SOON: Duration = Duration::from_secs(30);

/// Polls until `probe` yields a value.
///
/// # Errors
/// Says `what` did not happen when `limit` has passed.
pub async fn until<T, F, P>(what: &str, limit: Duration, mut probe: F) -> Result<T>
where
    F: FnMut() -> P,
    P: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(5);
    loop {
        if let Some(value) = probe().await {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            bail!("{what}: not within {limit:?}");
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Polls until `probe` is true.
///
/// # Errors
/// As [`until`].
pub async fn until_true<F, P>(what: &str, limit: Duration, mut probe: F) -> Result<()>
where
    F: FnMut() -> P,
    P: Future<Output = bool>,
{
    until(what, limit, || {
        let answer = probe();
        async move { answer.await.then_some(()) }
    })
    .await
}

/// Awaits a fallible `work` for at most `limit`.
///
/// # Errors
/// Those of `work`, and that it did not end in time; both name `what`.
pub async fn within<T, E>(what: &str, limit: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T>
where
    Result<T, E>: Context<T, E>,
{
    match timeout(limit, work).await {
        Ok(result) => result.with_context(|| what.to_owned()),
        Err(_) => bail!("{what}: not within {limit:?}"),
    }
}
