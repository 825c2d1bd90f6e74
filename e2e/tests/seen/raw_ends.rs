//! What only raw ends can do: every close code from 1000 to 4999 both ways, frames sent along with the 101
//! and right behind the request, control frames between fragments, half-close, reset.

use anyhow::{Context, Result, ensure};
use e2e::backends::script::Script;
use e2e::backends::{Accepts, Echo};
use e2e::clients::{Client, Library, Offer};
use e2e::frames::{BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, TEXT};
use e2e::manifests::App;
use e2e::raw::{End, MASK, Raw, expect_end};
use e2e::stack::Stack;
use futures_util::{StreamExt, TryStreamExt, stream};

/// Sessions at a time when all codes are tried.
const AT_ONCE: usize = 32;

async fn every_code<F, S>(session: F) -> Result<()>
where
    F: Fn(u16) -> S,
    S: Future<Output = Result<()>>,
{
    stream::iter(1000..=4999)
        .map(|code| {
            let session = session(code);
            async move { session.await.with_context(|| format!("code {code}")) }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clients_close_arrives_with_every_code() -> Result<()> {
    // Answers a Close with what it said.
    let backend = Script::websocket(&[], |mut raw| async move {
        let close = raw.frame().await?;
        raw.send(&close).await?;
        raw.shutdown().await?;
        raw.rest().await.map(drop)
    })
    .await?;
    let stack = Stack::start(&[&App::new("close", &[backend.addr])]).await?;
    every_code(async |code| {
        let mut raw = Raw::websocket(stack.http, "close.test", "/").await?;
        let close = Frame::close(code, &format!("code {code}"));
        raw.send(&close).await?;
        let answer = raw.frame().await?;
        ensure!(answer == close, "answered {answer:?}");
        let (rest, end) = raw.rest().await?;
        ensure!(rest.is_empty(), "more after the Close: {rest:?}");
        expect_end(end, End::Eof)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backends_close_arrives_with_every_code() -> Result<()> {
    // Closes with the code it is sent, and resets unless the answer is the same.
    let backend = Script::websocket(&[], |mut raw| async move {
        let order = String::from_utf8(raw.frame().await?.payload)?;
        let close = Frame::close(order.parse()?, &format!("code {order}"));
        raw.send(&close).await?;
        if raw.frame().await? != close {
            return raw.reset();
        }
        raw.shutdown().await?;
        raw.rest().await.map(drop)
    })
    .await?;
    let stack = Stack::start(&[&App::new("close", &[backend.addr])]).await?;
    every_code(async |code| {
        let mut raw = Raw::websocket(stack.http, "close.test", "/").await?;
        raw.send(&Frame::text(&code.to_string())).await?;
        let close = raw.frame().await?;
        ensure!(
            close.close_code() == Some((code, format!("code {code}"))),
            "got {close:?}"
        );
        raw.send(&close).await?;
        let (rest, end) = raw.rest().await?;
        ensure!(rest.is_empty(), "more after the Close: {rest:?}");
        expect_end(end, End::Eof)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_along_with_the_101_arrive_at_every_client() -> Result<()> {
    let along = [Frame::text("first"), Frame::new(PING, "p"), Frame::text("second")];
    let backend = Script::websocket(&along, |mut raw| async move { raw.rest().await.map(drop) }).await?;
    let stack = Stack::start(&[&App::new("along", &[backend.addr])]).await?;
    for library in Library::ALL {
        let (mut ws, _) = Client::connect(library, stack.http, "along.test", "/", &Offer::default()).await?;
        for expected in ["first", "second"] {
            let got = ws.ask("go on").await?;
            ensure!(got == expected, "{library:?}: got '{got}', not '{expected}'");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_right_behind_the_request_arrive_at_every_server() -> Result<()> {
    for library in Library::ALL {
        let echo = Echo::start(library, &Accepts::default()).await?;
        let stack = Stack::start(&[&App::new("behind", &[echo.addr])]).await?;
        let frames = [
            Frame::text("one"),
            Frame::new(BINARY, vec![7; 70_000]),
            Frame::text("three"),
        ];
        let mut request = Raw::handshake_request("behind.test", "/").into_bytes();
        request.extend(frames.iter().flat_map(|frame| frame.bytes(Some(MASK))));
        let mut raw = Raw::connect(stack.http).await?;
        raw.write(&request).await?;
        let head = raw.head().await?;
        ensure!(head.status() == 101, "{library:?}: {head:?}");
        for frame in frames {
            let got = message(&mut raw).await.with_context(|| format!("{library:?}"))?;
            ensure!(got == frame, "{library:?}: got {got:?}");
        }
    }
    Ok(())
}

/// The next message, its fragments joined.
async fn message(raw: &mut Raw) -> Result<Frame> {
    let mut message = raw.frame().await?;
    while !message.fin {
        let next = raw.frame().await?;
        ensure!(next.opcode == CONTINUATION, "{next:?} between fragments");
        message.payload.extend(next.payload);
        message.fin = next.fin;
    }
    Ok(message)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_pass_one_by_one_as_they_were_sent() -> Result<()> {
    // Sends each frame back as it is, reserved bits included.
    let backend = Script::websocket(&[], |mut raw| async move {
        loop {
            let frame = raw.frame().await?;
            raw.send(&frame).await?;
            if frame.opcode == CLOSE {
                return raw.rest().await.map(drop);
            }
        }
    })
    .await?;
    let stack = Stack::start(&[&App::new("frames", &[backend.addr])]).await?;
    let mut raw = Raw::websocket(stack.http, "frames.test", "/").await?;
    let part = |fin, opcode, payload: &str| Frame {
        fin,
        rsv: 0,
        opcode,
        payload: payload.into(),
    };
    let frames = [
        part(false, TEXT, "a fragment"),
        part(true, PING, "between"),
        part(false, CONTINUATION, ""),
        part(true, PONG, "unasked"),
        part(true, CONTINUATION, "the last"),
        part(true, BINARY, ""),
    ];
    for frame in frames {
        raw.send(&frame).await?;
        let got = raw.frame().await?;
        ensure!(got == frame, "sent {frame:?}, got {got:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_ends_its_writing_still_reads() -> Result<()> {
    // Answers only once the client has ended its side.
    let backend = Script::websocket(&[], |mut raw| async move {
        let (sent, end) = raw.rest().await?;
        expect_end(end, End::Eof)?;
        raw.send(&Frame::new(BINARY, sent)).await?;
        raw.send(&Frame::new(BINARY, vec![1; 300_000])).await
    })
    .await?;
    let stack = Stack::start(&[&App::new("half", &[backend.addr])]).await?;
    let mut raw = Raw::websocket(stack.http, "half.test", "/").await?;
    let sent = Frame::text("before the end");
    raw.send(&sent).await?;
    raw.shutdown().await?;
    let got = raw.frame().await?;
    ensure!(got.payload == sent.bytes(Some(MASK)), "the backend saw {got:?}");
    ensure!(
        raw.frame().await?.payload.len() == 300_000,
        "the long answer after the end"
    );
    let (rest, end) = raw.rest().await?;
    ensure!(rest.is_empty(), "{rest:?}");
    expect_end(end, End::Eof)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_ends_its_writing_still_reads() -> Result<()> {
    let (report, mut reports) = tokio::sync::mpsc::channel(1);
    let backend = Script::websocket(&[Frame::text("the last")], move |mut raw| {
        let report = report.clone();
        async move {
            raw.shutdown().await?;
            let (bytes, end) = raw.rest().await?;
            Ok(report.send((bytes.len(), end)).await?)
        }
    })
    .await?;
    let stack = Stack::start(&[&App::new("half", &[backend.addr])]).await?;
    let mut raw = Raw::websocket(stack.http, "half.test", "/").await?;
    ensure!(
        raw.frame().await? == Frame::text("the last"),
        "what came before the end"
    );
    let (rest, end) = raw.rest().await?;
    ensure!(rest.is_empty() && end == End::Eof, "{rest:?} {end:?}");
    let late = Frame::new(BINARY, vec![1; 300_000]);
    raw.send(&late).await?;
    raw.shutdown().await?;
    let seen = reports.recv().await.context("the backend's report")?;
    ensure!(
        seen == (late.bytes(Some(MASK)).len(), End::Eof),
        "the backend saw {seen:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_on_one_side_ends_the_other_at_once() -> Result<()> {
    let (report, mut reports) = tokio::sync::mpsc::channel(1);
    let backend = Script::websocket(&[], move |mut raw| {
        let report = report.clone();
        async move {
            if raw.frame().await?.payload == b"reset" {
                return raw.reset();
            }
            let end = raw.rest().await?.1;
            Ok(report.send(end).await?)
        }
    })
    .await?;
    let stack = Stack::start(&[&App::new("reset", &[backend.addr])]).await?;

    let mut raw = Raw::websocket(stack.http, "reset.test", "/").await?;
    raw.send(&Frame::text("reset")).await?;
    expect_end(raw.rest().await?.1, End::Reset)?;

    let mut raw = Raw::websocket(stack.http, "reset.test", "/").await?;
    raw.send(&Frame::text("stay")).await?;
    raw.reset()?;
    expect_end(reports.recv().await.context("the backend's report")?, End::Reset)?;

    stack
        .admin
        .until_metric("holdfast_connections_active", &[], e2e::deadline::SOON, |n| {
            n == 0.0
        })
        .await
}
