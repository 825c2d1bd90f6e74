//! Endpoint choice: least connections among ready endpoints, weights between backends.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use e2e::backends::script::Script;
use e2e::manifests::{App, Backend};
use e2e::raw::Raw;
use e2e::stack::Stack;

/// Accepts sessions and keeps them.
async fn backend() -> Result<Script> {
    Script::websocket(&[], |mut raw| async move { raw.rest().await.map(drop) }).await
}

async fn open(to: SocketAddr, count: usize) -> Result<Vec<Raw>> {
    let mut sessions = vec![];
    for _ in 0..count {
        sessions.push(Raw::websocket(to, "app.test", "/").await?);
    }
    Ok(sessions)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_sessions_go_where_the_fewest_are() -> Result<()> {
    let [one, two, late] = [backend().await?, backend().await?, backend().await?];
    let mut app = App::new("app", &[one.addr, two.addr]);
    let stack = Stack::start(&[&app]).await?;
    let _sessions = open(stack.http, 40).await?;
    let [first, second] = [one.heads().len(), two.heads().len()];
    ensure!(first == 20 && second == 20, "{first} and {second} of 40 sessions");

    // Who comes later is filled up first.
    app.backends[0].endpoints.push((late.addr, true));
    stack.manifests.save_app(&app)?;
    let ready = [("state", "ready")];
    stack
        .admin
        .until_metric("holdfast_backend_endpoints", &ready, e2e::deadline::SOON, |n| {
            n == 3.0
        })
        .await?;
    let _more = open(stack.http, 20).await?;
    ensure!(late.heads().len() == 20, "{} of 20 sessions", late.heads().len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backends_share_by_weight() -> Result<()> {
    let [most, some, none] = [backend().await?, backend().await?, backend().await?];
    let backends = vec![
        Backend::new("most", 3, &[most.addr]),
        Backend::new("some", 1, &[some.addr]),
        Backend::new("none", 0, &[none.addr]),
    ];
    let stack = Stack::start(&[&App::new("app", &[]).backends(backends)]).await?;
    let _sessions = open(stack.http, 200).await?;
    let [most, some, none] = [&most, &some, &none].map(|backend| backend.heads().len());
    println!("weights 3:1:0 gave {most}, {some}, {none}");
    // 150 of 200, give or take five standard deviations of a draw.
    ensure!(
        (120..=180).contains(&most) && most + some == 200,
        "{most}, {some}, {none}"
    );
    ensure!(none == 0, "a backend of weight 0 got {none}");
    Ok(())
}
