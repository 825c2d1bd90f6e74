//! Looks up the hosts that Services of type ExternalName stand for, again and again.
//!
//! The system's resolver answers, so that `/etc/resolv.conf` and its search list count. A host without an
//! answer keeps the addresses it had.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::feed::Change;
use crate::moment::until;

/// Pace of looking up a host again.
const AGAIN: Duration = Duration::from_secs(30);
/// Time for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Look-ups under way: a name server that is silent about one host holds up few others.
const AT_A_TIME: usize = 16;
/// Most hosts that are looked up.
const MAX_HOSTS: usize = 1000;

/// Looks up what `wanted` names and tells the addresses, until nobody listens.
pub(super) async fn follow(mut wanted: watch::Receiver<BTreeSet<String>>, out: mpsc::Sender<Change>) {
    let mut due: BTreeMap<String, Instant> = BTreeMap::new();
    let mut failing: BTreeSet<String> = BTreeSet::new();
    let mut lookups = JoinSet::new();
    loop {
        {
            let wanted = wanted.borrow_and_update();
            due.retain(|host, _| wanted.contains(host));
            failing.retain(|host| wanted.contains(host));
            for host in wanted.iter().take(MAX_HOSTS) {
                due.entry(host.clone()).or_insert_with(Instant::now);
            }
        }
        let next = due.iter().min_by_key(|(_, at)| **at);
        let next = next.map(|(host, at)| (host.clone(), *at));
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { return },
            () = until(next.as_ref().map(|(_, at)| *at)), if lookups.len() < AT_A_TIME => {
                if let Some((host, _)) = next {
                    due.insert(host.clone(), Instant::now() + AGAIN);
                    lookups.spawn(async move {
                        let answer = resolve(&host).await;
                        (host, answer)
                    });
                }
            }
            Some(Ok((host, answer))) = lookups.join_next() => match answer {
                Ok(addresses) => {
                    if failing.remove(&host) {
                        info!(%host, "found again");
                    }
                    if out.send(Change::Resolved(host, addresses)).await.is_err() {
                        return;
                    }
                }
                Err(error) if failing.insert(host.clone()) => {
                    warn!(%host, "can't look up the host of a Service of type ExternalName: {error}");
                }
                Err(_) => {}
            },
        }
    }
}

async fn resolve(host: &str) -> Result<BTreeSet<IpAddr>, String> {
    match timeout(PATIENCE, lookup_host((host, 0))).await {
        Ok(Ok(found)) => Ok(found.map(|address| address.ip()).collect()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer".to_owned()),
    }
}
