//! Refusals: no route, no endpoints, dead endpoint, backend that answers 200/403/404 with a body, garbage, a
//! 101 without or with a wrong Accept, silence past the handshake timeout: the right code and reason, and the
//! backend's body where it answered.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use e2e::backends::Echo;
use e2e::backends::script::{DeadPort, Script};
use e2e::deadline::SOON;
use e2e::manifests::{App, Manifests};
use e2e::raw::{Head, Raw};
use e2e::stack::Stack;

/// A handshake with `HOST.test`: the head and the body of the answer.
async fn handshake(to: SocketAddr, host: &str) -> Result<(Head, String)> {
    ask(to, &Raw::handshake_request(&format!("{host}.test"), "/")).await
}

async fn ask(to: SocketAddr, request: &str) -> Result<(Head, String)> {
    let mut raw = Raw::connect(to).await?;
    raw.write(request.as_bytes()).await?;
    let head = raw.head().await?;
    ensure!(head.status() != 101, "accepted: {head:?}");
    let body = raw.body(&head).await?;
    Ok((head, String::from_utf8(body)?))
}

/// Checks that the proxy itself refused, with that status and reason.
fn ours(answer: &(Head, String), status: u16, reason: &str) -> Result<()> {
    let (head, body) = answer;
    ensure!(head.status() == status, "not {status}: {head:?} {body}");
    ensure!(
        head.field("holdfast-reason") == Some(reason),
        "not {reason}: {head:?} {body}"
    );
    ensure!(!body.is_empty(), "no sentence for a person: {head:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_refusal_has_its_code_and_reason() -> Result<()> {
    let (echo, dead) = (Echo::plain().await?, DeadPort::new()?);
    let broken = [
        ("garbage", Script::garbage().await?),
        ("without", Script::switch_without_accept().await?),
        ("wrong", Script::switch_with_wrong_accept().await?),
        ("hangup", Script::hang_up().await?),
        ("silence", Script::silence().await?),
    ];
    let manifests = Manifests::new()?;
    for (name, script) in &broken {
        manifests.save_app(
            &App::new(name, &[script.addr])
                .timeout("handshake", "1s")
                .timeout("connect", "1s"),
        )?;
    }
    manifests.save_app(&App::new("echo", &[echo.addr]).path("/only"))?;
    manifests.save_app(&App::new("empty", &[]))?;
    let mut not_ready = App::new("notready", &[echo.addr]);
    not_ready.backends[0].endpoints[0].1 = false;
    manifests.save_app(&not_ready)?;
    manifests.save_app(&App::new("dead", &[dead.addr]))?;
    let stack = Stack::serve(manifests, &[]).await?;

    let cases = [
        ("nobody", 404, "NoRoute"),
        ("echo", 404, "NoRoute"),
        ("empty", 503, "NoReadyEndpoints"),
        ("notready", 503, "NoReadyEndpoints"),
        ("dead", 502, "ConnectFailed"),
        ("garbage", 502, "BadUpstreamHandshake"),
        ("without", 502, "BadUpstreamHandshake"),
        ("wrong", 502, "BadUpstreamHandshake"),
        ("hangup", 502, "BadUpstreamHandshake"),
        ("silence", 504, "HandshakeTimeout"),
    ];
    for (host, status, reason) in cases {
        let answer = handshake(stack.http, host)
            .await
            .with_context(|| host.to_owned())?;
        ours(&answer, status, reason).with_context(|| host.to_owned())?;
        let retry = answer.0.field("retry-after");
        ensure!(
            retry.is_some() == (status == 503),
            "{host}: Retry-After {retry:?}"
        );
        let labels = [("code", &*status.to_string()), ("reason", reason)];
        stack
            .admin
            .until_metric("holdfast_handshakes_total", &labels, SOON, |count| count >= 1.0)
            .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backends_refusal_arrives_with_its_body() -> Result<()> {
    let backends = [
        (
            200,
            "a page, not a WebSocket",
            Script::refuse(200, "a page, not a WebSocket").await?,
        ),
        (301, "elsewhere", Script::refuse(301, "elsewhere").await?),
        (403, "not you", Script::refuse(403, "not you").await?),
        (404, "not here", Script::refuse(404, "not here").await?),
        (426, "not this way", Script::refuse(426, "not this way").await?),
        (503, "not now", Script::refuse(503, "not now").await?),
    ];
    let manifests = Manifests::new()?;
    for (status, _, script) in &backends {
        manifests.save_app(&App::new(&format!("s{status}"), &[script.addr]))?;
    }
    let stack = Stack::serve(manifests, &[]).await?;
    for (status, text, _) in &backends {
        let (head, body) = handshake(stack.http, &format!("s{status}")).await?;
        ensure!(
            (head.status(), body.as_str()) == (*status, *text),
            "{head:?} {body}"
        );
        ensure!(head.field("x-backend") == Some("yes"), "{head:?}");
        ensure!(
            head.field("holdfast-reason").is_none(),
            "the backend answered: {head:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_handshake_does_not_reach_the_backend() -> Result<()> {
    let backend = Script::refuse(200, "reached").await?;
    let stack = Stack::start(&[&App::new("app", &[backend.addr])]).await?;
    let good = Raw::handshake_request("app.test", "/");
    let cases = [
        (good.replace("Version: 13", "Version: 8"), 426, "UpgradeRequired"),
        (
            good.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="),
            400,
            "BadHandshake",
        ),
        (good.replace("Sec-WebSocket-Key", "X-Key"), 400, "BadHandshake"),
        (good.replace("Host: app.test\r\n", ""), 400, "BadRequest"),
        (good.replace("GET ", "TRACE "), 405, "MethodNotAllowed"),
    ];
    for (request, status, reason) in cases {
        let answer = ask(stack.http, &request).await.with_context(|| request.clone())?;
        ours(&answer, status, reason).with_context(|| request.clone())?;
        if status == 426 {
            ensure!(
                answer.0.field("sec-websocket-version") == Some("13"),
                "{:?}",
                answer.0
            );
        }
    }
    ensure!(
        backend.heads().is_empty(),
        "the backend got {:?}",
        backend.heads()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_endpoint_among_live_ones_is_not_noticed() -> Result<()> {
    let (echo, dead) = (Echo::plain().await?, DeadPort::new()?);
    let stack = Stack::start(&[&App::new("app", &[dead.addr, echo.addr])]).await?;
    for _ in 0..20 {
        Raw::websocket(stack.http, "app.test", "/").await?;
    }
    Ok(())
}
