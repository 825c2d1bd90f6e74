//! Time limits of a route, from its manifest to the wire. (The handshake's is among the refusals.)

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::backends::Echo;
use e2e::backends::script::FullPort;
use e2e::clients::tungstenite::Client;
use e2e::clients::{Offer, http};
use e2e::manifests::App;
use e2e::stack::Stack;
use tokio::time::{Instant, interval};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_session_ends_politely_and_a_busy_one_does_not() -> Result<()> {
    let mut echo = Echo::plain().await?;
    let app = App::new("app", &[echo.addr]).timeout("idle", "2s");
    let stack = Stack::start(&[&app]).await?;
    let (mut silent, _) = Client::connect(stack.http, "app.test", "/", &Offer::default()).await?;
    let (mut busy, _) = Client::connect(stack.http, "app.test", "/", &Offer::default()).await?;
    let start = Instant::now();
    let talk = async {
        let mut turns = interval(Duration::from_millis(200));
        while start.elapsed() < Duration::from_secs(5) {
            turns.tick().await;
            ensure!(
                busy.ask("still here").await? == "still here",
                "another message came back"
            );
        }
        Ok(())
    };
    let (closing, ()) = tokio::try_join!(silent.closed(), talk)?;
    ensure!(closing.code == 1001, "{closing:?}");
    ensure!(
        start.elapsed() >= Duration::from_secs(2),
        "ended after {:?}",
        start.elapsed()
    );
    let seen = echo.closed().await?;
    ensure!(seen.code == 1001, "the backend saw {seen:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_does_not_answer_is_given_up() -> Result<()> {
    let full = FullPort::new().await?;
    let stack = Stack::start(&[&App::new("app", &[full.addr]).timeout("connect", "1s")]).await?;
    let start = Instant::now();
    let answer = http::get(stack.http, "app.test", "/").await?;
    ensure!(
        (answer.status, answer.reason()) == (504, Some("ConnectTimeout")),
        "{answer:?}"
    );
    ensure!(
        start.elapsed() >= Duration::from_secs(1),
        "given up after {:?}",
        start.elapsed()
    );
    Ok(())
}
