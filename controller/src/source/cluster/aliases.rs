//! Looks up the hosts that Services of type ExternalName stand for, again and again.
//!
//! The system's resolver answers, so that `/etc/resolv.conf` and its search list count. A host without an
//! answer keeps the addresses it had.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::feed::Change;
use crate::moment::until;

/// Pace of looking up a host again.
const AGAIN: Duration = Duration::from_secs(30);
/// Time for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most hosts that are looked up.
const MAX_HOSTS: usize = 1000;

/// Looks up what `wanted` names and tells the addresses, until nobody listens.
pub(super) async fn follow(mut wanted: watch::Receiver<BTreeSet<String>>, out: mpsc::Sender<Change>) {
    let mut due: BTreeMap<String, Instant> = BTreeMap::new();
    let mut failing: BTreeSet<String> = BTreeSet::new();
    loop {
        {
            let wanted = wanted.borrow_and_update();
            due.retain(|host, _| wanted.contains(host));
            failing.retain(|host| wanted.contains(host));
            for host in wanted.iter().take(MAX_HOSTS) {
                due.entry(host.clone()).or_insert_with(Instant::now);
            }
        }
        let next = due
            .iter()
            .min_by_key(|(_, at)| **at)
            .map(|(host, at)| (host.clone(), *at));
        let host = tokio::select! {
            changed = wanted.changed() => if changed.is_ok() { continue } else { return },
            () = until(next.as_ref().map(|(_, at)| *at)) => next.map(|(host, _)| host),
        };
        let Some(host) = host else { continue };
        match resolve(&host).await {
            Ok(addresses) => {
                if failing.remove(&host) {
                    info!(%host, "found again");
                }
                if out.send(Change::Resolved(host.clone(), addresses)).await.is_err() {
                    return;
                }
            }
            Err(error) if failing.insert(host.clone()) => {
                warn!(%host, "can't look up the host of a Service of type ExternalName: {error}");
            }
            Err(_) => {}
        }
        due.insert(host, Instant::now() + AGAIN);
    }
}

async fn resolve(host: &str) -> Result<BTreeSet<IpAddr>, String> {
    match timeout(PATIENCE, lookup_host((host, 0))).await {
        Ok(Ok(found)) => Ok(found.map(|address| address.ip()).collect()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer".to_owned()),
    }
}
