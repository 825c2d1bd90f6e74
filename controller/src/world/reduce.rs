//! From the API's types to the compact form.
//!
//! Owns what is kept of each object. A value that can't be read is kept as such for `compile` to
//! report; nothing here fails.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::{core::v1 as core, discovery::v1 as discovery, networking::v1 as networking};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use routetable::EndpointState;

use super::{
    AUTHORITIES, ConfigMap, EndpointSlice, GrantedServices, Ingress, IngressClass, Kind, Object,
    ReferenceGrant, Secret, Service, ServicePort, WebSocketRoute,
};
use crate::crd::referencegrant::ReferenceGrant as ApiReferenceGrant;
use crate::crd::tls::CaKind;
use crate::crd::websocketroute::WebSocketRoute as ApiWebSocketRoute;

/// Annotation prefixes by which an Ingress configures a controller.
const ROUTING_ANNOTATIONS: [&str; 3] = [
    "kubernetes.io/ingress.class",
    "holdfast.dev/",
    "nginx.ingress.kubernetes.io/",
];
const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";
const SERVICE_NAME: &str = "kubernetes.io/service-name";

impl From<CaKind> for Kind {
    fn from(kind: CaKind) -> Self {
        match kind {
            CaKind::Secret => Self::Secret,
            CaKind::ConfigMap => Self::ConfigMap,
        }
    }
}

impl From<networking::Ingress> for Object {
    fn from(ingress: networking::Ingress) -> Self {
        let created = created(&ingress.metadata);
        let generation = ingress.metadata.generation.unwrap_or_default();
        let annotations = ingress.metadata.annotations.unwrap_or_default().into_iter();
        let routing = |key: &str| ROUTING_ANNOTATIONS.iter().any(|prefix| key.starts_with(prefix));
        Self::Ingress(Arc::new(Ingress {
            created,
            generation,
            annotations: annotations.filter(|(key, _)| routing(key)).collect(),
            spec: ingress.spec.unwrap_or_default(),
        }))
    }
}

impl From<networking::IngressClass> for Object {
    fn from(class: networking::IngressClass) -> Self {
        let annotations = class.metadata.annotations.as_ref();
        Self::IngressClass(Arc::new(IngressClass {
            created: created(&class.metadata),
            is_default: annotations
                .and_then(|a| a.get(DEFAULT_CLASS))
                .is_some_and(|v| v == "true"),
            controller: class.spec.and_then(|spec| spec.controller).unwrap_or_default(),
        }))
    }
}

impl From<core::Service> for Object {
    fn from(service: core::Service) -> Self {
        let spec = service.spec.unwrap_or_default();
        let ports = spec
            .ports
            .unwrap_or_default()
            .into_iter()
            .map(|port| ServicePort {
                name: port.name.unwrap_or_default(),
                number: port.port,
                target: port.target_port,
                protocol: port.protocol.unwrap_or_else(|| "TCP".to_owned()),
                app_protocol: port.app_protocol.filter(|protocol| !protocol.is_empty()),
            });
        let is_alias = spec.type_.as_deref() == Some("ExternalName");
        Self::Service(Arc::new(Service {
            external_name: is_alias.then(|| spec.external_name.unwrap_or_default()),
            ports: ports.collect(),
        }))
    }
}

impl From<core::Secret> for Object {
    fn from(secret: core::Secret) -> Self {
        let data = secret.data.unwrap_or_default().into_iter();
        let mut values: BTreeMap<String, Vec<u8>> = data.map(|(key, value)| (key, value.0)).collect();
        // As the API server merges them: what is written as text counts.
        let written = secret.string_data.unwrap_or_default().into_iter();
        values.extend(written.map(|(key, text)| (key, text.into_bytes())));
        let kind = secret.type_.unwrap_or_else(|| "Opaque".to_owned());
        Self::Secret(Arc::new(Secret::read(kind, &values)))
    }
}

impl From<core::ConfigMap> for Object {
    fn from(map: core::ConfigMap) -> Self {
        // A key is in one of the two.
        let texts = map.data.unwrap_or_default();
        let bytes = map.binary_data.unwrap_or_default();
        let text = texts.get(AUTHORITIES).map(|text| text.as_bytes());
        let pem = text.or_else(|| bytes.get(AUTHORITIES).map(|bytes| bytes.0.as_slice()));
        Self::ConfigMap(Arc::new(ConfigMap::read(pem)))
    }
}

impl From<ApiReferenceGrant> for Object {
    fn from(grant: ApiReferenceGrant) -> Self {
        let from = grant.spec.from.into_iter().filter_map(|from| {
            let group = |kind: &Kind| kind.api_version().split_once('/').map_or("", |(group, _)| group);
            let kind = Kind::ALL
                .into_iter()
                .find(|kind| kind.as_str() == from.kind && group(kind) == from.group)?;
            Some((kind, from.namespace))
        });
        let from = from.collect();
        let mut services = grant
            .spec
            .to
            .into_iter()
            .filter(|to| to.group.is_empty() && to.kind == Kind::Service.as_str())
            .map(|to| to.name.filter(|name| !name.is_empty()));
        let named = services.try_fold(BTreeSet::new(), |mut names, name| {
            names.insert(name?);
            Some(names)
        });
        let to = named.map_or(GrantedServices::All, GrantedServices::Named);
        Self::ReferenceGrant(Arc::new(ReferenceGrant { from, to }))
    }
}

impl From<ApiWebSocketRoute> for Object {
    fn from(route: ApiWebSocketRoute) -> Self {
        Self::WebSocketRoute(Arc::new(WebSocketRoute {
            created: created(&route.metadata),
            generation: route.metadata.generation.unwrap_or_default(),
            spec: route.spec,
        }))
    }
}

impl From<discovery::EndpointSlice> for Object {
    fn from(slice: discovery::EndpointSlice) -> Self {
        let mut invalid = Vec::new();
        let labels = slice.metadata.labels.unwrap_or_default();
        let ports = slice_ports(slice.ports.unwrap_or_default(), &mut invalid);
        let mut endpoints = Vec::new();
        let resolvable = slice.address_type != "FQDN";
        for (e, endpoint) in slice.endpoints.iter().enumerate().filter(|_| resolvable) {
            let state = endpoint_state(endpoint.conditions.as_ref());
            // All addresses of an endpoint are interchangeable; all of them are used.
            for (a, address) in endpoint.addresses.iter().enumerate() {
                match address.parse::<IpAddr>() {
                    Ok(ip) if family_fits(&slice.address_type, ip) => endpoints.push((ip, state)),
                    _ => invalid.push((format!("endpoints[{e}].addresses[{a}]"), address.clone())),
                }
            }
        }
        Self::EndpointSlice(Arc::new(EndpointSlice {
            service: labels.get(SERVICE_NAME).cloned().unwrap_or_default(),
            address_type: slice.address_type,
            ports,
            endpoints,
            invalid,
        }))
    }
}

fn slice_ports(
    ports: Vec<discovery::EndpointPort>,
    invalid: &mut Vec<(String, String)>,
) -> BTreeMap<String, u16> {
    let mut by_name = BTreeMap::new();
    for (index, port) in ports.into_iter().enumerate() {
        if port.protocol.is_some_and(|protocol| protocol != "TCP") {
            continue;
        }
        match port.port.map(u16::try_from) {
            Some(Ok(number)) if number > 0 => {
                by_name.entry(port.name.unwrap_or_default()).or_insert(number);
            }
            // No number means "all ports", which leads nowhere in particular.
            None => {}
            Some(_) => {
                invalid.push((
                    format!("ports[{index}].port"),
                    port.port.unwrap_or_default().to_string(),
                ));
            }
        }
    }
    by_name
}

/// Absent conditions count as in the API's definition: ready, serving, not terminating.
fn endpoint_state(conditions: Option<&discovery::EndpointConditions>) -> EndpointState {
    let Some(conditions) = conditions else {
        return EndpointState::Ready;
    };
    if conditions.ready.unwrap_or(true) {
        EndpointState::Ready
    } else if conditions.terminating.unwrap_or(false) && conditions.serving.unwrap_or(true) {
        EndpointState::Draining
    } else {
        EndpointState::NotReady
    }
}

fn family_fits(address_type: &str, ip: IpAddr) -> bool {
    match address_type {
        "IPv4" => ip.is_ipv4(),
        "IPv6" => ip.is_ipv6(),
        _ => false,
    }
}

fn created(metadata: &ObjectMeta) -> i64 {
    metadata
        .creation_timestamp
        .as_ref()
        .map_or(0, |time| time.0.as_second())
}
