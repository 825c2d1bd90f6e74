//! Copy-on-write in pieces: an update copies one shard, not the whole.

use std::collections::HashMap;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

/// A map that is read for every request. Its hash is a fraction of the standard one's on host names
/// and paths, and seeded too: nobody can choose names that collide.
pub(crate) type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Number of shards. With 100,000 hosts a shard holds 400, which are copied in microseconds.
const COUNT: usize = 256;

/// Values spread over shards that clones share until they are written.
#[derive(Clone, Debug)]
pub(crate) struct Shards<S>(Vec<Arc<S>>);

impl<S: Clone + Default> Shards<S> {
    /// The shard that holds `key`.
    pub(crate) fn of(&self, key: &[u8]) -> &S {
        &self.0[place(key)]
    }

    /// The shard that holds `key`, copied first if a clone shares it.
    pub(crate) fn of_mut(&mut self, key: &[u8]) -> &mut S {
        Arc::make_mut(&mut self.0[place(key)])
    }
}

impl<S: Default> Default for Shards<S> {
    fn default() -> Self {
        let empty = Arc::new(S::default());
        Self(vec![empty; COUNT])
    }
}

fn place(key: &[u8]) -> usize {
    xxh3_64(key) as usize % COUNT
}
