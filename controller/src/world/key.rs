//! The names of objects: their kind, namespace and name.

use std::fmt;

/// The kinds of object that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// networking.k8s.io/v1
    Ingress,
    /// networking.k8s.io/v1, cluster-scoped
    IngressClass,
    /// v1
    Service,
    /// discovery.k8s.io/v1
    EndpointSlice,
    /// v1
    Secret,
    /// v1
    ConfigMap,
    /// holdfast.dev/v1alpha1
    WebSocketRoute,
    /// gateway.networking.k8s.io/v1beta1
    ReferenceGrant,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Ingress,
        Self::IngressClass,
        Self::Service,
        Self::EndpointSlice,
        Self::Secret,
        Self::ConfigMap,
        Self::WebSocketRoute,
        Self::ReferenceGrant,
    ];

    /// The kind as Kubernetes spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::IngressClass => "IngressClass",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
            Self::WebSocketRoute => "WebSocketRoute",
            Self::ReferenceGrant => "ReferenceGrant",
        }
    }

    /// The `apiVersion` that is read.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Ingress | Self::IngressClass => "networking.k8s.io/v1",
            Self::Service | Self::Secret | Self::ConfigMap => "v1",
            Self::EndpointSlice => "discovery.k8s.io/v1",
            Self::WebSocketRoute => crate::crd::API_VERSION,
            Self::ReferenceGrant => "gateway.networking.k8s.io/v1beta1",
        }
    }

    /// False for kinds that have no namespace.
    pub fn is_namespaced(self) -> bool {
        self != Self::IngressClass
    }
}

/// Names one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; empty for cluster-scoped kinds.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            namespace,
            name,
        } = self;
        match namespace.as_str() {
            "" => write!(f, "{} {name}", kind.as_str()),
            _ => write!(f, "{} {namespace}/{name}", kind.as_str()),
        }
    }
}

/// Namespace and name, for maps of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Name {
    /// A name in a namespace.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}
