//! What the cluster, or the folder of manifests, holds at one moment.
//!
//! Owns the compact form of the objects that `compile` reads: sorted maps of only what it needs,
//! objects behind `Arc`, so that a copy is cheap and what did not change is known by its address.
//! Never watches, fetches or judges anything.

mod certificate;
mod config_map;
mod held;
mod key;
mod lookup;
mod object;
mod reduce;
mod secret;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use routetable::{EndpointState, SharedMap};

pub use certificate::{Certificate, Validity};
pub use config_map::ConfigMap;
pub use held::{Broken, Held};
pub use key::{Kind, Name, ObjectKey};
pub use object::{
    EndpointSlice, GrantedServices, Ingress, IngressClass, Object, ReferenceGrant, Service, ServicePort,
    WebSocketRoute,
};
pub use secret::{AUTHORITIES, CHAIN, KEY, Secret, TLS_TYPE};

/// The EndpointSlices of one Service, by their names.
pub type Slices = BTreeMap<String, Arc<EndpointSlice>>;

/// Every object, by kind and name.
///
/// A copy shares with the original what neither of them changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// Ingresses.
    pub ingresses: SharedMap<Name, Ingress>,
    /// IngressClasses.
    pub classes: SharedMap<String, IngressClass>,
    /// Services.
    pub services: SharedMap<Name, Service>,
    /// EndpointSlices by the Service they belong to, then by their own name.
    pub slices: SharedMap<Name, Slices>,
    /// Secrets.
    pub secrets: SharedMap<Name, Secret>,
    /// ConfigMaps.
    pub config_maps: SharedMap<Name, ConfigMap>,
    /// WebSocketRoutes.
    pub routes: SharedMap<Name, WebSocketRoute>,
    /// ReferenceGrants.
    pub grants: SharedMap<Name, ReferenceGrant>,
    /// Addresses of the hosts that Services of type ExternalName stand for; the source looks them up.
    pub resolved: BTreeMap<String, Vec<(IpAddr, EndpointState)>>,
    /// Objects that could not be decoded, with the reason. The last good version of each, if there
    /// was one, still is in its map.
    pub unreadable: BTreeMap<ObjectKey, String>,
    /// The Service under which each slice is kept.
    homes: SharedMap<Name, String>,
}

impl World {
    /// Starts an empty world.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Puts an object in the place of the one of its name, or removes that. Either way it no longer
    /// is `unreadable`.
    pub fn apply(&mut self, key: &ObjectKey, object: Option<&Object>) {
        self.unreadable.remove(key);
        let Some(object) = object else {
            return self.remove(key);
        };
        let object = &object.after(self.object(key).as_ref());
        let name = Name::new(&key.namespace, &key.name);
        match object {
            Object::Ingress(o) => drop(self.ingresses.insert(name, Arc::clone(o))),
            Object::IngressClass(o) => drop(self.classes.insert(name.name, Arc::clone(o))),
            Object::Service(o) => drop(self.services.insert(name, Arc::clone(o))),
            Object::Secret(o) => drop(self.secrets.insert(name, Arc::clone(o))),
            Object::ConfigMap(o) => drop(self.config_maps.insert(name, Arc::clone(o))),
            Object::WebSocketRoute(o) => drop(self.routes.insert(name, Arc::clone(o))),
            Object::ReferenceGrant(o) => drop(self.grants.insert(name, Arc::clone(o))),
            Object::EndpointSlice(o) => {
                let moved = self.homes.get(&name).is_some_and(|home| **home != o.service);
                if moved {
                    self.remove_slice(&name);
                }
                let service = Name::new(&key.namespace, &o.service);
                let mut slices = self.slices.get(&service).cloned().unwrap_or_default();
                Arc::make_mut(&mut slices).insert(key.name.clone(), Arc::clone(o));
                self.slices.insert(service, slices);
                if self.homes.get(&name).is_none_or(|home| **home != o.service) {
                    self.homes.insert(name, Arc::new(o.service.clone()));
                }
            }
        }
    }

    fn remove(&mut self, key: &ObjectKey) {
        let name = Name::new(&key.namespace, &key.name);
        match key.kind {
            Kind::Ingress => drop(self.ingresses.remove(&name)),
            Kind::IngressClass => drop(self.classes.remove(&name.name)),
            Kind::Service => drop(self.services.remove(&name)),
            Kind::Secret => drop(self.secrets.remove(&name)),
            Kind::ConfigMap => drop(self.config_maps.remove(&name)),
            Kind::WebSocketRoute => drop(self.routes.remove(&name)),
            Kind::ReferenceGrant => drop(self.grants.remove(&name)),
            Kind::EndpointSlice => self.remove_slice(&name),
        }
    }

    fn remove_slice(&mut self, slice: &Name) {
        let Some(home) = self.homes.remove(slice) else {
            return;
        };
        let service = Name::new(&slice.namespace, &home);
        if let Some(mut slices) = self.slices.remove(&service) {
            Arc::make_mut(&mut slices).remove(&slice.name);
            if !slices.is_empty() {
                self.slices.insert(service, slices);
            }
        }
    }
}

/// Collects objects into a [`World`].
#[derive(Debug, Default)]
pub struct Builder {
    world: World,
}

impl Builder {
    /// Adds an object, or replaces the one of its name.
    #[must_use]
    pub fn with(mut self, key: &ObjectKey, object: &Object) -> Self {
        self.world.apply(key, Some(object));
        self
    }

    /// Freezes the world.
    pub fn build(self) -> World {
        self.world
    }
}

#[cfg(test)]
mod tests;
