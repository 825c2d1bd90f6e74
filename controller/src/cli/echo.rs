//! `holdfast echo`: a backend for first trials and for `helm test`. A WebSocket on any path gets its messages
//! back; any other request gets its own head as text.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;

use super::Exit;
use super::backend::websocket::{self, ECHO_MOST};
use super::backend::{self, Answer, Place};

/// Arguments of `holdfast echo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address to listen on; port 0 lets the system pick
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8010")]
    listen: SocketAddr,
}

/// Time for the sessions to end after a signal.
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT; then ends its sessions with a Close frame.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    // Before anything is said: a process that is the first of its container ignores signals otherwise.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    super::print::print(format!("ready http={}", listener.local_addr()?));
    let ending = Arc::new(watch::Sender::new(false));
    let answer = {
        let ending = Arc::clone(&ending);
        move |request, place| answer(request, place, ending.subscribe())
    };
    tokio::select! {
        () = backend::serve(listener, answer) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    ending.send_replace(true);
    // Every session has a receiver.
    let _ = timeout(FAREWELL, ending.closed()).await;
    Ok(Exit::Fine)
}

async fn answer(mut request: Request<Incoming>, place: Place, ending: watch::Receiver<bool>) -> Answer {
    let echo = |socket| websocket::echo_until(socket, ending);
    websocket::upgrade(&mut request, ECHO_MOST, place, echo)
        .unwrap_or_else(|| backend::plain(StatusCode::OK, backend::head(&request)))
}
