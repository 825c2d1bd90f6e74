//! A route before its references are resolved.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use routetable::{
    HostPattern, ObjectKind, ObjectRef, ProxyVersion, Route, RouteId, RouteMatch, RouteTls, Timeouts,
};

use super::field::FieldPath;
use crate::crd::tls::CaKind;
use crate::world::{Kind, ObjectKey};

/// One route to be, with the fields it comes from.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// The route; its backends are empty until resolved.
    pub(super) route: Route,
    /// The fields of `route.hosts`, in order.
    pub(super) host_fields: Vec<FieldPath>,
    /// The fields of `route.matches`, in order.
    pub(super) match_fields: Vec<FieldPath>,
    /// What it refers to.
    pub(super) backends: Vec<BackendRef>,
}

/// A reference to a port of a Service.
#[derive(Clone, Debug)]
pub(super) struct BackendRef {
    /// The field of the reference.
    pub(super) field: FieldPath,
    /// The field of its port.
    pub(super) port_field: FieldPath,
    /// The namespace of the Service, if the reference says one.
    pub(super) namespace: Option<String>,
    /// The Service.
    pub(super) service: String,
    /// The port, as written.
    pub(super) port: IntOrString,
    /// Share of traffic.
    pub(super) weight: u32,
    /// How TLS is spoken to it; as the Service's port says if absent.
    pub(super) tls: Option<TlsRef>,
    /// The header that says who the client is, if the reference wants one.
    pub(super) proxy_header: Option<ProxyVersion>,
}

/// TLS towards a backend, before its Secrets are resolved.
#[derive(Clone, Debug)]
pub(super) struct TlsRef {
    /// The name that the backend's certificate must have; that of the Service if absent.
    pub(super) hostname: Option<String>,
    /// Who must have signed it.
    pub(super) signer: Signer,
    /// The Secret of what is shown to the backend, with its field.
    pub(super) certificate: Option<(FieldPath, String)>,
}

/// Who must have signed a backend's certificate.
#[derive(Clone, Debug)]
pub(super) enum Signer {
    /// An authority that browsers trust.
    System,
    /// An authority in the object of this kind and name, with the field that says so.
    Held(FieldPath, CaKind, String),
    /// Anybody.
    Anybody,
}

/// The parts by which a draft is told apart from its siblings.
#[derive(Debug)]
pub(super) struct Identity<'a> {
    /// Kind of the object.
    pub(super) kind: ObjectKind,
    /// The object.
    pub(super) object: &'a ObjectKey,
    /// creationTimestamp in Unix seconds.
    pub(super) created: i64,
    /// Position in the object.
    pub(super) order: u32,
    /// Names the rule by what it is; decides the route's id.
    pub(super) key: String,
    /// Name for people.
    pub(super) rule: String,
}

impl Draft {
    /// A draft for these hosts and matches, each with its field.
    pub(super) fn new(
        identity: Identity<'_>,
        hosts: Vec<(FieldPath, HostPattern)>,
        matches: Vec<(FieldPath, RouteMatch)>,
        backends: Vec<BackendRef>,
        timeouts: Timeouts,
    ) -> Self {
        let source = ObjectRef {
            kind: identity.kind,
            namespace: identity.object.namespace.clone(),
            name: identity.object.name.clone(),
        };
        let (host_fields, hosts) = hosts.into_iter().unzip();
        let (match_fields, matches) = matches.into_iter().unzip();
        let route = Route {
            id: RouteId::new(&source, &identity.key),
            source,
            rule: identity.rule,
            created: identity.created,
            order: identity.order,
            fallback: false,
            hosts,
            matches,
            backends: vec![],
            timeouts,
            tls: RouteTls::default(),
        };
        Self {
            route,
            host_fields,
            match_fields,
            backends,
        }
    }

    /// Makes it serve only what no other route matches.
    #[must_use]
    pub(super) fn into_fallback(mut self) -> Self {
        self.route.fallback = true;
        self
    }

    /// True when it takes the same requests in the same place as `other`, wherever they lead.
    pub(super) fn claims_as(&self, other: &Self) -> bool {
        let shape = |draft: &Self| {
            let Route {
                id,
                created,
                order,
                fallback,
                ..
            } = draft.route;
            (id, created, order, fallback)
        };
        shape(self) == shape(other)
            && self.route.hosts == other.route.hosts
            && self.route.matches == other.route.matches
            && self.host_fields == other.host_fields
            && self.match_fields == other.match_fields
    }

    /// The object it comes from.
    pub(super) fn key(&self) -> ObjectKey {
        object_key(&self.route.source)
    }
}

/// The key of a route's source.
pub(super) fn object_key(source: &ObjectRef) -> ObjectKey {
    let kind = match source.kind {
        ObjectKind::Ingress => Kind::Ingress,
        ObjectKind::WebSocketRoute => Kind::WebSocketRoute,
    };
    ObjectKey {
        kind,
        namespace: source.namespace.clone(),
        name: source.name.clone(),
    }
}
