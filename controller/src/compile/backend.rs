//! Services, their ports and the endpoints behind them.
//!
//! A port of a Service is resolved through its name, as kube-proxy does: the EndpointSlices hold,
//! under the name of the Service's port, the number that each group of endpoints listens on.
//! Several slices of a Service merge; an address that is in two of them counts once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use routetable::limits::MAX_ENDPOINTS;
use routetable::{Endpoint, EndpointSet, EndpointSetId, EndpointState, WeightedBackend};

use super::Settings;
use super::draft::{BackendRef, Draft};
use super::finding::{Finding, Reason};
use super::report::Report;
use crate::world::{Name, Service, ServicePort, World};

/// Resolves references and keeps the endpoint sets they lead to.
#[derive(Debug)]
pub(super) struct Resolver<'a> {
    world: &'a World,
    settings: &'a Settings,
    /// Every set resolved so far.
    pub(super) sets: BTreeMap<EndpointSetId, Arc<EndpointSet>>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(world: &'a World, settings: &'a Settings) -> Self {
        Self {
            world,
            settings,
            sets: BTreeMap::new(),
        }
    }

    /// Fills in the draft's backends. What does not resolve is left out and reported.
    pub(super) fn resolve(&mut self, draft: &mut Draft) -> Vec<Finding> {
        let object = draft.key();
        let mut report = Report::new(&object);
        let mut backends: Vec<WeightedBackend> = Vec::new();
        for backend in &draft.backends {
            let Some(set) = self.set(backend, &mut report) else {
                continue;
            };
            match backends.iter_mut().find(|known| known.endpoint_set == set.id) {
                Some(known) => known.weight = known.weight.saturating_add(backend.weight),
                None => backends.push(WeightedBackend {
                    endpoint_set: set.id,
                    weight: backend.weight,
                }),
            }
            if backend.weight > 0 {
                report_readiness(backend, &set, &mut report);
            }
        }
        if !backends.is_empty() && backends.iter().all(|backend| backend.weight == 0) {
            let field = draft.backends[0].field.parent().unwrap_or_default();
            let message = format!("`{field}` have no weight but 0; new handshakes get 503");
            report.warning(&field, Reason::NoReadyEndpoints, message);
        }
        draft.route.backends = backends;
        report.findings
    }

    fn set(&mut self, backend: &BackendRef, report: &mut Report<'_>) -> Option<Arc<EndpointSet>> {
        let namespace = report.object.namespace.clone();
        let name = Name::new(&namespace, &backend.service);
        let Some(service) = self.world.services.get(&name) else {
            report.error(&backend.field, Reason::BackendNotFound, self.not_found(&name));
            return None;
        };
        if service.external_name.is_some() && !self.settings.allow_external_names {
            let message = format!(
                "Service '{}' is of type 'ExternalName', which is not served here; write one with a selector or EndpointSlices, or start the controller with '--allow-external-names'",
                name.name
            );
            report.error(&backend.field, Reason::ExternalNameNotAllowed, message);
            return None;
        }
        let port = service_port(service, backend, report)?;
        let written = written(&backend.port);
        let id = EndpointSetId::new(&namespace, &name.name, &written);
        if let Some(message) = other_ports(self.world, &name, &port.name) {
            // Seen for a moment whenever a Service port is renamed. No set rather than an empty one:
            // that would say of every endpoint that it is gone.
            report.warning(&backend.field, Reason::InvalidEndpoints, message);
            return None;
        }
        let set = self.sets.entry(id).or_insert_with(|| {
            let mut endpoints = endpoints(self.world, &name, &port.name);
            if endpoints.len() > MAX_ENDPOINTS {
                let message = format!(
                    "'{}' has {} endpoints; the first {MAX_ENDPOINTS} are used",
                    name.name,
                    endpoints.len()
                );
                report.warning(&backend.field, Reason::InvalidEndpoints, message);
                endpoints.truncate(MAX_ENDPOINTS);
            }
            let service = name.name.clone();
            Arc::new(EndpointSet {
                id,
                namespace,
                service,
                port: written,
                endpoints,
            })
        });
        Some(Arc::clone(set))
    }

    fn not_found(&self, missing: &Name) -> String {
        let known = self
            .world
            .services
            .keys()
            .filter(|name| name.namespace == missing.namespace);
        let similar = similar(&missing.name, known.map(|name| name.name.as_str()));
        let Name { namespace, name } = missing;
        match similar.as_slice() {
            [] => format!("Service '{name}' not found in '{namespace}'"),
            names => format!(
                "Service '{name}' not found in '{namespace}'; similar: '{}'",
                names.join("', '")
            ),
        }
    }
}

/// Up to three names that `wanted` may have meant, the nearest first.
fn similar<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let score = |name: &str| match name.contains(wanted) || wanted.contains(name) {
        true => 1.0,
        false => strsim::jaro_winkler(wanted, name),
    };
    let mut near: Vec<(f64, &str)> = known
        .map(|name| (score(name), name))
        .filter(|(s, _)| *s >= 0.8)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

fn service_port<'a>(
    service: &'a Service,
    backend: &BackendRef,
    report: &mut Report<'_>,
) -> Option<&'a ServicePort> {
    let is_meant = |port: &&ServicePort| match &backend.port {
        IntOrString::Int(number) => port.number == *number,
        IntOrString::String(name) => port.name == *name,
    };
    // A number may stand for a TCP and a UDP port at once.
    let tcp = service
        .ports
        .iter()
        .filter(is_meant)
        .find(|port| port.protocol == "TCP");
    if tcp.is_some() {
        return tcp;
    }
    let (name, wanted) = (&backend.service, written(&backend.port));
    if let Some(port) = service.ports.iter().find(is_meant) {
        let message = format!(
            "port {wanted} of Service '{name}' is {}; must be TCP",
            port.protocol
        );
        report.error(&backend.port_field, Reason::UnsupportedProtocol, message);
        return None;
    }
    let mut message = format!("Service '{name}' has no port {wanted}");
    match service.ports.as_slice() {
        [] => message.push_str("; it has none"),
        ports => {
            let ports: Vec<String> = ports.iter().map(describe_port).collect();
            message.push_str(&format!("; it has {}", ports.join(", ")));
        }
    }
    if let Some(port) = service
        .ports
        .iter()
        .find(|port| port.target.as_ref() == Some(&backend.port))
    {
        message.push_str(&format!(
            "; {wanted} is the `targetPort` of port {}: write that",
            port.number
        ));
    }
    report.error(&backend.port_field, Reason::PortNotFound, message);
    None
}

fn describe_port(port: &ServicePort) -> String {
    match port.name.as_str() {
        "" => port.number.to_string(),
        name => format!("{name} ({})", port.number),
    }
}

/// The port as the reference writes it.
fn written(port: &IntOrString) -> String {
    match port {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => name.clone(),
    }
}

/// The endpoints under one port name, each address once and in its best state.
fn endpoints(world: &World, service: &Name, port_name: &str) -> Vec<Endpoint> {
    let mut best: BTreeMap<SocketAddr, EndpointState> = BTreeMap::new();
    for slice in world
        .slices
        .get(service)
        .into_iter()
        .flat_map(|slices| slices.values())
    {
        let Some(port) = slice.ports.get(port_name) else {
            continue;
        };
        for (ip, state) in &slice.endpoints {
            let known = best.entry(SocketAddr::new(*ip, *port)).or_insert(*state);
            *known = (*known).min(*state);
        }
    }
    best.into_iter()
        .map(|(address, state)| Endpoint { address, state })
        .collect()
}

fn report_readiness(backend: &BackendRef, set: &EndpointSet, report: &mut Report<'_>) {
    let count = |state| {
        set.endpoints
            .iter()
            .filter(|endpoint| endpoint.state == state)
            .count()
    };
    if count(EndpointState::Ready) > 0 {
        return;
    }
    let EndpointSet {
        service, endpoints, ..
    } = set;
    let outcome = match count(EndpointState::Draining) {
        0 => "new handshakes get 503".to_owned(),
        1 => "1 is terminating and takes new handshakes".to_owned(),
        draining => format!("{draining} are terminating and take new handshakes"),
    };
    let message = format!(
        "'{service}' has 0 of {} endpoints ready; {outcome}",
        endpoints.len()
    );
    report.warning(&backend.field, Reason::NoReadyEndpoints, message);
}

/// What to say when EndpointSlices hold endpoints, but under no port of the name that the Service
/// gives it.
fn other_ports(world: &World, service: &Name, port_name: &str) -> Option<String> {
    let slices = world
        .slices
        .get(service)
        .into_iter()
        .flat_map(|slices| slices.values());
    let filled: Vec<_> = slices.filter(|slice| !slice.endpoints.is_empty()).collect();
    if filled.is_empty() || filled.iter().any(|slice| slice.ports.contains_key(port_name)) {
        return None;
    }
    let quoted = |name: &String| {
        if name.is_empty() {
            "one without a name".to_owned()
        } else {
            format!("'{name}'")
        }
    };
    let mut found: Vec<String> = filled
        .iter()
        .flat_map(|slice| slice.ports.keys())
        .map(quoted)
        .collect();
    found.sort();
    found.dedup();
    let found = if found.is_empty() {
        "none".to_owned()
    } else {
        found.join(", ")
    };
    let wanted = if port_name.is_empty() {
        "without a name".to_owned()
    } else {
        format!("named '{port_name}'")
    };
    Some(format!(
        "the EndpointSlices of '{}' must hold a TCP port {wanted}, as the Service does; they hold {found}",
        service.name
    ))
}
