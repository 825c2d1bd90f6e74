//! The built-in backend of `holdfast serve --demo`: two endpoints, `blue` and `green`, that share one
//! chat room. Lives in the process of `serve`; the proxy sees two ordinary addresses on loopback.

mod chat;
mod page;
mod service;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use self::chat::Room;

/// Connections of one endpoint.
const CONNECTIONS: usize = 4096;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// After a failed accept, usually for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The running backend; ends with this value.
pub(super) struct Backend {
    /// Address of the endpoint `blue`.
    pub(super) blue: SocketAddr,
    /// Address of the endpoint `green`.
    pub(super) green: SocketAddr,
    _accepting: JoinSet<()>,
}

impl Backend {
    /// Listens on two ports of 127.0.0.1 that the system picks.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let room = Arc::new(Room::new());
        let mut accepting = JoinSet::new();
        let mut endpoint = async |name: &'static str| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = listener.local_addr()?;
            accepting.spawn(accept(listener, name, room.clone()));
            anyhow::Ok(address)
        };
        let blue = endpoint("blue").await.context("cannot start the demo backend")?;
        let green = endpoint("green").await.context("cannot start the demo backend")?;
        Ok(Self {
            blue,
            green,
            _accepting: accepting,
        })
    }
}

async fn accept(listener: TcpListener, endpoint: &'static str, room: Arc<Room>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Chat lines are small and wanted at once; without this they may wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let room = room.clone();
        while connections.try_join_next().is_some() {}
        connections.spawn(async move {
            let permit = Arc::new(permit);
            let answer =
                service_fn(|request| service::answer(request, endpoint, room.clone(), permit.clone()));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), answer)
                .with_upgrades();
            // A client that goes away is no news.
            let _ = connection.await;
        });
    }
}

#[cfg(test)]
mod tests;
