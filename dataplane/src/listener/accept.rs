//! Takes connections off a listener, as many as the worker may have.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::proxy_protocol;
use crate::downstream;
use crate::http::forwarded::Ends;
use crate::local::Local;
use crate::upstream::connect;

/// First and longest pause after the system ran out of descriptors or memory.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Accepts until `leaving` turns true, then closes the listener. Connections are served by tasks of
/// their own, which hear of `leaving` too.
pub async fn run(local: Rc<Local>, listener: TcpListener, leaving: watch::Receiver<bool>) {
    let mut left = leaving.clone();
    let accept = async {
        let mut pause = PAUSES.0;
        loop {
            // At the limit, newcomers wait in the kernel's queue.
            let Ok(permit) = Arc::clone(&local.connections).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    pause = PAUSES.0;
                    if connect::tune(&stream, local.shared.limits.tcp_keepalive).is_err() {
                        continue;
                    }
                    let (local, leaving) = (Rc::clone(&local), leaving.clone());
                    tokio::task::spawn_local(async move {
                        let mut stream = stream;
                        if let Some(ends) = ends(&local, &mut stream, peer).await {
                            downstream::serve_plain(local, stream, ends, leaving, permit).await;
                        }
                    });
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

/// The client's address, and the one that it connected to; `None` when a proxy in front does not say.
async fn ends(local: &Local, stream: &mut TcpStream, peer: SocketAddr) -> Option<Ends> {
    let own = (peer, stream.local_addr().ok()?);
    let trust = &local.shared.trust;
    if !trust.proxy_protocol || !trust.is_proxy(peer.ip()) {
        return Some(own);
    }
    let patience = local.shared.limits.header_timeout;
    let read = tokio::time::timeout(patience, proxy_protocol::read(stream)).await;
    match read.unwrap_or_else(|late| Err(io::Error::from(late).into())) {
        Ok(ends) => Some(ends.unwrap_or(own)),
        Err(error) => {
            tracing::debug!(%peer, %error, "connection refused");
            local.shared.metrics.accept_failed();
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
