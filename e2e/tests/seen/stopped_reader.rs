//! A reader that stops: memory of the proxy for that session stays bounded, and the other sessions do not
//! slow down.
//!
//! The bound: the proxy itself holds at most a 64 KiB buffer per direction of a session. What else is under
//! way sits in the two sockets' kernel buffers, which are bounded by the system (`tcp_rmem`, `tcp_wmem`).

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::backends::Echo;
use e2e::backends::script::Script;
use e2e::clients::Offer;
use e2e::clients::tungstenite::Client;
use e2e::deadline::until_true;
use e2e::frames::{BINARY, Frame};
use e2e::manifests::App;
use e2e::proc::memory;
use e2e::raw::{MASK, Raw};
use e2e::stack::{DATAPLANE, Stack};
use tokio::time::Instant;

/// Sessions with a reader that stops, in each direction.
const STOPPED: usize = 20;
/// User memory that a stopped session may cost: the two buffers, and as much again for whatever surrounds them.
const BOUND: u64 = 4 * 64 * 1024;
/// What each side of a stopped session tries to send; far more than all kernel buffers on the way.
const FLOOD: usize = 64 << 20;
/// When a full socket has taken nothing for so long, everything on the way is full.
const STALLED: Duration = Duration::from_secs(2);

/// Writes `FLOOD` bytes of frames until the way is full; yields how many bytes it took.
async fn flood(raw: &Raw, frame: &[u8]) -> Result<usize> {
    let mut taken = 0;
    while taken < FLOOD && raw.writable(STALLED).await {
        // In step with the frame's bytes, since a socket takes what it likes.
        taken += raw.try_write(&frame[taken % frame.len()..])?;
    }
    Ok(taken)
}

/// The time of `count` echoed messages, one after the other.
async fn time_of_echoes(client: &mut Client, count: usize) -> Result<Duration> {
    let start = Instant::now();
    for index in 0..count {
        let text = index.to_string();
        ensure!(client.ask(&text).await? == text, "another message came back");
    }
    Ok(start.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_readers_cost_a_bounded_amount_and_delay_nobody() -> Result<()> {
    let frame = Frame::new(BINARY, vec![5; 50_000]);
    let (report, mut reports) = tokio::sync::mpsc::channel(STOPPED);
    let to_client = frame.bytes(None);
    // Floods, reads nothing until the flood is stuck, then everything.
    let backend = Script::websocket(&[], move |mut raw| {
        let (report, to_client) = (report.clone(), to_client.clone());
        async move {
            let taken = flood(&raw, &to_client).await?;
            report.send(taken).await?;
            // Completes the frame that it stopped in, once there is room again.
            let rest = to_client[taken % to_client.len()..].to_vec();
            if rest.len() < to_client.len() {
                raw.write(&rest).await?;
            }
            raw.send(&Frame::text("the end")).await?;
            raw.rest().await.map(drop)
        }
    })
    .await?;
    let echo = Echo::plain().await?;
    let apps = [
        App::new("stopped", &[backend.addr]),
        App::new("other", &[echo.addr]),
    ];
    let stack = Stack::serve(
        e2e::manifests::Manifests::with(&apps.each_ref())?,
        &["--workers", "1"],
    )
    .await?;
    let pid = stack.pid(DATAPLANE).await?;
    let (mut other, _) = Client::connect(stack.http, "other.test", "/", &Offer::default()).await?;
    let quiet = time_of_echoes(&mut other, 300).await?;
    let before = memory(pid)?;

    let mut stopped = vec![];
    for _ in 0..STOPPED {
        stopped.push(Raw::websocket(stack.http, "stopped.test", "/").await?);
    }
    let to_backend = frame.bytes(Some(MASK));
    let floods = futures_util::future::try_join_all(stopped.iter().map(|raw| flood(raw, &to_backend)));
    let sent = floods.await?;
    let mut received = vec![];
    while received.len() < STOPPED {
        received.extend(reports.recv().await);
    }
    for bytes in sent.iter().chain(&received) {
        ensure!(*bytes < FLOOD, "the way swallowed {bytes} bytes without a reader");
    }
    let grown = memory(pid)?.private.saturating_sub(before.private);
    println!(
        "{STOPPED} stopped sessions: {} KiB of user memory each",
        grown / 1024 / STOPPED as u64
    );
    ensure!(
        grown < BOUND * STOPPED as u64,
        "{grown} bytes for {STOPPED} stopped sessions"
    );

    let busy = time_of_echoes(&mut other, 300).await?;
    println!("300 echoes beside them: {busy:?}, before {quiet:?}");
    ensure!(
        busy < quiet * 4 + Duration::from_secs(1),
        "300 echoes took {busy:?}, before {quiet:?}"
    );

    // The reader goes on: every byte is there, in order.
    let mut raw = stopped.swap_remove(0);
    let mut frames = 0;
    loop {
        let got = raw.frame().await?;
        if got == Frame::text("the end") {
            break;
        }
        ensure!(
            got == frame,
            "a frame of {} bytes arrived different",
            got.payload.len()
        );
        frames += 1;
    }
    ensure!(frames > 0, "nothing was on the way");
    drop((raw, stopped));
    until_true("the stopped sessions' end", e2e::deadline::SOON, || async {
        let metrics = stack.admin.metrics().await;
        metrics.is_ok_and(|metrics| metrics.sum("holdfast_connections_active", &[]) == 1.0)
    })
    .await
}
