//! Looking up objects of any kind by their key.

use std::sync::Arc;

use super::{Kind, Name, Object, ObjectKey, World};

impl World {
    /// The object of this key, in its last good version.
    pub fn object(&self, key: &ObjectKey) -> Option<Object> {
        let name = Name::new(&key.namespace, &key.name);
        match key.kind {
            Kind::Ingress => self.ingresses.get(&name).cloned().map(Object::Ingress),
            Kind::IngressClass => self.classes.get(&key.name).cloned().map(Object::IngressClass),
            Kind::Service => self.services.get(&name).cloned().map(Object::Service),
            Kind::Secret => self.secrets.get(&name).cloned().map(Object::Secret),
            Kind::ConfigMap => self.config_maps.get(&name).cloned().map(Object::ConfigMap),
            Kind::WebSocketRoute => self.routes.get(&name).cloned().map(Object::WebSocketRoute),
            Kind::ReferenceGrant => self.grants.get(&name).cloned().map(Object::ReferenceGrant),
            Kind::EndpointSlice => {
                let service = Name::new(&key.namespace, self.homes.get(&name)?);
                let slice = self.slices.get(&service)?.get(&key.name)?;
                Some(Object::EndpointSlice(Arc::clone(slice)))
            }
        }
    }

    /// The keys of all objects of a kind, those included that could never be read.
    pub fn keys(&self, kind: Kind) -> Vec<ObjectKey> {
        let key = |name: &Name| ObjectKey {
            kind,
            namespace: name.namespace.clone(),
            name: name.name.clone(),
        };
        let mut keys: Vec<ObjectKey> = match kind {
            Kind::Ingress => self.ingresses.keys().map(key).collect(),
            Kind::Service => self.services.keys().map(key).collect(),
            Kind::Secret => self.secrets.keys().map(key).collect(),
            Kind::ConfigMap => self.config_maps.keys().map(key).collect(),
            Kind::WebSocketRoute => self.routes.keys().map(key).collect(),
            Kind::ReferenceGrant => self.grants.keys().map(key).collect(),
            Kind::EndpointSlice => self.homes.keys().map(key).collect(),
            Kind::IngressClass => self
                .classes
                .keys()
                .map(|name| key(&Name::new("", name)))
                .collect(),
        };
        let unreadable = self
            .unreadable
            .keys()
            .filter(|key| key.kind == kind && self.object(key).is_none());
        keys.extend(unreadable.cloned());
        keys
    }
}
