//! Takes connections off a listener, as many as the worker may have.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::downstream::connection;
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
                    let serve = connection::serve(Rc::clone(&local), stream, peer, leaving.clone(), permit);
                    tokio::task::spawn_local(serve);
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

/// Not the connection's fault (it was reset while it waited), but ours: trying again at once would
/// only burn the processor.
fn exhausted(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}
