//! What differs between two worlds, as far as a compilation depends on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::world::{Name, World};

/// The differences. Names are of objects that came, went or changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// IngressClasses.
    pub(super) classes: bool,
    /// Services themselves.
    pub(super) services: BTreeSet<Name>,
    /// Services whose EndpointSlices changed.
    pub(super) slices: BTreeSet<Name>,
    /// Secrets.
    pub(super) secrets: BTreeSet<Name>,
    /// ReferenceGrants.
    pub(super) grants: bool,
    /// Addresses of hosts.
    pub(super) resolved: bool,
}

impl Changes {
    pub(super) fn between(old: &World, new: &World) -> Self {
        Self {
            classes: old.classes != new.classes,
            services: differing(&old.services, &new.services),
            slices: differing(&old.slices, &new.slices),
            secrets: differing(&old.secrets, &new.secrets),
            grants: old.grants != new.grants,
            resolved: old.resolved != new.resolved,
        }
    }
}

/// The keys under which the maps hold different objects. What they share is not looked into.
fn differing<V>(old: &Arc<BTreeMap<Name, Arc<V>>>, new: &Arc<BTreeMap<Name, Arc<V>>>) -> BTreeSet<Name> {
    let mut names = BTreeSet::new();
    if Arc::ptr_eq(old, new) {
        return names;
    }
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return names,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let gone = if order.is_le() { old.next() } else { None };
        let came = if order.is_ge() { new.next() } else { None };
        match (gone, came) {
            (Some((_, a)), Some((_, b))) if Arc::ptr_eq(a, b) => {}
            (Some((name, _)), _) | (None, Some((name, _))) => drop(names.insert(name.clone())),
            (None, None) => {}
        }
    }
}
