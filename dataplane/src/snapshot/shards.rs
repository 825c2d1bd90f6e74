//! A map from ids that is copied in parts: a change costs one shard, whatever the size of the whole.

use std::collections::HashMap;
use std::sync::Arc;

const SHARDS: usize = 256;

/// Cloning shares every shard; a write copies the shard it touches if someone else holds it.
#[derive(Clone, Debug)]
pub(super) struct Shards<V>(Vec<Arc<HashMap<u64, V>>>);

impl<V> Default for Shards<V> {
    fn default() -> Self {
        let empty = Arc::new(HashMap::new());
        Self((0..SHARDS).map(|_| Arc::clone(&empty)).collect())
    }
}

impl<V: Clone> Shards<V> {
    pub(super) fn get(&self, id: u64) -> Option<&V> {
        self.0[shard(id)].get(&id)
    }

    /// Returns what was there before.
    pub(super) fn insert(&mut self, id: u64, value: V) -> Option<V> {
        Arc::make_mut(&mut self.0[shard(id)]).insert(id, value)
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<V> {
        let shard = &mut self.0[shard(id)];
        if !shard.contains_key(&id) {
            return None;
        }
        Arc::make_mut(shard).remove(&id)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().flat_map(|shard| shard.values())
    }
}

/// Ids are hashes, so any of their bits spread well.
fn shard(id: u64) -> usize {
    (id % SHARDS as u64) as usize
}
