//! What differs between two worlds, as far as a compilation depends on it.

use std::collections::BTreeSet;

use routetable::SharedMap;

use super::key;
use crate::world::{Kind, Name, ObjectKey, World};

/// The differences. Names are of objects that came, went or changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Ingresses and WebSocketRoutes.
    pub(super) objects: BTreeSet<ObjectKey>,
    /// IngressClasses.
    pub(super) classes: bool,
    /// Services themselves.
    pub(super) services: BTreeSet<Name>,
    /// Services whose EndpointSlices changed.
    pub(super) slices: BTreeSet<Name>,
    /// Secrets.
    pub(super) secrets: BTreeSet<Name>,
    /// ConfigMaps.
    pub(super) config_maps: BTreeSet<Name>,
    /// ReferenceGrants.
    pub(super) grants: bool,
    /// Addresses of hosts.
    pub(super) resolved: bool,
}

impl Changes {
    pub(super) fn between(old: &World, new: &World) -> Self {
        let ingresses = names(&old.ingresses, &new.ingresses);
        let routes = names(&old.routes, &new.routes);
        let ingresses = ingresses.iter().map(|name| key(Kind::Ingress, name));
        let routes = routes.iter().map(|name| key(Kind::WebSocketRoute, name));
        Self {
            objects: ingresses.chain(routes).collect(),
            classes: old.classes != new.classes,
            services: names(&old.services, &new.services),
            slices: names(&old.slices, &new.slices),
            secrets: names(&old.secrets, &new.secrets),
            config_maps: names(&old.config_maps, &new.config_maps),
            grants: old.grants != new.grants,
            resolved: old.resolved != new.resolved,
        }
    }
}

/// The names under which the maps hold different objects.
fn names<V: PartialEq>(old: &SharedMap<Name, V>, new: &SharedMap<Name, V>) -> BTreeSet<Name> {
    let differences = old.differences(new);
    differences.map(|difference| difference.key.clone()).collect()
}
