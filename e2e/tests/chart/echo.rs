//! What `helm test` runs in its pod: `holdfast echo`, and `holdfast connect --retry` before it.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Result, ensure};
use e2e::binaries;
use e2e::child::Child;
use e2e::deadline::{SOON, within};
use e2e::stack::address;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

async fn echo() -> Result<(Child, SocketAddr)> {
    let mut command = Command::new(binaries::find("holdfast")?);
    command.args(["echo", "--listen", "127.0.0.1:0"]);
    let mut process = Child::start(command)?;
    let at = address(&process.announced("ready ", SOON).await?, "http")?;
    Ok((process, at))
}

fn connect(to: SocketAddr, more: &[&str]) -> Result<Child> {
    let mut command = Command::new(binaries::find("holdfast")?);
    command.args(["connect", &format!("ws://{to}/any/path"), "--message", "hello"]);
    command.args(more);
    Child::start(command)
}

#[tokio::test]
async fn echoes_and_ends_when_told() -> Result<()> {
    let (mut echo, at) = echo().await?;
    let mut client = connect(at, &[])?;
    let status = client.exited(SOON).await?;
    ensure!(status.code() == Some(0), "{status}: {:?}", client.logs);
    client.logs.line_with(&["< hello"], SOON).await?;

    let mut plain = TcpStream::connect(at).await?;
    plain
        .write_all(b"GET /who?x HTTP/1.1\r\nHost: a\r\nX-Seen: yes\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    within("the answer", SOON, plain.read_to_string(&mut answer)).await?;
    for part in ["HTTP/1.1 200 OK\r\n", "GET /who?x\n", "x-seen: yes\n"] {
        ensure!(answer.contains(part), "'{part}' is not in: {answer}");
    }

    echo.signal(Signal::TERM)?;
    let status = echo.exited(SOON).await?;
    ensure!(status.code() == Some(0), "{status}");
    Ok(())
}

/// Refuses the first `refusals` connections in one way or another, then leads to the echo.
async fn reluctant(refusals: usize) -> Result<(Child, SocketAddr)> {
    let (echo, to) = echo().await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let at = listener.local_addr()?;
    tokio::spawn(async move {
        for attempt in 0.. {
            let Ok((mut client, _)) = listener.accept().await else {
                return;
            };
            if attempt >= refusals {
                let Ok(mut server) = TcpStream::connect(to).await else {
                    return;
                };
                let _ = copy_bidirectional(&mut client, &mut server).await;
            } else if attempt % 2 == 0 {
                let refusal = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
                let _ = client.write_all(refusal).await;
                // Its request is read, so that the answer is not lost to a reset.
                let _ = client.read(&mut [0; 4096]).await;
            }
        }
    });
    Ok((echo, at))
}

#[tokio::test]
async fn connect_tries_again_until_it_is_let_in() -> Result<()> {
    let (_echo, at) = reluctant(2).await?;
    let mut client = connect(at, &["--retry", "30s"])?;
    let status = client.exited(SOON).await?;
    ensure!(status.code() == Some(0), "{status}: {:?}", client.logs);
    client.logs.line_with(&["refused with 503"], SOON).await?;
    client.logs.line_with(&["< hello"], SOON).await?;
    ensure!(client.logs.count("trying again") == 2, "{:?}", client.logs);
    Ok(())
}

#[tokio::test]
async fn connect_gives_up_in_the_end() -> Result<()> {
    // Once without a second attempt, once after some: the end is the last refusal.
    for more in [&[][..], &["--retry", "1200ms"]] {
        let (_echo, at) = reluctant(usize::MAX).await?;
        let mut client = connect(at, more)?;
        let status = client.exited(SOON).await?;
        ensure!(status.code() == Some(1), "{status}: {:?}", client.logs);
        ensure!(
            (client.logs.count("trying again") > 0) != more.is_empty(),
            "{more:?}: {:?}",
            client.logs
        );
    }
    Ok(())
}
