//! What is held, what serves and what is on disk: three views of one table, changed together.

use std::sync::Arc;
use std::time::Duration;

use routetable::canonical::{Digest, Tracked};
use routetable::wire::held::{Held, Mismatch};
use routetable::wire::{Delta, ItemError, ResourceId, Version};
use routetable::{Route, RouteTable, SharedMap, WeightedBackend};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::{LastGood, LastGoodError};
use crate::snapshot::build::Builder;

/// The one place where the table changes.
#[derive(Debug)]
pub(super) struct Table {
    held: Held,
    builder: Builder,
    file: Option<LastGood>,
    /// Since when the file is behind.
    behind: Option<Instant>,
    last_save: Option<Instant>,
    /// A write that is under way even if nobody waits for it.
    saving: Option<JoinHandle<()>>,
}

impl Table {
    pub(super) fn new(builder: Builder) -> Self {
        Self {
            held: Held::default(),
            builder,
            file: None,
            behind: None,
            last_save: None,
            saving: None,
        }
    }

    /// Serves what the file holds and saves to it from now on.
    pub(super) fn load(&mut self, file: LastGood) -> Result<Option<Version>, LastGoodError> {
        let found = file.load();
        self.file = Some(file);
        let Some((table, version)) = found? else {
            return Ok(None);
        };
        self.replace(table, version);
        self.behind = None;
        Ok(Some(version))
    }

    pub(super) fn version(&self) -> Option<Version> {
        self.held.version()
    }

    pub(super) fn digest(&self) -> Digest {
        self.held.digest()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.table().is_empty()
    }

    pub(super) fn failing(&self) -> impl Iterator<Item = ItemError> {
        self.builder.failing()
    }

    /// The same content has a new version.
    pub(super) fn rename(&mut self, version: Version) {
        self.held.rename(version);
        self.changed();
    }

    /// Another whole table: applied as the difference, so that what is equal keeps its identity.
    pub(super) fn replace(&mut self, table: Tracked, version: Version) {
        let ops = self.held.table().diff(table.table());
        self.builder.apply(&ops);
        self.held = Held::new(table, version);
        self.changed();
    }

    pub(super) fn change(&mut self, delta: &Delta) -> Result<(), Mismatch> {
        self.held.apply(delta)?;
        self.builder.apply(&delta.ops);
        self.changed();
        Ok(())
    }

    fn changed(&mut self) {
        self.behind.get_or_insert_with(Instant::now);
    }

    /// Saves once the file is behind and `pace` has passed since the last time; else never ends.
    pub(super) async fn save_when_due(&mut self, pace: Duration) {
        let (Some(since), Some(_)) = (self.behind, &self.file) else {
            return std::future::pending().await;
        };
        sleep_until(self.last_save.map_or(since, |last| last + pace)).await;
        self.save().await;
    }

    /// Brings the file up to date now. Two writes never overlap.
    pub(super) async fn save(&mut self) {
        self.saved().await;
        let (Some(_), Some(file), Some(version)) = (self.behind, self.file.clone(), self.version()) else {
            return;
        };
        self.behind = None;
        self.last_save = Some(Instant::now());
        let table = self.serving();
        self.saving = Some(spawn_blocking(move || {
            if let Err(error) = file.save(&table, version) {
                warn!(path = %file.path().display(), %error, "cannot save the last good table");
            }
        }));
        self.saved().await;
    }

    async fn saved(&mut self) {
        if let Some(saving) = &mut self.saving {
            // The task reports its own failure; all that counts here is that it is over.
            let _ = saving.await;
            self.saving = None;
        }
    }

    /// The table with the last good version of what can't serve, and without what must not be on a disk: keys,
    /// and so the names that they answer to.
    fn serving(&self) -> RouteTable {
        let mut table = RouteTable {
            certificates: SharedMap::default(),
            server_names: SharedMap::default(),
            ..self.held.table().clone()
        };
        let shows: Vec<_> = table
            .routes
            .values()
            .filter(|route| shows_key(route))
            .cloned()
            .collect();
        for route in shows {
            table.routes.insert(route.id, without_keys(&route));
        }
        let current = self.builder.current();
        for item in self.builder.failing() {
            let ResourceId::Route(id) = item.resource else {
                continue;
            };
            let good = current.route(id).map(|entry| Arc::clone(&entry.route));
            let sets = &table.endpoint_sets;
            let resolves =
                |route: &Arc<Route>| route.backends.iter().all(|b| sets.contains_key(&b.endpoint_set));
            match good.filter(resolves) {
                Some(route) => table.routes.insert(id, without_keys(&route)),
                None => table.routes.remove(&id),
            };
        }
        table
    }
}

/// A route without the backends that want to see a certificate of ours: better none than one that fails.
fn without_keys(route: &Arc<Route>) -> Arc<Route> {
    let mut kept = Arc::clone(route);
    if shows_key(route) {
        Arc::make_mut(&mut kept)
            .backends
            .retain(|backend| !is_shown_key(backend));
    }
    kept
}

fn shows_key(route: &Route) -> bool {
    route.backends.iter().any(is_shown_key)
}

fn is_shown_key(backend: &WeightedBackend) -> bool {
    let tls = backend.protocol.tls.as_ref();
    tls.is_some_and(|tls| tls.certificate.is_some())
}
