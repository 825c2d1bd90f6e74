//! Kill -9 of the controller: sessions and new handshakes go on with the last good table; it returns,
//! resyncs, nothing is cut. Kill -9 of the data plane: restarted by `serve`, table back within a second.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::backends::Echo;
use e2e::chatter::{Chatter, Talk};
use e2e::clients::tungstenite::Client;
use e2e::clients::{Offer, http};
use e2e::deadline::{SOON, until};
use e2e::manifests::App;
use e2e::stack::{CONTROLLER, DATAPLANE, Stack};
use tokio::time::Instant;

const TALK: Talk = Talk {
    pace: Duration::from_millis(200),
    padding: 0,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_controllers_death_is_not_noticed() -> Result<()> {
    let echo = Echo::plain().await?;
    let stack = Stack::start(&[&App::new("app", &[echo.addr])]).await?;
    let chatter = Chatter::start(stack.http, "app.test", 50, TALK).await?;
    for round in 0..3 {
        let killed = stack.kill(CONTROLLER).await?;
        // New handshakes, at once and until it is back.
        let deadline = Instant::now() + SOON;
        loop {
            Client::connect(stack.http, "app.test", "/", &Offer::default()).await?;
            ensure!(stack.admin.ready().await, "not ready without a controller");
            if stack.running(CONTROLLER).is_some_and(|pid| pid != killed) {
                break;
            }
            ensure!(Instant::now() < deadline, "no other controller was started");
        }
        // It is in charge again: a change of the manifests takes effect.
        stack
            .apply(&App::new(&format!("new-{round}"), &[echo.addr]))
            .await?;
    }
    let exchanged = chatter.all_alive().await?;
    println!("{exchanged} messages exchanged");
    stack.admin.none_cut_by_config().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_data_plane_is_back_within_a_second() -> Result<()> {
    let echo = Echo::plain().await?;
    let stack = Stack::start(&[&App::new("app", &[echo.addr])]).await?;
    let mut times = vec![];
    // Other tests load the machine: one of three has to do it within the second, the others soon.
    for _ in 0..3 {
        stack.kill(DATAPLANE).await?;
        let start = Instant::now();
        until("a handshake with the new data plane", SOON, || async {
            Client::connect(stack.http, "app.test", "/", &Offer::default())
                .await
                .ok()
        })
        .await?;
        times.push(start.elapsed());
        // And it follows the controller again.
        let name = format!("later-{}", times.len());
        stack.apply(&App::new(&name, &[echo.addr])).await?;
        ensure!(
            http::get(stack.http, "nobody.test", "/").await?.reason() == Some("NoRoute"),
            "another table"
        );
    }
    println!("table back after {times:?}");
    ensure!(
        times.iter().min() <= Some(&Duration::from_secs(1)),
        "table back after {times:?}"
    );
    Ok(())
}
