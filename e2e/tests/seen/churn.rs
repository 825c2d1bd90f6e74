//! 500 live sessions with traffic while 1,000 manifest changes land (routes added, removed, weights,
//! endpoints added and removed elsewhere): none cut, no message lost; `holdfast_sessions_cut_by_config_total`
//! is 0. A removed route or endpoint ends only its own sessions, politely.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::backends::Echo;
use e2e::backends::web::Web;
use e2e::chatter::{Chatter, Talk};
use e2e::deadline::{SOON, within};
use e2e::manifests::{App, Backend};
use e2e::stack::Stack;
use tokio::time::Instant;

const SESSIONS: usize = 500;
const CHANGES: usize = 1000;
const TALK: Talk = Talk {
    pace: Duration::from_millis(400),
    padding: 50,
};
/// Sent to sessions whose route is gone: there is nothing to come back to.
const GOING_AWAY: u16 = 1001;
/// Sent to sessions whose endpoint is gone: another one will take them.
const SERVICE_RESTART: u16 = 1012;

/// The change of that number; each differs from the one before, and none touches what the sessions use.
fn change(stack: &Stack, number: usize, web: SocketAddr, echoes: &[SocketAddr; 2]) -> Result<()> {
    let turn = number / 5;
    let other = SocketAddr::from(([127, 0, 0, 9], web.port()));
    match number % 5 {
        // A route comes, and goes 50 changes later.
        0 => stack
            .manifests
            .save_app(&App::new(&format!("extra-{turn}"), &[web])),
        1 if turn >= 10 => stack.manifests.remove(&format!("extra-{}.yaml", turn - 10)),
        1 => stack
            .manifests
            .save_app(&App::new("early", &[web]).path(&format!("/{turn}"))),
        // Weights move.
        2 => {
            let weight = (number % 100) as u32;
            let backends = vec![
                Backend::new("left", weight, &[web]),
                Backend::new("right", 100, &[web]),
            ];
            stack
                .manifests
                .save_app(&App::new("split", &[]).backends(backends))
        }
        // An endpoint comes and goes elsewhere.
        3 => {
            let endpoints: &[_] = if turn.is_multiple_of(2) {
                &[web, other]
            } else {
                &[web]
            };
            stack.manifests.save_app(&App::new("elsewhere", endpoints))
        }
        // The sessions' own object changes around them: another endpoint, another path beside theirs.
        _ => {
            let mut endpoints = echoes.to_vec();
            endpoints.extend(turn.is_multiple_of(2).then_some(other));
            stack.manifests.save_app(&App::new("steady", &endpoints))
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_changes_cut_none_of_500_sessions() -> Result<()> {
    let (one, two, web) = (Echo::plain().await?, Echo::plain().await?, Web::start().await?);
    let echoes = [one.addr, two.addr];
    let stack = Stack::start(&[&App::new("steady", &echoes)]).await?;
    let chatter = Chatter::start(stack.http, "steady.test", SESSIONS, TALK).await?;
    let start = Instant::now();
    for number in 0..CHANGES {
        change(&stack, number, web.addr, &echoes)?;
        // Changes land one after the other, not in one batch: the last five must serve first.
        if number % 5 == 0 {
            let host = format!("extra-{}.test", number / 5);
            stack.until_reason(&host, "/", |reason| reason.is_none()).await?;
        }
    }
    let last = CHANGES / 5 - 1;
    stack
        .until_reason(&format!("extra-{last}.test"), "/", |reason| reason.is_none())
        .await?;
    stack
        .until_reason(&format!("extra-{}.test", last - 10), "/", |reason| {
            reason == Some("NoRoute")
        })
        .await?;
    println!("{CHANGES} changes in {:?}", start.elapsed());
    let metrics = stack.admin.metrics().await?;
    ensure!(
        metrics.sum("holdfast_connections_active", &[]) == SESSIONS as f64,
        "{}",
        metrics.0
    );
    let exchanged = chatter.all_alive().await?;
    println!("{exchanged} messages exchanged");
    stack.admin.none_cut_by_config().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_route_ends_only_its_own_sessions() -> Result<()> {
    let echo = Echo::plain().await?;
    let apps = [App::new("going", &[echo.addr]), App::new("staying", &[echo.addr])];
    let stack = Stack::start(&apps.each_ref()).await?;
    let going = Chatter::start(stack.http, "going.test", 20, TALK).await?;
    let staying = Chatter::start(stack.http, "staying.test", 20, TALK).await?;
    stack.manifests.remove("going.yaml")?;
    within(
        "the end of the removed route's sessions",
        SOON * 2,
        going.all_closed(GOING_AWAY),
    )
    .await?;
    staying.all_alive().await?;
    stack.admin.none_cut_by_config().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_endpoint_ends_only_its_own_sessions() -> Result<()> {
    let (going, staying) = (Echo::plain().await?, Echo::plain().await?);
    let stack = Stack::start(&[&App::new("app", &[going.addr])]).await?;
    let old = Chatter::start(stack.http, "app.test", 20, TALK).await?;
    // New sessions go to the endpoint with the fewest: with 20 against 0, the first 20 all go to the new one.
    stack
        .manifests
        .save_app(&App::new("app", &[going.addr, staying.addr]))?;
    let endpoints = [("state", "ready")];
    stack
        .admin
        .until_metric("holdfast_backend_endpoints", &endpoints, SOON, |ready| {
            ready == 2.0
        })
        .await?;
    let new = Chatter::start(stack.http, "app.test", 10, TALK).await?;
    stack.manifests.save_app(&App::new("app", &[staying.addr]))?;
    within(
        "the end of the removed endpoint's sessions",
        SOON * 2,
        old.all_closed(SERVICE_RESTART),
    )
    .await?;
    new.all_alive().await?;
    stack.admin.none_cut_by_config().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_is_not_ready_keeps_its_sessions() -> Result<()> {
    let echo = Echo::plain().await?;
    let mut app = App::new("app", &[echo.addr]);
    let stack = Stack::start(&[&app]).await?;
    let chatter = Chatter::start(stack.http, "app.test", 20, TALK).await?;
    app.backends[0].endpoints[0].1 = false;
    stack.manifests.save_app(&app)?;
    stack
        .until_reason("app.test", "/", |reason| reason == Some("NoReadyEndpoints"))
        .await?;
    chatter.all_alive().await?;
    Ok(())
}
