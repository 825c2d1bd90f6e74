//! A cluster as the source of objects.
//!
//! One guarded watch for each kind and namespace (`feed`) brings changes to one `index`, which folds them
//! into a World. Nothing is told before every kind was listed once; an outage of the API server, an object
//! that can't be read or a permission that is missing leaves everything else as it was. Never decides what
//! an object means and never writes.

mod aliases;
pub mod connect;
mod feed;
mod identity;
mod index;
mod lookup;
pub mod observed;
mod pace;
mod refusal;
pub(crate) mod watching;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kube::Client;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{error, info, warn};

use self::feed::{Change, FeedId, Tidings};
use self::identity::{Answer, Identity};
use self::index::Index;
use self::observed::Board;
use crate::world::{Name, World};

/// Changes that wait to be folded in; a full queue holds up the watches.
const QUEUE: usize = 1024;
/// Time in which the changes of a burst are gathered before they are told.
const GATHER: Duration = Duration::from_millis(10);
/// A permission that is missing in one namespace no longer holds up the others after this.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(10);
/// Pace of asking again which cluster this is, after a list that was not believed.
const DOUBT: Duration = Duration::from_secs(5);

/// Which objects are watched.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The namespaces.
    pub namespaces: Namespaces,
    /// Secrets and ConfigMaps that an Ingress or a WebSocketRoute names.
    pub secrets: bool,
    /// The Secret of the default certificate.
    pub default_certificate: Option<Name>,
    /// Looks up the hosts of Services of type ExternalName.
    pub external_names: bool,
    /// See [`observed::field_manager`].
    pub manager: String,
}

/// The namespaces whose objects are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// All of them.
    All,
    /// These.
    Named(BTreeSet<String>),
    /// Those whose labels fit.
    Selected(String),
}

/// A cluster that is being watched.
pub struct Cluster {
    index: Index,
    starter: feed::Starter,
    changes: mpsc::Receiver<Change>,
    feeds: JoinSet<()>,
    by_namespace: BTreeMap<String, Vec<(FeedId, AbortHandle)>>,
    identity: Identity,
    lookup: lookup::Lookup,
    aliases: Option<watch::Sender<BTreeSet<String>>>,
    /// Opens the watch of Secrets: until those that name some are known, none is worth keeping.
    gate: watch::Sender<bool>,
    started: Instant,
    is_complete: bool,
    /// Watches whose complete list was not believed.
    doubted: BTreeSet<FeedId>,
    /// Namespaces that fit, of which fewer are left than before.
    doubted_selection: Option<BTreeSet<String>>,
    ask_again: Instant,
    said_doubt: Option<String>,
}

impl Cluster {
    /// Starts to watch. What is seen of statuses goes to `board`.
    pub async fn open(client: Client, scope: &Scope, board: Board) -> Self {
        let (out, changes) = mpsc::channel(QUEUE);
        let (gate, gated) = watch::channel(false);
        let starter = feed::Starter::new(client.clone(), scope, gated, out.clone()).await;
        let mut cluster = Self {
            index: Index::new(board, scope.default_certificate.clone()),
            starter,
            changes,
            feeds: JoinSet::new(),
            by_namespace: BTreeMap::new(),
            identity: Identity::new(client.clone()),
            lookup: lookup::Lookup::new(client, out.clone()),
            aliases: None,
            gate,
            started: Instant::now(),
            is_complete: false,
            doubted: BTreeSet::new(),
            doubted_selection: None,
            ask_again: Instant::now(),
            said_doubt: None,
        };
        cluster.start(None, feed::CLUSTER_SCOPED);
        match &scope.namespaces {
            Namespaces::All => cluster.start(None, feed::NAMESPACED),
            Namespaces::Named(names) => names.iter().for_each(|name| cluster.enter(name)),
            Namespaces::Selected(selector) => {
                cluster.index.await_namespaces();
                cluster.feeds.spawn(cluster.starter.namespaces(selector));
            }
        }
        if scope.external_names {
            let (hosts, wanted) = watch::channel(BTreeSet::new());
            cluster.feeds.spawn(aliases::follow(wanted, out));
            cluster.aliases = Some(hosts);
        }
        cluster
    }

    /// What the cluster holds.
    pub fn world(&self) -> &World {
        self.index.world()
    }

    /// Waits until the world is another, and was complete once. Gathers for at least `pace`.
    pub async fn changed(&mut self, pace: Duration) {
        loop {
            let now = Instant::now();
            let impatient = now >= self.started + REFUSAL_PATIENCE;
            if !self.is_complete && self.index.is_complete(impatient) {
                self.is_complete = true;
                self.identity.note().await;
            }
            // Once is enough: a namespace that joins later holds up no other.
            if self.is_complete && self.index.is_dirty() {
                break;
            }
            let patience = self.started + REFUSAL_PATIENCE;
            tokio::select! {
                Some(change) = self.changes.recv() => self.take(change).await,
                () = sleep_until(patience), if now < patience => {}
                () = sleep_until(self.ask_again), if self.doubts() => self.settle_doubts().await,
                all = self.lookup.due() => {
                    self.lookup.forget(|key| self.index.names(key));
                    self.lookup.ask(self.index.to_ask(all));
                }
            }
        }
        let end = Instant::now() + pace.max(GATHER);
        while let Ok(Some(change)) = timeout_at(end, self.changes.recv()).await {
            self.take(change).await;
        }
        self.index.clean();
    }

    async fn take(&mut self, change: Change) {
        match change {
            Change::Namespaces(selected) => {
                let lacks = |name: &String| !selected.contains(name);
                let lacks_some = self.by_namespace.keys().any(lacks);
                self.enter_all(&selected);
                self.doubt();
                self.doubted_selection = Some(selected).filter(|_| lacks_some);
            }
            // What is under way from a server that lags behind may still come.
            Change::Feed(feed, Tidings::Done) if self.index.would_drop(feed) => {
                self.doubt();
                self.doubted.insert(feed);
            }
            Change::Feed(feed, tidings) => {
                if matches!(tidings, Tidings::Begin | Tidings::Done) {
                    self.doubted.remove(&feed);
                }
                self.index.take(feed, tidings);
            }
            Change::Answer(key, object) => self.index.take_answer(&key, object.as_ref()),
            Change::Resolved(host, addresses) => self.index.take_addresses(host, addresses),
        }
        if !*self.gate.borrow() && self.index.knows_routes() {
            self.gate.send_replace(true);
        }
        let wanted = self.index.wanted();
        if !wanted.is_empty() {
            self.lookup.ask(wanted);
        }
        if let Some(aliases) = &self.aliases {
            self.index.tell_aliases(aliases);
        }
    }

    /// A list lacks what was there. That is what an API server says that lost its data, too: it is believed
    /// once it comes from the cluster that was seen first.
    fn doubt(&mut self) {
        if !self.doubts() {
            self.ask_again = Instant::now() + DOUBT;
        }
    }

    fn doubts(&self) -> bool {
        !self.doubted.is_empty() || self.doubted_selection.is_some()
    }

    async fn settle_doubts(&mut self) {
        let answer = self.identity.compare().await;
        self.ask_again = Instant::now() + DOUBT;
        match answer {
            Answer::Same => {
                self.said_doubt = None;
                for feed in std::mem::take(&mut self.doubted) {
                    self.index.take(feed, Tidings::Done);
                }
                if let Some(selected) = self.doubted_selection.take() {
                    self.leave_all_but(&selected);
                }
            }
            Answer::Another(what) if self.said_doubt.as_ref() != Some(&what) => {
                error!(
                    "the API server lacks objects that were there, and {what}: this is another cluster, or one that \
                     lost its data; keeping what is served until this controller is restarted"
                );
                self.said_doubt = Some(what);
            }
            Answer::None if self.said_doubt.is_none() => {
                let what =
                    "the API server lacks objects that were there, and does not say which cluster it is";
                warn!("{what}; keeping what is served meanwhile");
                self.said_doubt = Some(what.to_owned());
            }
            Answer::Another(_) | Answer::None => {}
        }
    }

    fn enter_all(&mut self, selected: &BTreeSet<String>) {
        for name in selected {
            if !self.by_namespace.contains_key(name) {
                info!(namespace = %name, "its labels fit: watching it");
                self.enter(name);
            }
        }
        self.index.namespaces_are_known();
    }

    fn leave_all_but(&mut self, selected: &BTreeSet<String>) {
        let left: Vec<String> = self
            .by_namespace
            .keys()
            .filter(|name| !selected.contains(*name))
            .cloned()
            .collect();
        for name in left {
            info!(namespace = %name, "its labels no longer fit: leaving it");
            for (feed, task) in self.by_namespace.remove(&name).unwrap_or_default() {
                task.abort();
                self.index.forget(feed);
            }
        }
    }

    fn enter(&mut self, namespace: &str) {
        self.start(Some(namespace), feed::NAMESPACED);
    }

    fn start(&mut self, namespace: Option<&str>, kinds: &[feed::Starts]) {
        for start in kinds {
            let Some((id, kind, work)) = start(&mut self.starter, namespace) else {
                continue;
            };
            self.index.expect(id, kind, namespace);
            let task = self.feeds.spawn(work);
            if let Some(namespace) = namespace {
                self.by_namespace
                    .entry(namespace.to_owned())
                    .or_default()
                    .push((id, task));
            }
        }
    }
}
