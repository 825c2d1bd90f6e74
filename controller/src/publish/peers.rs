//! What the connected data planes answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use routetable::wire::{ItemError, Stats, Version};

/// One connected data plane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Its run; a new number after each of its starts.
    pub boot_id: u64,
    /// The newest version it serves.
    pub serves: Option<Version>,
    /// What of that version it does not serve.
    pub refused: Vec<ItemError>,
    /// Its latest totals.
    pub stats: Stats,
}

/// The data planes that are connected now.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    inner: Arc<Mutex<Inner>>,
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
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.peers.lock().peers.remove(&self.id);
    }
}
