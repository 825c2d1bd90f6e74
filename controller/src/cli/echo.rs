//! `holdfast echo`: a backend for first trials and for `helm test`. A WebSocket on any path gets its messages
//! back; any other request gets its own head as text.

use std::net::SocketAddr;

use anyhow::Context;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

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

/// Serves until SIGTERM or SIGINT, which end its sessions at once.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    // Before anything is said: a process that is the first of its container ignores signals otherwise.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    super::print::print(format!("ready http={}", listener.local_addr()?));
    tokio::select! {
        () = backend::serve(listener, answer) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(Exit::Fine)
}

async fn answer(mut request: Request<Incoming>, place: Place) -> Answer {
    websocket::upgrade(&mut request, ECHO_MOST, place, websocket::echo)
        .unwrap_or_else(|| backend::plain(StatusCode::OK, backend::head(&request)))
}
