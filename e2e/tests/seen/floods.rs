//! Clients that mean harm, 2,000 at a time: slow heads, slow bodies, heads without end, half a TLS handshake, silence,
//! more connections than may be. Memory stays bounded, others are served meanwhile, and afterwards everything is given
//! back: connections, descriptors, memory.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backends::web::Web;
use e2e::clients::http;
use e2e::deadline::{SOON, until_true};
use e2e::lone::Parts;
use e2e::manifests::{App, Manifests};
use e2e::proc::{descriptors, memory};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// Of each kind.
const MANY: usize = 400;
/// Time for a head, and for a TLS handshake.
const PATIENCE: &str = "3s";
/// Memory that one of them may cost while it is there: the largest head that is taken.
const EACH: u64 = 64 << 10;
/// Memory that may stay when all are gone; the allocator gives back within some ten seconds.
const LEFT: u64 = 12 << 20;

async fn stage(more: &[&str]) -> Result<Parts> {
    let web = Web::start().await?;
    let manifests = Manifests::with(&[&App::new("calm", &[web.addr])])?;
    let mut arguments = vec!["--header-timeout", PATIENCE, "--tls-timeout", PATIENCE];
    arguments.extend(more);
    let mut parts = Parts::start(manifests, 2, &arguments).await?;
    parts.quiet();
    // The backend lives as long as the test's process.
    std::mem::forget(web);
    Ok(parts)
}

/// A connection that has said `bytes` and waits for its end; yields what came back.
async fn say(to: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(bytes).await?;
    let mut answer = vec![];
    // A reset is an end as well.
    let _ = timeout(4 * SOON, stream.read_to_end(&mut answer)).await?;
    Ok(answer)
}

/// A byte of a head each half second, for ever.
async fn drip(to: SocketAddr) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(to).await?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: calm.test\r\nX-Slow: ")
        .await?;
    let mut answer = vec![];
    let start = Instant::now();
    while start.elapsed() < 4 * SOON {
        match timeout(Duration::from_millis(500), stream.read_buf(&mut answer)).await {
            Err(_) if stream.write_all(b"a").await.is_ok() => {}
            Ok(Ok(1..)) => {}
            _ => break,
        }
    }
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn harm_is_bounded_and_over_when_they_are_gone() -> Result<()> {
    let stage = stage(&[]).await?;
    let (plain, secure) = (stage.dataplane.http, stage.dataplane.https);
    let pid = stage.dataplane.process.pid();
    // What the first requests leave for good, pools for one, is there before it is measured.
    for _ in 0..20 {
        ensure!(http::get(plain, "calm.test", "/").await?.status == 200);
    }
    let (calm, open) = (memory(pid)?.private, descriptors(pid)?);

    let long_head = [
        b"GET / HTTP/1.1\r\nHost: calm.test\r\nX-Long: ".to_vec(),
        vec![b'a'; 200_000],
    ]
    .concat();
    let hello = [&[22, 3, 1, 2, 0, 1, 0, 1, 252][..], &[3, 3], &[7; 100]].concat();
    let slow_body = b"POST / HTTP/1.1\r\nHost: calm.test\r\nContent-Length: 1000000\r\n\r\nhalf";
    let floods = async {
        let heads = join_all((0..MANY).map(|_| drip(plain)));
        let bodies = join_all((0..MANY).map(|_| say(plain, slow_body)));
        let long = join_all((0..MANY).map(|_| say(plain, &long_head)));
        let halves = join_all((0..MANY).map(|_| say(secure, &hello)));
        let silent = join_all((0..MANY).map(|_| say(secure, b"")));
        tokio::join!(heads, bodies, long, halves, silent)
    };
    let mut peak = 0;
    let mut slowest = Duration::ZERO;
    let beside = async {
        loop {
            let start = Instant::now();
            let answer = http::get(plain, "calm.test", "/").await?;
            ensure!(answer.status == 200, "others get {}", answer.status);
            slowest = slowest.max(start.elapsed());
            peak = peak.max(memory(pid)?.private);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        #[expect(unreachable_code, reason = "names the type")]
        anyhow::Ok(())
    };
    let (heads, bodies, long, halves, silent) = tokio::select! {
        floods = floods => floods,
        stopped = beside => return Err(stopped.err().context("never ends")?),
    };
    println!(
        "{} hostile clients: private memory {} KiB in calm, {} KiB at most; the slowest of the other requests took {slowest:?}",
        5 * MANY,
        calm / 1024,
        peak / 1024
    );
    ensure!(
        peak < calm + EACH * 5 * MANY as u64,
        "memory grew by {} KiB",
        (peak - calm) / 1024
    );
    ensure!(slowest < SOON, "another request took {slowest:?}");
    for (answers, status) in [(heads, "408"), (bodies, "408"), (long, "431")] {
        for answer in answers {
            let answer = String::from_utf8(answer?)?;
            ensure!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{status}: {answer}"
            );
        }
    }
    for answer in halves.into_iter().chain(silent) {
        ensure!(answer?.is_empty(), "half a handshake is answered");
    }

    until_true("all descriptors back", 4 * SOON, || async {
        descriptors(pid).is_ok_and(|now| now <= open + 4)
    })
    .await?;
    let given_back = || async { memory(pid).is_ok_and(|now| now.private < calm + LEFT) };
    let returned = until_true("the memory back", 6 * SOON, given_back).await;
    println!(
        "afterwards: {} KiB, {} descriptors of {open}",
        memory(pid)?.private / 1024,
        descriptors(pid)?
    );
    returned?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_has_as_many_connections_as_it_may() -> Result<()> {
    let stage = stage(&["--max-connections-per-client", "100"]).await?;
    let (plain, secure) = (stage.dataplane.http, stage.dataplane.https);
    let connect = |to| async move { TcpStream::connect(to).await };
    let held: Vec<_> =
        join_all((0..100).map(|number| connect(if number % 2 == 0 { plain } else { secure }))).await;
    let held: Vec<TcpStream> = held.into_iter().collect::<std::io::Result<_>>()?;
    // Some may be on their way still; asked before they are in, we would take the place of one.
    let admin = stage.dataplane.admin;
    admin
        .until_metric("holdfast_worker_connections", &[], SOON, |count| count == 100.0)
        .await?;
    ensure!(
        http::get(plain, "calm.test", "/").await.is_err(),
        "there is room for one more"
    );
    drop(held);
    until_true("room again", SOON, || async {
        http::get(plain, "calm.test", "/").await.is_ok()
    })
    .await?;
    let metrics = admin.metrics().await?;
    ensure!(
        metrics.sum("holdfast_connections_refused_total", &[]) >= 1.0,
        "none is counted"
    );
    Ok(())
}
