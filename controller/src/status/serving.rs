//! Which routes the data planes of this replica serve, by what they acknowledged.

use std::sync::Arc;

use tokio::sync::watch;

use crate::compile::serving::{Buckets, buckets};
use crate::publish::Published;
use crate::publish::peers::{Peer, Peers};

/// The routes that this replica serves; `None` before a data plane has acknowledged any.
pub(super) type Serving = Option<Arc<Buckets>>;

/// Keeps `out` up to date. What was acknowledged last stays while no data plane is connected: it may well
/// be serving.
pub(super) async fn follow(peers: Peers, out: watch::Sender<Serving>) {
    let mut changes = peers.changes();
    let mut known: Option<(Arc<Published>, Buckets)> = None;
    loop {
        if let Some(now) = slowest(&peers.list()) {
            let next = match &known {
                Some((last, _)) if Arc::ptr_eq(last, &now) => None,
                Some((last, sums)) => {
                    let mut sums = sums.clone();
                    sums.follow(last.table(), now.table());
                    Some(sums)
                }
                None => Some(buckets(now.table())),
            };
            if let Some(next) = next {
                let shared = Arc::new(next.clone());
                out.send_if_modified(|serving| {
                    let is_news = serving.as_ref() != Some(&shared);
                    *serving = Some(shared);
                    is_news
                });
                known = Some((now, next));
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// What the data plane that is furthest behind serves; `None` when one of them serves nothing yet, or
/// refused something.
fn slowest(peers: &[Peer]) -> Option<Arc<Published>> {
    let mut slowest: Option<&Arc<Published>> = None;
    for peer in peers {
        let serves = peer.published.as_ref().filter(|_| peer.refused.is_empty())?;
        if slowest.is_none_or(|known| serves.version.number < known.version.number) {
            slowest = Some(serves);
        }
    }
    slowest.cloned()
}
