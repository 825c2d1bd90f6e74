//! Takes connections off a listener, as many as the worker may have.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{proxy_protocol, tls};
use crate::downstream;
use crate::http::forwarded::{Arrival, Ends};
use crate::local::{Local, Seat};
use crate::tls::stream::Stream;
use crate::upstream::connect;
use crate::upstream::descriptors::Crowd;

/// First and longest pause after the system ran out of descriptors or memory.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How clients come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// Without TLS.
    Plain,
    /// With TLS.
    Tls,
}

/// Accepts until `leaving` turns true, then closes the listener. Connections are served by tasks of
/// their own, which hear of `leaving` too.
pub async fn run(
    local: Rc<Local>,
    listener: TcpListener,
    entrance: Entrance,
    leaving: watch::Receiver<bool>,
) {
    let mut left = leaving.clone();
    let accept = async {
        let mut pause = PAUSES.0;
        let crowd = local.crowd;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    pause = PAUSES.0;
                    // At the limit, newcomers wait: this one here, the others in the kernel's queue.
                    let Ok(permit) = Arc::clone(&local.connections).acquire_owned().await else {
                        return;
                    };
                    if let Err(error) = connect::tune(&stream, local.shared.limits.silence) {
                        local.shared.metrics.accept_failed();
                        tracing::debug!(%peer, %error, "connection lost before it was served");
                        continue;
                    }
                    if crowd.holds_back(&stream) {
                        local.shared.metrics.accept_failed();
                        tracing::warn!("few descriptors are left; newcomers wait");
                        make_room(&local, crowd).await;
                    }
                    let (local, leaving) = (Rc::clone(&local), leaving.clone());
                    tokio::task::spawn_local(Box::pin(welcome(
                        local, stream, peer, entrance, leaving, permit,
                    )));
                    // However many knock, those who are here have their turn.
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    local.shared.metrics.accept_failed();
                    if exhausted(&error) {
                        tracing::warn!(%error, ?pause, "cannot accept");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(PAUSES.1);
                    }
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        _ = left.wait_for(|leaving| *leaving) => {}
    }
}

/// From the connection to its first request: a PROXY header where one is due, then TLS.
async fn welcome(
    local: Rc<Local>,
    mut socket: TcpStream,
    peer: SocketAddr,
    entrance: Entrance,
    leaving: watch::Receiver<bool>,
    permit: OwnedSemaphorePermit,
) {
    let Some(Told { ends, port }) = ends(&local, &mut socket, peer).await else {
        return;
    };
    let ip = ends.0.ip();
    // A proxy in front has the connections of everybody.
    let counted = match local.shared.trust.is_proxy(ip) {
        true => Ok(None),
        false => local.shared.clients.enter(ip),
    };
    let Ok(client) = counted else {
        // No words: a flood of them is what this guards against.
        let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
        return local.shared.metrics.connection_refused("client_limit");
    };
    let seat = Seat {
        worker: permit,
        client: client.map(Box::new),
    };
    let (stream, secured) = match entrance {
        Entrance::Plain => (Stream::Plain(socket), None),
        Entrance::Tls => match tls::accept(&local, socket).await {
            Some((stream, secured)) => (stream, Some(secured)),
            None => return,
        },
    };
    let arrival = Arrival::new(ends, port, secured);
    downstream::serve(local, stream, arrival, leaving, seat).await;
}

/// Waits until there is room; meanwhile idle connections to backends go.
async fn make_room(local: &Local, crowd: Crowd) {
    let mut pause = PAUSES.0;
    while !crowd.has_gone() {
        local.pool.clear();
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Where a connection comes from, and what a proxy in front said of it.
struct Told {
    ends: Ends,
    /// The port that the client connected to.
    port: Option<u16>,
}

/// The client's address, and the one that it connected to; `None` when a proxy in front does not say.
async fn ends(local: &Local, stream: &mut TcpStream, peer: SocketAddr) -> Option<Told> {
    let own = Told {
        ends: (peer, stream.local_addr().ok()?),
        port: None,
    };
    let trust = &local.shared.trust;
    if !trust.proxy_protocol || !trust.is_proxy(peer.ip()) {
        return Some(own);
    }
    let patience = local.shared.limits.header_timeout;
    let read = tokio::time::timeout(patience, proxy_protocol::read(stream)).await;
    match read.unwrap_or_else(|late| Err(io::Error::from(late).into())) {
        Ok(Some(ends)) => Some(Told {
            ends,
            port: Some(ends.1.port()),
        }),
        Ok(None) => Some(own),
        Err(error) => {
            tracing::debug!(%peer, %error, "connection refused");
            local.shared.metrics.connection_refused("proxy_header");
            None
        }
    }
}

/// Not the connection's fault (it was reset while it waited), but ours: trying again at once would
/// only burn the processor.
fn exhausted(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}
