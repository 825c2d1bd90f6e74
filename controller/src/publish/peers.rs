//! What the connected data planes answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use routetable::wire::{ItemError, Stats, Version};
use tokio::sync::watch;

use super::Published;

/// One connected data plane.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Its run; a new number after each of its starts.
    pub boot_id: u64,
    /// The newest version it serves.
    pub serves: Option<Version>,
    /// The table of that version, if this controller has sent it.
    pub published: Option<Arc<Published>>,
    /// What of that version it does not serve.
    pub refused: Vec<ItemError>,
    /// Its latest totals.
    pub stats: Stats,
}

/// The data planes that are connected now.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    inner: Arc<Mutex<Inner>>,
    changes: Arc<watch::Sender<()>>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    peers: BTreeMap<u64, Peer>,
}

impl Peers {
    /// All of them, in the order they connected.
    pub fn list(&self) -> Vec<Peer> {
        self.lock().peers.values().cloned().collect()
    }

    /// Tells of every change but that of the totals.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Enters a data plane; it leaves when the entry is dropped.
    pub(super) fn enter(&self, boot_id: u64) -> Entry {
        let mut inner = self.lock();
        let id = inner.next;
        inner.next += 1;
        let peer = Peer {
            boot_id,
            ..Peer::default()
        };
        inner.peers.insert(id, peer);
        self.changes.send_replace(());
        Entry {
            id,
            peers: self.clone(),
        }
    }

    /// Plain data: nothing is half done after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps one data plane in the list.
#[derive(Debug)]
pub(super) struct Entry {
    id: u64,
    peers: Peers,
}

impl Entry {
    /// Changes what is known of it.
    pub(super) fn update(&self, change: impl FnOnce(&mut Peer)) {
        if let Some(peer) = self.peers.lock().peers.get_mut(&self.id) {
            change(peer);
        }
    }

    /// Notes what it serves, and what of that it refuses.
    pub(super) fn serves(
        &self,
        version: Version,
        published: Option<Arc<Published>>,
        refused: Vec<ItemError>,
    ) {
        self.update(|peer| {
            peer.serves = Some(version);
            peer.published = published;
            peer.refused = refused;
        });
        self.peers.changes.send_replace(());
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.peers.lock().peers.remove(&self.id);
        self.peers.changes.send_replace(());
    }
}
