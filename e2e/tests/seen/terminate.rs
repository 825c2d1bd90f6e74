//! SIGTERM under 500 sessions with traffic: each gets Close 1012 between messages, spread over the window,
//! none an end of stream or a reset before the deadline.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::backends::Echo;
use e2e::chatter::{Chatter, Talk};
use e2e::deadline::{SOON, until_true, within};
use e2e::manifests::{App, Manifests};
use e2e::stack::Stack;
use tokio::time::Instant;

const SESSIONS: usize = 500;
const WINDOW: Duration = Duration::from_secs(6);
const DEADLINE: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_closes_every_session_politely_and_one_after_the_other() -> Result<()> {
    let echo = Echo::plain().await?;
    let manifests = Manifests::with(&[&App::new("app", &[echo.addr])])?;
    let drain = ["--drain-window", "6s", "--drain-deadline", "40s"];
    let mut stack = Stack::serve(manifests, &drain).await?;
    // Some messages are large enough to be under way when the Close is due.
    let small = Talk {
        pace: Duration::from_millis(300),
        padding: 20,
    };
    let large = Talk {
        pace: Duration::from_millis(500),
        padding: 100_000,
    };
    let many = Chatter::start(stack.http, "app.test", SESSIONS - 50, small).await?;
    let few = Chatter::start(stack.http, "app.test", 50, large).await?;

    let start = Instant::now();
    stack.terminate()?;
    until_true("readiness off", SOON, || async { !stack.admin.ready().await }).await?;
    let mut closed = within("the end of all sessions", SOON * 2, many.all_closed(1012)).await?;
    closed.extend(within("the end of all sessions", SOON * 2, few.all_closed(1012)).await?);
    closed.sort();
    let status = stack.exited(SOON).await?;
    ensure!(status.success(), "serve ended with {status}");
    ensure!(
        start.elapsed() < DEADLINE,
        "ended after {:?}, past the deadline",
        start.elapsed()
    );

    ensure!(closed.len() == SESSIONS, "{} sessions closed", closed.len());
    let spread = closed[closed.len() - 1] - closed[0];
    println!(
        "closed within {spread:?}, from {:?} after SIGTERM on",
        closed[0] - start
    );
    ensure!(
        spread > WINDOW / 2,
        "all closed within {spread:?} of a window of {WINDOW:?}"
    );
    // No quarter of the window may take more than half of the sessions.
    for first in &closed {
        let within = closed
            .iter()
            .filter(|at| *at >= first && **at < *first + WINDOW / 4)
            .count();
        ensure!(
            within <= SESSIONS / 2,
            "{within} of {SESSIONS} closed within {:?}",
            WINDOW / 4
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sigterm_ends_at_once() -> Result<()> {
    let echo = Echo::plain().await?;
    let manifests = Manifests::with(&[&App::new("app", &[echo.addr])])?;
    let mut stack = Stack::serve(manifests, &["--drain-window", "10m", "--drain-deadline", "20m"]).await?;
    let talk = Talk {
        pace: Duration::from_millis(100),
        padding: 0,
    };
    let chatter = Chatter::start(stack.http, "app.test", 10, talk).await?;
    stack.terminate()?;
    until_true("readiness off", SOON, || async { !stack.admin.ready().await }).await?;
    stack.terminate()?;
    stack.exited(SOON).await?;
    within("the sessions' end", SOON, chatter.ended()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_without_sessions_ends_soon() -> Result<()> {
    let manifests = Manifests::with(&[&App::new("app", &[])])?;
    let mut stack = Stack::serve(manifests, &["--drain-window", "10m", "--drain-deadline", "20m"]).await?;
    stack.terminate()?;
    let status = stack.exited(SOON).await?;
    ensure!(status.success(), "serve ended with {status}");
    Ok(())
}
