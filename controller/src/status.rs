//! Reports back into the cluster: statuses and events, written by one replica for all.
//!
//! Every replica serves and `announce`s in a Lease of its own which routes its data plane has acknowledged;
//! the one that holds the common Lease (`lead`) writes. `desired` says what a status should be and when that
//! differs from what stands; `reconcile` writes it, on change only and at a bounded pace. Never decides what
//! is served.

mod address;
mod announce;
mod clear;
mod desired;
mod due;
mod event;
mod lead;
mod reconcile;
mod replicas;
mod serving;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::compile::Compiled;
use crate::metrics::Metrics;
use crate::publish::peers::Peers;
use crate::source::cluster::observed::Board;

pub use address::Publish;
pub use clear::clear;
pub use lead::Leadership;

/// Time for the Leases to be given up at the end.
const FAREWELL: Duration = Duration::from_secs(3);

/// Who this replica is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Name of this replica.
    pub pod: String,
    /// Namespace of the Leases.
    pub namespace: String,
    /// Name of the common Lease, and the beginning of the others'.
    pub lease: String,
    /// Time without a sign of life after which a replica counts as gone.
    pub duration: Duration,
    /// The controller's name in statuses.
    pub controller: String,
}

/// What the reports are made from.
#[derive(Debug)]
pub struct Sources {
    /// What is to be served.
    pub compiled: watch::Receiver<Option<Arc<Compiled>>>,
    /// What the data planes of this replica serve.
    pub peers: Peers,
    /// The statuses as they stand.
    pub board: Board,
    /// The addresses to publish.
    pub publish: Publish,
}

/// Takes part in the reports until it is dropped or `ending` says so; then gives up its Leases.
pub async fn run(
    client: Client,
    identity: Identity,
    sources: Sources,
    metrics: Arc<Metrics>,
    mut ending: watch::Receiver<bool>,
) {
    let leases: Api<Lease> = Api::namespaced(client.clone(), &identity.namespace);
    let (leadership_in, leadership) = watch::channel(Leadership::default());
    let (addresses_in, addresses) = watch::channel(None);
    let (serving_in, serving) = watch::channel(None);
    let (replicas_in, replicas) = watch::channel(replicas::Replicas::default());
    let reconciler = reconcile::Reconciler::new(
        client.clone(),
        &identity,
        &sources,
        leadership.clone(),
        addresses,
        replicas,
        Arc::clone(&metrics),
    );
    tokio::select! {
        () = serving::follow(sources.peers.clone(), serving_in) => {}
        () = announce::announce(&leases, &identity, serving.clone()) => {}
        () = lead::campaign(&leases, &identity, leadership_in, &metrics) => {}
        () = replicas::follow(leases.clone(), &identity, serving, replicas_in) => {}
        () = address::follow(client.clone(), sources.publish, addresses_in) => {}
        () = event::report(client, &identity, sources.compiled.clone(), sources.board.clone(), leadership) => {}
        () = reconciler.run() => {}
        _ = ending.wait_for(|ending| *ending) => {}
    }
    let farewell = async {
        lead::give_up(&leases, &identity).await;
        announce::withdraw(&leases, &identity).await;
    };
    // The Leases run out by themselves, only later.
    let _ = timeout(FAREWELL, farewell).await;
}
