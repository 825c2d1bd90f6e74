//! From compilations to versions.
//!
//! Changes that come in a burst become one version. A change that takes an endpoint away does not
//! wait: every new session towards it would fail.

use std::sync::Arc;
use std::time::Duration;

use routetable::wire::Version;
use routetable::{Endpoint, EndpointState, RouteTable};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::Published;
use crate::compile::Compiled;

/// How long changes are gathered.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Time without a change after which a burst counts as over.
    pub quiet: Duration,
    /// Longest wait for that.
    pub quiet_max: Duration,
}

impl Default for Pace {
    /// 30 ms, 250 ms.
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(30),
            quiet_max: Duration::from_millis(250),
        }
    }
}

/// Publishes what `compiled` brings under versions of `epoch`, until one of the channels closes.
/// The first table goes out at once; one equal to the last is no version.
pub async fn debounce(
    mut compiled: watch::Receiver<Option<Arc<Compiled>>>,
    epoch: u64,
    pace: Pace,
    out: watch::Sender<Option<Arc<Published>>>,
) {
    let mut last: Option<Arc<Published>> = None;
    loop {
        let next = compiled.borrow_and_update().clone();
        if let Some(next) = next.filter(|next| last.as_ref().is_none_or(|last| *last.table() != next.table)) {
            let next = match &last {
                Some(last) => settle(&mut compiled, last.table(), next, pace).await,
                None => next,
            };
            if last.as_ref().is_none_or(|last| *last.table() != next.table) {
                let published = match &last {
                    Some(last) => {
                        let number = last.version.number + 1;
                        last.followed_by(Version { epoch, number }, next.table.clone())
                    }
                    None => Published::new(Version { epoch, number: 1 }, next.table.clone()),
                };
                let published = Arc::new(published);
                last = Some(Arc::clone(&published));
                if out.send(Some(published)).is_err() {
                    return;
                }
            }
        }
        if compiled.changed().await.is_err() {
            return;
        }
    }
}

/// The compilation to publish after `next` was seen: the newest once it is quiet.
async fn settle(
    compiled: &mut watch::Receiver<Option<Arc<Compiled>>>,
    last: &RouteTable,
    mut next: Arc<Compiled>,
    pace: Pace,
) -> Arc<Compiled> {
    let limit = Instant::now() + pace.quiet_max;
    while !takes_endpoints_away(last, &next.table) {
        let quiet = (Instant::now() + pace.quiet).min(limit);
        match timeout_at(quiet, compiled.changed()).await {
            Ok(Ok(())) => {
                if let Some(newer) = compiled.borrow_and_update().clone() {
                    next = newer;
                }
            }
            Ok(Err(_)) | Err(_) => break,
        }
    }
    next
}

/// True when an endpoint that took new sessions no longer does.
fn takes_endpoints_away(last: &RouteTable, next: &RouteTable) -> bool {
    let mut differences = last.endpoint_sets.differences(&next.endpoint_sets);
    differences.any(|difference| {
        let Some(set) = difference.old else {
            return false;
        };
        let Some(now) = difference.new else {
            return !set.endpoints.is_empty();
        };
        let still_ready = |endpoint: &Endpoint| {
            let found = now
                .endpoints
                .binary_search_by_key(&endpoint.address, |e| e.address);
            found.is_ok_and(|index| now.endpoints[index].state == EndpointState::Ready)
        };
        let mut ready = set
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.state == EndpointState::Ready);
        ready.any(|endpoint| !still_ready(endpoint))
    })
}

#[cfg(test)]
mod tests;
