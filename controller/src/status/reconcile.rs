//! Writes statuses: what `desired` says, when it differs from what stands.
//!
//! Works on one object at a time, woken by whatever may have changed it. Server-side apply under our own
//! field manager touches only what is ours. Writes nothing without the leadership.

mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use routetable::{ObjectKind, ObjectRef};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::address::Addresses;
use super::desired::{self, Programmed};
use super::due::Due;
use super::lead::Leadership;
use super::replicas::Replicas;
use super::{Identity, Sources};
use crate::compile::serving::{Buckets, buckets};
use crate::compile::{Compiled, ObjectStatus};
use crate::metrics::Metrics;
use crate::moment::until;
use crate::source::cluster::observed::{Board, Observed, ObservedStatus};
use crate::world::{Kind, ObjectKey};
use write::{Outcome, Patch, Writer};

/// Writes under way at a time.
const MAX_WRITES: usize = 8;
/// Least time between the starts of two writes: at most 100 a second.
const SPACING: Duration = Duration::from_millis(10);
/// How long a status waits for the replicas before it is written without them.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long what was written may take to be seen.
const ECHO: Duration = Duration::from_secs(5);
/// Least time between two writes that only count endpoints anew.
const COUNTS: Duration = Duration::from_secs(30);
/// Pause after a write that failed.
const AGAIN: Duration = Duration::from_secs(2);

/// Everything that statuses are made of, and what is due.
pub(super) struct Reconciler {
    writer: Writer,
    controller: String,
    compiled: watch::Receiver<Option<Arc<Compiled>>>,
    board: Board,
    leadership: watch::Receiver<Leadership>,
    addresses: watch::Receiver<Addresses>,
    replicas: watch::Receiver<Replicas>,
    metrics: Arc<Metrics>,
    current: Option<Arc<Compiled>>,
    wanted: Buckets,
    due: Due,
    /// Since when an object waits for the replicas.
    waiting: BTreeMap<ObjectKey, Instant>,
    /// What was written and not yet seen.
    echoes: BTreeMap<ObjectKey, Instant>,
    writes: JoinSet<(ObjectKey, Outcome)>,
    next_write: Instant,
    /// This replica may write, as far as was heard.
    leads: bool,
    /// The replicas were known when the objects were last looked at.
    knew_replicas: bool,
}

impl Reconciler {
    pub(super) fn new(
        client: Client,
        identity: &Identity,
        sources: &Sources,
        leadership: watch::Receiver<Leadership>,
        addresses: watch::Receiver<Addresses>,
        replicas: watch::Receiver<Replicas>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            writer: Writer::new(client, &identity.controller),
            controller: identity.controller.clone(),
            compiled: sources.compiled.clone(),
            board: sources.board.clone(),
            leadership,
            addresses,
            replicas,
            metrics,
            current: None,
            wanted: Buckets::default(),
            due: Due::default(),
            waiting: BTreeMap::new(),
            echoes: BTreeMap::new(),
            writes: JoinSet::new(),
            next_write: Instant::now(),
            leads: false,
            knew_replicas: false,
        }
    }

    /// Works for as long as it is polled.
    pub(super) async fn run(mut self) {
        loop {
            let next = self
                .due
                .next()
                .filter(|_| self.writes.len() < MAX_WRITES && self.leads);
            tokio::select! {
                changed = self.compiled.changed() => if changed.is_err() { return } else { self.follow_compiled() },
                changed = self.replicas.changed() => if changed.is_err() { return } else { self.follow_replicas() },
                changed = self.addresses.changed() => {
                    if changed.is_err() { return }
                    self.addresses.mark_unchanged();
                    self.plan_all();
                }
                changed = self.leadership.changed() => if changed.is_err() { return } else { self.follow_leadership() },
                () = self.board.touched() => self.follow_board(),
                Some(written) = self.writes.join_next() => if let Ok((key, outcome)) = written { self.is_written(&key, &outcome) },
                () = until(next.map(|at| at.max(self.next_write))) => self.work_on_next(),
            }
        }
    }

    fn follow_compiled(&mut self) {
        let Some(next) = self.compiled.borrow_and_update().clone() else {
            return;
        };
        let now = Instant::now();
        match self.current.take() {
            Some(last) => {
                self.wanted.follow(&last.table, &next.table);
                for difference in last.statuses.differences(&next.statuses) {
                    self.due.plan(difference.key, now);
                }
                self.current = Some(next);
            }
            None => {
                self.wanted = buckets(&next.table);
                self.current = Some(next);
                self.plan_all();
            }
        }
    }

    fn follow_board(&mut self) {
        let now = Instant::now();
        for key in self.board.take_touched() {
            self.echoes.remove(&key);
            if self.board.get(&key).is_some() {
                self.due.plan(&key, now);
            } else {
                self.due.forget(&key);
                self.waiting.remove(&key);
            }
        }
    }

    fn follow_leadership(&mut self) {
        let leads = self.leadership.borrow_and_update().holds();
        if leads && !self.leads {
            self.plan_all();
        }
        self.leads = leads;
    }

    /// What every replica served stays so: only what waits for them is looked at again.
    fn follow_replicas(&mut self) {
        let known = self.replicas.borrow_and_update().are_known;
        if known && !self.knew_replicas {
            self.knew_replicas = true;
            self.plan_all();
        }
        let now = Instant::now();
        for key in self.waiting.keys() {
            self.due.plan(key, now);
        }
    }

    fn plan_all(&mut self) {
        let now = Instant::now();
        let ours = self.board.ours();
        let current = self.current.clone();
        let served = current.iter().flat_map(|current| current.statuses.keys());
        for key in served.chain(&ours) {
            self.due.plan(key, now);
        }
    }

    fn work_on_next(&mut self) {
        let now = Instant::now();
        if !self.leadership.borrow().holds() {
            // It ran out; whoever gets it next looks at everything.
            self.leads = false;
            return;
        }
        let Some(key) = self.due.pop(now) else { return };
        let Some((patch, not_before)) = self.patch(&key, now) else {
            return;
        };
        let echo = self.echoes.get(&key).copied();
        let not_before = [Some(not_before), echo, self.due.may_write_at(&key)]
            .into_iter()
            .flatten()
            .max();
        if let Some(later) = not_before.filter(|at| *at > now) {
            self.due.plan(&key, later);
            return;
        }
        if self.due.is_written(&key, now) {
            warn!(
                "the status of {key} was changed again and again; does another controller write it? writing more slowly"
            );
        }
        self.next_write = now + SPACING;
        self.echoes.insert(key.clone(), now + ECHO);
        let writer = self.writer.clone();
        self.writes.spawn(async move {
            let outcome = writer.write(&key, &patch).await;
            (key, outcome)
        });
    }

    fn is_written(&mut self, key: &ObjectKey, outcome: &Outcome) {
        self.metrics.status_written(key.kind, outcome.as_str());
        match outcome {
            Outcome::Written => debug!("wrote the status of {key}"),
            Outcome::Gone => drop(self.echoes.remove(key)),
            Outcome::Failed => {
                self.echoes.remove(key);
                self.due.plan(key, Instant::now() + AGAIN);
            }
        }
    }

    /// What to write, and when at the earliest; `None` when all is well.
    fn patch(&mut self, key: &ObjectKey, now: Instant) -> Option<(Patch, Instant)> {
        let observed = self.board.get(key)?;
        let current = self.current.clone()?;
        let Some(status) = current.statuses.get(key) else {
            return self.clear(&observed).map(|patch| (patch, now));
        };
        if status.generation != observed.generation && key.kind == Kind::WebSocketRoute {
            // The newer one is on its way through the compiler.
            return None;
        }
        let programmed = match self.programmed(key, status)? {
            Programmed::Waiting { .. } if was_programmed(&observed, status) => Programmed::Yes,
            programmed => programmed,
        };
        let mut not_before = now;
        if matches!(programmed, Programmed::Waiting { .. }) {
            let since = *self.waiting.entry(key.clone()).or_insert(now);
            not_before = since + PATIENCE;
        } else {
            self.waiting.remove(key);
        }
        let addresses = self.addresses(&programmed, &observed)?;
        match &observed.status {
            ObservedStatus::Ingress(standing) => {
                let wanted = desired::ingress(&addresses);
                (wanted != *standing).then_some((Patch::Ingress(wanted), not_before))
            }
            ObservedStatus::Route(standing) => {
                let time = Time(Timestamp::now());
                let wanted =
                    desired::route(status, &programmed, &addresses, &self.controller, standing, &time);
                if desired::is_same(&wanted, standing) {
                    return None;
                }
                if desired::is_same_but_counts(&wanted, standing) {
                    not_before = self.due.last_write(key).map_or(now, |at| at + COUNTS);
                }
                Some((Patch::Route(Box::new(wanted)), not_before))
            }
        }
    }

    /// The object is not ours: neither is its status.
    fn clear(&self, observed: &Observed) -> Option<Patch> {
        let is_filled = match &observed.status {
            ObservedStatus::Ingress(standing) => !standing.is_empty(),
            ObservedStatus::Route(standing) => standing.controller_name.is_some(),
        };
        (observed.is_ours && is_filled).then(|| match &observed.status {
            ObservedStatus::Ingress(_) => Patch::Ingress(vec![]),
            ObservedStatus::Route(_) => Patch::NoRoute,
        })
    }

    /// Whether the living replicas serve the object; `None` while they are not known.
    fn programmed(&self, key: &ObjectKey, status: &ObjectStatus) -> Option<Programmed> {
        if status.routes.is_empty() {
            return Some(Programmed::Nothing);
        }
        let replicas = self.replicas.borrow();
        if !replicas.are_known {
            return None;
        }
        let bucket = Buckets::of(&object_ref(key)?);
        let serve = |buckets: &Arc<Buckets>| buckets.agree(&self.wanted, bucket);
        let missing = replicas.serve.values().filter(|buckets| !serve(buckets)).count();
        let of = replicas.serve.len();
        Some(match (missing, of) {
            (0, 1..) => Programmed::Yes,
            // Nobody serves anything: this replica's own data plane has not come yet.
            (_, 0) => Programmed::Waiting { missing: 1, of: 1 },
            (missing, of) => Programmed::Waiting { missing, of },
        })
    }

    /// The addresses to write. They come only once every replica serves the object, so that no request
    /// to them meets one that does not know it; once there, an edit does not take them away.
    fn addresses(&self, programmed: &Programmed, observed: &Observed) -> Option<BTreeSet<String>> {
        let known = self.addresses.borrow().clone()?;
        let stand = match &observed.status {
            ObservedStatus::Ingress(standing) => observed.is_ours && !standing.is_empty(),
            ObservedStatus::Route(standing) => standing.load_balancer.is_some(),
        };
        Some(match programmed {
            Programmed::Yes => known,
            Programmed::Waiting { .. } if stand => known,
            Programmed::Waiting { .. } | Programmed::Nothing => BTreeSet::new(),
        })
    }
}

/// True when this generation was once served everywhere: that another object of its bucket changes, or that a
/// replica joins, takes nothing of that back.
fn was_programmed(observed: &Observed, status: &ObjectStatus) -> bool {
    let ObservedStatus::Route(standing) = &observed.status else {
        return false;
    };
    let mut conditions = standing.conditions.iter();
    conditions.any(|condition| {
        condition.type_ == "Programmed"
            && condition.status == "True"
            && condition.observed_generation == Some(status.generation)
    })
}

fn object_ref(key: &ObjectKey) -> Option<ObjectRef> {
    let kind = match key.kind {
        Kind::Ingress => ObjectKind::Ingress,
        Kind::WebSocketRoute => ObjectKind::WebSocketRoute,
        _ => return None,
    };
    Some(ObjectRef {
        kind,
        namespace: key.namespace.clone(),
        name: key.name.clone(),
    })
}
