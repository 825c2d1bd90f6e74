//! `holdfast echo`: sends messages back, and says goodbye when it is told to end.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::{SinkExt, StreamExt};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn sessions_get_a_close_frame_at_the_end() -> Result<()> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command
        .args(["echo", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped());
    let mut process = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(process.stdout.take().context("no output")?).lines();
    let ready = timeout(SOON, lines.next_line())
        .await??
        .context("no ready line")?;
    let address = ready.strip_prefix("ready http=").context("another line")?;
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{address}/any")).await?;
    socket.send(Message::text("hello")).await?;
    let answer = timeout(SOON, socket.next()).await?.context("it ended")??;
    ensure!(answer == Message::text("hello"), "{answer:?}");

    let pid = process
        .id()
        .and_then(|pid| Pid::from_raw(pid.cast_signed()))
        .context("it ended")?;
    kill_process(pid, Signal::TERM)?;
    match timeout(SOON, socket.next())
        .await?
        .context("it ended without a word")??
    {
        Message::Close(Some(frame)) => ensure!(frame.code == CloseCode::Away, "{frame:?}"),
        other => anyhow::bail!("not a Close with a code: {other:?}"),
    }
    // The library has answered; the server ends the connection, and itself.
    while let Some(Ok(_)) = timeout(SOON, socket.next()).await? {}
    let status = timeout(SOON, process.wait()).await??;
    ensure!(status.success(), "{status}");
    Ok(())
}
