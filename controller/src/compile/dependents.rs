//! Which objects refer to what, so that a change elsewhere finds those it concerns.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::Changes;
use super::refs::Refs;
use crate::world::{Name, ObjectKey};

/// Objects by what they refer to.
#[derive(Debug, Default)]
pub(super) struct Dependents {
    services: BTreeMap<Name, BTreeSet<ObjectKey>>,
    secrets: BTreeMap<Name, BTreeSet<ObjectKey>>,
    config_maps: BTreeMap<Name, BTreeSet<ObjectKey>>,
    /// See the fields of these names in [`Refs`].
    misses: BTreeSet<ObjectKey>,
    crosses: BTreeSet<ObjectKey>,
    aliases: BTreeSet<ObjectKey>,
}

impl Dependents {
    /// Notes what an object refers to.
    pub(super) fn add(&mut self, key: &ObjectKey, refs: &Refs) {
        for (map, names) in [
            (&mut self.services, &refs.services),
            (&mut self.secrets, &refs.secrets),
            (&mut self.config_maps, &refs.config_maps),
        ] {
            for name in names {
                map.entry(name.clone()).or_default().insert(key.clone());
            }
        }
        for (set, is_in) in self.flags(refs) {
            if is_in {
                set.insert(key.clone());
            }
        }
    }

    /// Forgets it again.
    pub(super) fn remove(&mut self, key: &ObjectKey, refs: &Refs) {
        for (map, names) in [
            (&mut self.services, &refs.services),
            (&mut self.secrets, &refs.secrets),
            (&mut self.config_maps, &refs.config_maps),
        ] {
            for name in names {
                let Some(keys) = map.get_mut(name) else { continue };
                keys.remove(key);
                if keys.is_empty() {
                    map.remove(name);
                }
            }
        }
        for (set, _) in self.flags(refs) {
            set.remove(key);
        }
    }

    /// The objects that these changes of others concern.
    pub(super) fn of(&self, changes: &Changes) -> BTreeSet<ObjectKey> {
        let services = changes.services.union(&changes.slices);
        let services = services.filter_map(|name| self.services.get(name));
        let secrets = changes.secrets.iter();
        let secrets = secrets.filter_map(|name| self.secrets.get(name));
        let config_maps = changes.config_maps.iter();
        let config_maps = config_maps.filter_map(|name| self.config_maps.get(name));
        let flags = [
            (&self.misses, !changes.services.is_empty()),
            (&self.crosses, changes.grants),
            (&self.aliases, changes.resolved),
        ];
        let flagged = flags
            .into_iter()
            .filter_map(|(set, counts)| counts.then_some(set));
        let all = services.chain(secrets).chain(config_maps).chain(flagged);
        all.flatten().cloned().collect()
    }

    fn flags(&mut self, refs: &Refs) -> [(&mut BTreeSet<ObjectKey>, bool); 3] {
        [
            (&mut self.misses, refs.misses),
            (&mut self.crosses, refs.crosses),
            (&mut self.aliases, refs.aliases),
        ]
    }
}
