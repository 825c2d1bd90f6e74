//! One access record (JSON) per request and one per session at its end: route, endpoint, duration, bytes,
//! messages, close code, who ended it. By the two parts alone, without `serve` to make it readable.

use anyhow::{Context, Result, ensure};
use e2e::backends::Echo;
use e2e::backends::web::Web;
use e2e::child::Stream;
use e2e::clients::tungstenite::Client;
use e2e::clients::{Closing, Offer, http};
use e2e::deadline::{SOON, until};
use e2e::lone::{DataPlane, Parts};
use e2e::manifests::{App, Manifests};
use serde_json::Value;

/// The first record whose `field` has that value.
async fn record(dataplane: &DataPlane, field: &str, value: &str) -> Result<Value> {
    until(&format!("a record with {field} {value}"), SOON, || async {
        dataplane.process.logs.find(|stream, line| {
            let record: Value = (stream == Stream::Out).then(|| serde_json::from_str(line).ok())??;
            (record[field] == value).then_some(record)
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_sessions_are_recorded() -> Result<()> {
    let (echo, web) = (Echo::plain().await?, Web::start().await?);
    let manifests = Manifests::with(&[&App::new("chat", &[echo.addr]), &App::new("web", &[web.addr])])?;
    let parts = Parts::start(manifests, 1, &[]).await?;
    let dataplane = &parts.dataplane;

    let answer = http::get(dataplane.http, "web.test", "/bytes/1000?token=secret").await?;
    ensure!(answer.status == 200, "{answer:?}");
    let refused = http::get(dataplane.http, "nobody.test", "/").await?;
    ensure!(refused.status == 404, "{refused:?}");
    let (mut client, _) = Client::connect(dataplane.http, "chat.test", "/room", &Offer::default()).await?;
    for _ in 0..3 {
        client.ask("12345").await?;
    }
    client.close(&Closing::new(4001, "bye")).await?;

    let request = record(dataplane, "host", "web.test").await?;
    println!("{request}");
    ensure!(
        request["status"] == 200 && request["path"] == "/bytes/1000",
        "{request}"
    );
    ensure!(
        !request.to_string().contains("secret"),
        "the query may hold secrets: {request}"
    );
    ensure!(request["endpoint"] == web.addr.to_string(), "{request}");
    let refused = record(dataplane, "host", "nobody.test").await?;
    println!("{refused}");
    ensure!(
        refused["status"] == 404 && refused["reason"] == "NoRoute",
        "{refused}"
    );
    let session = record(dataplane, "host", "chat.test").await?;
    println!("{session}");
    ensure!(session["endpoint"] == echo.addr.to_string(), "{session}");
    ensure!(session.to_string().contains("4001"), "no close code: {session}");
    let duration = session
        .as_object()
        .context("a record")?
        .keys()
        .any(|key| key.starts_with("duration"));
    ensure!(duration, "no duration: {session}");
    Ok(())
}
