//! Stable identities of the table's resources.
//!
//! An id is a hash of names, never an index: it stays the same across controller restarts,
//! replicas and reordered objects, so that sessions and counters keep their owner.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3Default;

use crate::model::{HostPattern, ObjectRef};

/// Identity of one [`Route`](crate::Route): the object it comes from and the rule within it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteId(pub u64);

/// Identity of an object that owns routes: what all rules of one Ingress or WebSocketRoute share.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId(pub u64);

impl ObjectId {
    /// The id of `object`.
    pub fn new(object: &ObjectRef) -> Self {
        Self(hash_parts(&[
            object.kind.as_str(),
            &object.namespace,
            &object.name,
        ]))
    }
}

/// Identity of one [`Certificate`](crate::Certificate): a Secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CertificateId(pub u64);

impl CertificateId {
    /// The id of the certificate in the Secret `namespace`/`secret`.
    pub fn new(namespace: &str, secret: &str) -> Self {
        Self(hash_parts(&["Secret", namespace, secret]))
    }
}

/// Identity of one [`ServerName`](crate::ServerName): the names it is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServerNameId(pub u64);

impl ServerNameId {
    /// The id of what is spoken to clients that ask for `host`.
    pub fn new(host: &HostPattern) -> Self {
        Self(hash_parts(&["ServerName", &host.to_string()]))
    }
}

/// Identity of one [`EndpointSet`](crate::EndpointSet): a Service and one of its ports.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EndpointSetId(pub u64);

impl RouteId {
    /// The id of the rule `rule` of `source`.
    ///
    /// `rule` must name the rule by what it is (its name, or what it matches) rather than by its
    /// position, or inserting a rule would hand the sessions of one rule to its neighbour.
    pub fn new(source: &ObjectRef, rule: &str) -> Self {
        Self(hash_parts(&[
            source.kind.as_str(),
            &source.namespace,
            &source.name,
            rule,
        ]))
    }
}

impl EndpointSetId {
    /// The id of the endpoints behind `port` (as the backend reference writes it: a number or a
    /// name) of the Service `namespace`/`service`.
    pub fn new(namespace: &str, service: &str, port: &str) -> Self {
        Self(hash_parts(&["Service", namespace, service, port]))
    }
}

/// Hashes the parts with their lengths, so that ("a", "bc") and ("ab", "c") differ.
fn hash_parts(parts: &[&str]) -> u64 {
    let mut hasher = Xxh3Default::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.digest()
}

macro_rules! hex_format {
    ($id:ty) => {
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }
        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($id), "({:016x})"), self.0)
            }
        }
    };
}
hex_format!(ObjectId);
hex_format!(RouteId);
hex_format!(EndpointSetId);
hex_format!(CertificateId);
hex_format!(ServerNameId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_borders_count() {
        assert_ne!(
            EndpointSetId::new("a", "bc", "80"),
            EndpointSetId::new("ab", "c", "80")
        );
    }

    #[test]
    fn ids_are_stable_across_builds() {
        // A changed value here would make every session lose its route on an upgrade.
        let source = |kind| ObjectRef {
            kind,
            namespace: "prod".into(),
            name: "chat".into(),
        };
        let id = |kind| RouteId::new(&source(kind), "rule-0").to_string();
        assert_eq!(
            EndpointSetId::new("prod", "chat", "8080").to_string(),
            "83ef1b38fe5b231b"
        );
        assert_eq!(id(crate::ObjectKind::WebSocketRoute), "b6e00e5ceac8553e");
        assert_eq!(id(crate::ObjectKind::Ingress), "a349e31ad07403d0");
    }
}
