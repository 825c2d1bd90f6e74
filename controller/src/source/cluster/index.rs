//! Folds the changes of all watches into one World.
//!
//! A state machine without sockets or clocks. A list replaces what its watch had told before only once it
//! is complete; what it holds is taken at once. Secrets and ConfigMaps are kept only
//! while somebody names them.

mod references;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use routetable::EndpointState;
use tokio::sync::watch;

use super::feed::{FeedId, Item, Tidings};
use super::observed::Board;
use crate::world::{Kind, Name, Object, ObjectKey, TLS_TYPE, World};
use references::References;

/// Most addresses that are remembered of one ExternalName host.
const MAX_ADDRESSES: usize = 64;

/// How far a watch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Its first list is not complete.
    Waiting,
    /// A permission is missing; nothing was ever listed.
    Forbidden,
    /// The kind is unknown to the cluster; nothing was ever listed.
    UnknownKind,
    /// It was complete once.
    Listed,
}

#[derive(Debug)]
struct Feed {
    kind: Kind,
    namespace: Option<String>,
    phase: Phase,
    /// What the list under way has brought; `None` between lists.
    seen: Option<BTreeSet<ObjectKey>>,
}

/// The state of all watches.
#[derive(Debug)]
pub(super) struct Index {
    world: World,
    feeds: BTreeMap<FeedId, Feed>,
    references: References,
    aliases: BTreeSet<String>,
    aliases_changed: bool,
    namespaces_pending: bool,
    dirty: bool,
    board: Board,
}

impl Index {
    pub(super) fn new(board: Board, default_certificate: Option<Name>) -> Self {
        Self {
            world: World::default(),
            feeds: BTreeMap::new(),
            references: References::new(default_certificate),
            aliases: BTreeSet::new(),
            aliases_changed: false,
            namespaces_pending: false,
            // An empty cluster is news, too, once it is known to be empty.
            dirty: true,
            board,
        }
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    /// A watch was started.
    pub(super) fn expect(&mut self, id: FeedId, kind: Kind, namespace: Option<&str>) {
        let feed = Feed {
            kind,
            namespace: namespace.map(str::to_owned),
            phase: Phase::Waiting,
            seen: None,
        };
        self.feeds.insert(id, feed);
    }

    /// A watch was ended: what it told no longer counts.
    pub(super) fn forget(&mut self, id: FeedId) {
        for key in self.holds(id) {
            self.put(&key, None);
            self.board.note(&key, None);
        }
        self.feeds.remove(&id);
    }

    /// Nothing is complete before the namespaces are known.
    pub(super) fn await_namespaces(&mut self) {
        self.namespaces_pending = true;
    }

    pub(super) fn namespaces_are_known(&mut self) {
        self.namespaces_pending = false;
    }

    /// True when every kind was listed once. A kind that the cluster does not know counts as listed; so does
    /// one that may not be listed if it only adds to a route, and, when patience is over, one that may not be
    /// listed in some of the namespaces, and what a look-up got no answer about. Without all objects of a
    /// kind there is no table: it would end the sessions of those it lacks.
    pub(super) fn is_complete(&self, impatient: bool) -> bool {
        let is_settled = |feed: &Feed| match feed.phase {
            Phase::Listed => true,
            Phase::Waiting => false,
            Phase::UnknownKind => matches!(feed.kind, Kind::WebSocketRoute | Kind::ReferenceGrant),
            Phase::Forbidden => match feed.kind {
                Kind::Secret | Kind::ReferenceGrant => true,
                kind => {
                    let mut same = self.feeds.values().filter(|other| other.kind == kind);
                    impatient && same.any(|other| other.phase == Phase::Listed)
                }
            },
        };
        // Without an authority its backends would be out for a moment at every start.
        let awaits_answers = !impatient && self.references.awaits_answers();
        !self.namespaces_pending && !awaits_answers && self.feeds.values().all(is_settled)
    }

    /// True when every Ingress and WebSocketRoute was listed once, as far as that is allowed.
    pub(super) fn knows_routes(&self) -> bool {
        let is_route = |feed: &&Feed| matches!(feed.kind, Kind::Ingress | Kind::WebSocketRoute);
        let mut feeds = self.feeds.values().filter(is_route);
        !self.namespaces_pending && feeds.all(|feed| feed.phase != Phase::Waiting)
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    pub(super) fn clean(&mut self) {
        self.dirty = false;
    }

    /// True when completing the list of this watch would take away some of what it had told.
    pub(super) fn would_drop(&self, id: FeedId) -> bool {
        let Some(feed) = self.feeds.get(&id).filter(|feed| feed.phase == Phase::Listed) else {
            return false;
        };
        let lacks = |seen: &BTreeSet<ObjectKey>| self.holds(id).iter().any(|key| !seen.contains(key));
        feed.seen.as_ref().is_some_and(lacks)
    }

    pub(super) fn take(&mut self, id: FeedId, tidings: Tidings) {
        let Some(feed) = self.feeds.get_mut(&id) else {
            // Of a watch that was ended.
            return;
        };
        match tidings {
            Tidings::Begin => feed.seen = Some(BTreeSet::new()),
            Tidings::Object(key, item) => {
                if let Some(seen) = &mut feed.seen {
                    seen.insert(key.clone());
                }
                self.take_object(&key, item);
            }
            Tidings::Gone(key) => {
                if let Some(seen) = &mut feed.seen {
                    seen.remove(&key);
                }
                self.put(&key, None);
                self.board.note(&key, None);
            }
            Tidings::Done => {
                feed.phase = Phase::Listed;
                let Some(seen) = feed.seen.take() else { return };
                for key in self.holds(id) {
                    if !seen.contains(&key) {
                        self.put(&key, None);
                        self.board.note(&key, None);
                    }
                }
            }
            Tidings::Forbidden if feed.phase != Phase::Listed => feed.phase = Phase::Forbidden,
            Tidings::UnknownKind if feed.phase != Phase::Listed => feed.phase = Phase::UnknownKind,
            // What was listed before stays true until something else is.
            Tidings::Forbidden | Tidings::UnknownKind => {}
        }
    }

    fn take_object(&mut self, key: &ObjectKey, item: Item) {
        match item {
            Item::Readable(object, observed) => {
                if let Some(observed) = observed {
                    self.board.note(key, Some(*observed));
                }
                let is_wanted = key.kind != Kind::Secret || self.references.contains(key);
                if key.kind == Kind::Secret {
                    self.references.is_watched(key);
                }
                self.put(key, Some(&object).filter(|_| is_wanted));
            }
            Item::Unreadable(why) => {
                let known = self.world.unreadable.insert(key.clone(), why.clone());
                self.dirty |= known.is_none_or(|known| known != why);
            }
        }
    }

    /// What a look-up said about an object.
    pub(super) fn take_answer(&mut self, key: &ObjectKey, object: Option<&Object>) {
        if self.references.contains(key) {
            self.references.answered(key, object.is_some());
            self.put(key, object);
        }
    }

    /// The addresses of a host. Those it had before take nothing new but keep what they have.
    pub(super) fn take_addresses(&mut self, host: String, now: BTreeSet<IpAddr>) {
        let known = self.world.resolved.get(&host).cloned().unwrap_or_default();
        let former = known.iter().map(|(ip, _)| *ip).filter(|ip| !now.contains(ip));
        let mut next: Vec<(IpAddr, EndpointState)> =
            now.iter().map(|ip| (*ip, EndpointState::Ready)).collect();
        next.extend(former.map(|ip| (ip, EndpointState::NotReady)));
        next.truncate(MAX_ADDRESSES);
        if next != known && self.aliases.contains(&host) {
            self.world.resolved.insert(host, next);
            self.dirty = true;
        }
    }

    /// What is named and was not asked for yet. Of Secrets only what the watches, once they are through, have not brought.
    pub(super) fn wanted(&mut self) -> BTreeSet<ObjectKey> {
        let mut watches = self
            .feeds
            .values()
            .filter(|feed| feed.kind == Kind::Secret)
            .peekable();
        if watches.peek().is_none() {
            return BTreeSet::new();
        }
        let listed = watches.all(|feed| feed.phase == Phase::Listed);
        self.references.take_wanted(
            |key| listed || key.kind != Kind::Secret,
            |key| self.world.object(key).is_some(),
        )
    }

    /// True for what some object names.
    pub(super) fn names(&self, key: &ObjectKey) -> bool {
        self.references.contains(key)
    }

    /// What is named and does not exist, or got no answer; with `all`, what exists and no watch brings as well.
    pub(super) fn to_ask(&self, all: bool) -> BTreeSet<ObjectKey> {
        let mut keys = self.references.unknown();
        if all {
            let unwatched = |key: &&ObjectKey| !self.is_watched(key);
            keys.extend(self.references.looked_up().filter(unwatched).cloned());
        }
        keys
    }

    /// True for a Secret that the watch brings when it changes.
    fn is_watched(&self, key: &ObjectKey) -> bool {
        let is_brought =
            matches!(self.world.object(key), Some(Object::Secret(secret)) if secret.kind == TLS_TYPE);
        let mut feeds = self.feeds.values().filter(|feed| feed.kind == Kind::Secret);
        is_brought
            && feeds.any(|feed| {
                feed.namespace
                    .as_ref()
                    .is_none_or(|namespace| *namespace == key.namespace)
            })
    }

    /// Tells which hosts are to be looked up, if that changed.
    pub(super) fn tell_aliases(&mut self, out: &watch::Sender<BTreeSet<String>>) {
        if std::mem::take(&mut self.aliases_changed) {
            let services = self.world.services.values();
            self.aliases = services
                .filter_map(|service| service.external_name.clone())
                .collect();
            let aliases = &self.aliases;
            self.world.resolved.retain(|host, _| aliases.contains(host));
            out.send_replace(self.aliases.clone());
        }
    }

    fn put(&mut self, key: &ObjectKey, object: Option<&Object>) {
        let known = self.world.object(key);
        let object = object.map(|object| object.after(known.as_ref()));
        let object = object.as_ref();
        if known.as_ref() == object && !self.world.unreadable.contains_key(key) {
            return;
        }
        match key.kind {
            Kind::Ingress | Kind::WebSocketRoute => self.references.replace(key, object),
            Kind::Service => self.aliases_changed = true,
            _ => {}
        }
        self.world.apply(key, object);
        if matches!(key.kind, Kind::Ingress | Kind::WebSocketRoute) {
            for key in self.references.take_unnamed() {
                self.world.apply(&key, None);
            }
        }
        self.dirty = true;
    }

    /// The objects that stand because of this watch.
    fn holds(&self, id: FeedId) -> Vec<ObjectKey> {
        let Some(feed) = self.feeds.get(&id) else {
            return vec![];
        };
        let mut keys = self.world.keys(feed.kind);
        if let Some(namespace) = &feed.namespace {
            keys.retain(|key| key.namespace == *namespace);
        }
        if feed.kind == Kind::Secret {
            // Of another type than the watch asks for: looked up by itself.
            keys.retain(|key| !self.references.was_looked_up(key));
        }
        keys
    }
}

#[cfg(test)]
mod tests;
