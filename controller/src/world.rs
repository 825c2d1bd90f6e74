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

pub use certificate::{Certificate, Validity};
pub use key::{Kind, Name, ObjectKey};
pub use object::{
    EndpointSlice, GrantedServices, Ingress, IngressClass, Object, ReferenceGrant, Secret, Service,
    ServicePort, WebSocketRoute,
};

/// The EndpointSlices of one Service, by their names.
pub type Slices = BTreeMap<String, Arc<EndpointSlice>>;

/// Every object, by kind and name.
///
/// A copy shares its maps with the original until one of them changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// Ingresses.
    pub ingresses: Arc<BTreeMap<Name, Arc<Ingress>>>,
    /// IngressClasses.
    pub classes: Arc<BTreeMap<String, Arc<IngressClass>>>,
    /// Services.
    pub services: Arc<BTreeMap<Name, Arc<Service>>>,
    /// EndpointSlices by the Service they belong to, then by their own name.
    pub slices: Arc<BTreeMap<Name, Arc<Slices>>>,
    /// Secrets.
    pub secrets: Arc<BTreeMap<Name, Arc<Secret>>>,
    /// WebSocketRoutes.
    pub routes: Arc<BTreeMap<Name, Arc<WebSocketRoute>>>,
    /// ReferenceGrants.
    pub grants: Arc<BTreeMap<Name, Arc<ReferenceGrant>>>,
    /// Addresses of the hosts that Services of type ExternalName stand for; the source looks them up.
    pub resolved: BTreeMap<String, Vec<(IpAddr, EndpointState)>>,
    /// Objects that could not be decoded, with the reason. The last good version of each, if there
    /// was one, still is in its map.
    pub unreadable: BTreeMap<ObjectKey, String>,
    /// The Service under which each slice is kept.
    homes: Arc<BTreeMap<Name, String>>,
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
            Object::Ingress(o) => drop(Arc::make_mut(&mut self.ingresses).insert(name, Arc::clone(o))),
            Object::IngressClass(o) => {
                drop(Arc::make_mut(&mut self.classes).insert(name.name, Arc::clone(o)))
            }
            Object::Service(o) => drop(Arc::make_mut(&mut self.services).insert(name, Arc::clone(o))),
            Object::Secret(o) => drop(Arc::make_mut(&mut self.secrets).insert(name, Arc::clone(o))),
            Object::WebSocketRoute(o) => drop(Arc::make_mut(&mut self.routes).insert(name, Arc::clone(o))),
            Object::ReferenceGrant(o) => drop(Arc::make_mut(&mut self.grants).insert(name, Arc::clone(o))),
            Object::EndpointSlice(o) => {
                let moved = self.homes.get(&name).is_some_and(|home| *home != o.service);
                if moved {
                    self.remove_slice(&name);
                }
                let service = Name::new(&key.namespace, &o.service);
                let slices = Arc::make_mut(Arc::make_mut(&mut self.slices).entry(service).or_default());
                slices.insert(key.name.clone(), Arc::clone(o));
                if self.homes.get(&name) != Some(&o.service) {
                    Arc::make_mut(&mut self.homes).insert(name, o.service.clone());
                }
            }
        }
    }

    fn remove(&mut self, key: &ObjectKey) {
        let name = Name::new(&key.namespace, &key.name);
        match key.kind {
            Kind::Ingress => remove(&mut self.ingresses, &name),
            Kind::IngressClass => remove(&mut self.classes, &name.name),
            Kind::Service => remove(&mut self.services, &name),
            Kind::Secret => remove(&mut self.secrets, &name),
            Kind::WebSocketRoute => remove(&mut self.routes, &name),
            Kind::ReferenceGrant => remove(&mut self.grants, &name),
            Kind::EndpointSlice => self.remove_slice(&name),
        }
    }

    fn remove_slice(&mut self, slice: &Name) {
        if !self.homes.contains_key(slice) {
            return;
        }
        let home = Arc::make_mut(&mut self.homes).remove(slice).unwrap_or_default();
        let service = Name::new(&slice.namespace, &home);
        let all = Arc::make_mut(&mut self.slices);
        if let Some(slices) = all.get_mut(&service) {
            Arc::make_mut(slices).remove(&slice.name);
            if slices.is_empty() {
                all.remove(&service);
            }
        }
    }
}

/// Removes an entry; a map without it is not copied.
fn remove<K: Ord + Clone, V: Clone>(map: &mut Arc<BTreeMap<K, V>>, key: &K) {
    if map.contains_key(key) {
        Arc::make_mut(map).remove(key);
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
