//! What the cluster, or the folder of manifests, holds at one moment.
//!
//! Owns the compact form of the objects that `compile` reads: sorted maps of only what it needs,
//! objects behind `Arc`, so that a copy is cheap and what did not change is known by its address.
//! Never watches, fetches or judges anything.

mod certificate;
mod key;
mod lookup;
mod object;
mod reduce;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use routetable::EndpointState;

pub use certificate::Certificate;
pub use key::{Kind, Name, ObjectKey};
pub use object::{
    EndpointSlice, GrantedServices, Ingress, IngressClass, Object, ReferenceGrant, Secret, Service,
    ServicePort, WebSocketRoute,
};

/// The EndpointSlices of one Service, by their names.
pub type Slices = BTreeMap<String, Arc<EndpointSlice>>;

/// Every object, by kind and name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// Ingresses.
    pub ingresses: BTreeMap<Name, Arc<Ingress>>,
    /// IngressClasses.
    pub classes: BTreeMap<String, Arc<IngressClass>>,
    /// Services.
    pub services: BTreeMap<Name, Arc<Service>>,
    /// EndpointSlices by the Service they belong to, then by their own name.
    pub slices: BTreeMap<Name, Arc<Slices>>,
    /// Secrets.
    pub secrets: BTreeMap<Name, Arc<Secret>>,
    /// WebSocketRoutes.
    pub routes: BTreeMap<Name, Arc<WebSocketRoute>>,
    /// ReferenceGrants.
    pub grants: BTreeMap<Name, Arc<ReferenceGrant>>,
    /// Addresses of the hosts that Services of type ExternalName stand for; the source looks them up.
    pub resolved: BTreeMap<String, Vec<(IpAddr, EndpointState)>>,
    /// Objects that could not be decoded, with the reason. The last good version of each, if there
    /// was one, still is in its map.
    pub unreadable: BTreeMap<ObjectKey, String>,
    /// The Service under which each slice is kept.
    homes: BTreeMap<Name, String>,
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
        let name = Name::new(&key.namespace, &key.name);
        match object {
            Object::Ingress(o) => drop(self.ingresses.insert(name, Arc::clone(o))),
            Object::IngressClass(o) => drop(self.classes.insert(name.name, Arc::clone(o))),
            Object::Service(o) => drop(self.services.insert(name, Arc::clone(o))),
            Object::Secret(o) => drop(self.secrets.insert(name, Arc::clone(o))),
            Object::WebSocketRoute(o) => drop(self.routes.insert(name, Arc::clone(o))),
            Object::ReferenceGrant(o) => drop(self.grants.insert(name, Arc::clone(o))),
            Object::EndpointSlice(o) => {
                let moved = self.homes.get(&name).is_some_and(|home| *home != o.service);
                if moved {
                    self.remove_slice(&name);
                }
                let service = Name::new(&key.namespace, &o.service);
                let slices = Arc::make_mut(self.slices.entry(service).or_default());
                slices.insert(key.name.clone(), Arc::clone(o));
                self.homes.insert(name, o.service.clone());
            }
        }
    }

    /// True when there is an EndpointSlice of this name, whatever its Service.
    pub fn holds_slice(&self, slice: &Name) -> bool {
        self.homes.contains_key(slice)
    }

    fn remove(&mut self, key: &ObjectKey) {
        let name = Name::new(&key.namespace, &key.name);
        match key.kind {
            Kind::Ingress => drop(self.ingresses.remove(&name)),
            Kind::IngressClass => drop(self.classes.remove(&key.name)),
            Kind::Service => drop(self.services.remove(&name)),
            Kind::Secret => drop(self.secrets.remove(&name)),
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
        let Some(slices) = self.slices.get_mut(&service) else {
            return;
        };
        Arc::make_mut(slices).remove(&slice.name);
        if slices.is_empty() {
            self.slices.remove(&service);
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
