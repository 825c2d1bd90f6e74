//! What a worker holds for WebSockets that are HTTP/2 streams and do nothing, and for streams that are not read.
//! The peers are another process, and this test is alone in its own, because it looks at the process's memory.
#![allow(clippy::unwrap_used, reason = "test")]

#[path = "fixture/h2_client.rs"]
mod h2_client;
#[path = "fixture/handshake.rs"]
mod handshake;
#[path = "fixture/proxy.rs"]
mod proxy;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use dataplane::local::Limits;
use h2_client::{Client, get};
use handshake::accept_for;
use proxy::{Proxy, Rule};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CONNECTIONS: usize = 20;
const STREAMS: usize = 100;
/// Names the proxy's address to the process that plays the peers.
const PEERS: &str = "HOLDFAST_TEST_PEERS";

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn idle_streams_hold_little() {
    if std::env::var_os(PEERS).is_some() {
        return peers();
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "idle_streams_hold_little", "--nocapture"])
        .env(PEERS, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut say, mut lines) = (
        child.stdin.take().unwrap(),
        BufReader::new(child.stdout.take().unwrap()).lines(),
    );
    let mut told = move |what: &str| -> String {
        lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| line.strip_prefix(what).map(str::to_owned))
            .unwrap_or_else(|| panic!("the peers ended before '{what}'"))
    };
    let backend: SocketAddr = told("backend ").parse().unwrap();
    let limits = Limits {
        h2c: true,
        ..Limits::default()
    };
    let proxy = Proxy::with_limits(&[Rule::new("/", &[backend])], limits);
    writeln!(say, "{}", proxy.address).unwrap();
    let each = |from: usize, to: usize| to.saturating_sub(from) / (CONNECTIONS * STREAMS);

    told("warm");
    let before = resident();
    writeln!(say).unwrap();
    told("open");
    let open = resident();
    writeln!(say).unwrap();
    told("carried");
    let carried = resident();
    writeln!(say).unwrap();
    told("stalled");
    let stalled = resident();
    let (idle, used) = (each(before, open), each(before, carried));
    println!("an idle session: {idle} bytes; after it carried 4 kB each way: {used} bytes");
    println!(
        "250 answers that nobody reads: {} kB",
        stalled.saturating_sub(carried) >> 10
    );
    drop(say);
    child.wait().unwrap();
    // Measured: 2.2 kB, and 10.3 kB because hyper keeps the last piece that it has read.
    assert!(idle < 6 << 10, "{idle} bytes");
    assert!(used < 24 << 10, "{used} bytes");
    assert!(stalled.saturating_sub(carried) < 48 << 20);
}

/// The other process: a backend and clients.
fn peers() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("backend {}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        let proxy: SocketAddr = line().await.parse().unwrap();
        // What a worker needs once, it has had by then.
        let mut warm = open(proxy, 5).await;
        carry(&mut warm).await;
        drop(warm);
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        println!("warm");
        line().await;
        let mut open = open(proxy, CONNECTIONS).await;
        println!("open");
        line().await;
        carry(&mut open).await;
        println!("carried");
        line().await;
        let client = Client::open(proxy).await;
        let mut answers = Vec::new();
        for _ in 0..250 {
            let (answer, _) = client.begin(get("/large").body(()).unwrap(), true).await;
            answers.push(answer.await.unwrap());
        }
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        println!("stalled");
        line().await;
    });
}

/// A line from the process that watches; none at its end.
async fn line() -> String {
    let read = || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    };
    let line = tokio::task::spawn_blocking(read).await.unwrap().unwrap();
    line.trim().to_owned()
}

async fn open(proxy: SocketAddr, connections: usize) -> Vec<(Client, Vec<h2_client::Duplex>)> {
    let mut open = Vec::new();
    for _ in 0..connections {
        let client = Client::open(proxy).await;
        let mut streams = Vec::new();
        for _ in 0..STREAMS {
            streams.push(client.websocket("/").await);
        }
        open.push((client, streams));
    }
    open
}

async fn carry(open: &mut [(Client, Vec<h2_client::Duplex>)]) {
    // A binary message under a mask of zeros, and as it comes back: not masked.
    let (head, payload) = ([0x82, 0x80 | 126, 0x10, 0, 0, 0, 0, 0], [7; 4096]);
    for (_, streams) in open {
        for stream in streams {
            stream.write_all(&[&head[..], &payload].concat()).await.unwrap();
            let mut answer = [0; 4 + 4096];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer[4..], payload);
        }
    }
}

/// Agrees to every handshake, and sends one message of 4096 bytes for each of that size; or an answer without end.
async fn serve(mut stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    if head.starts_with("GET /large") {
        let large = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
        stream.write_all(large.as_bytes()).await.unwrap();
        while stream.write_all(&[7; 1 << 14]).await.is_ok() {}
        return;
    }
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("sec-websocket-key: "))
        .unwrap();
    let agree = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept_for(key)
    );
    stream.write_all(agree.as_bytes()).await.unwrap();
    let mut message = vec![0; 8 + 4096];
    while stream.read_exact(&mut message).await.is_ok() {
        let answer = [&[0x82, 126, 0x10, 0][..], &message[8..]].concat();
        if stream.write_all(&answer).await.is_err() {
            break;
        }
    }
}
