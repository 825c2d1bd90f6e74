//! What drafts refer to: Services, their ports and the endpoints behind them.
//!
//! A port of a Service is resolved through its name, as kube-proxy does: the EndpointSlices hold,
//! under the name of the Service's port, the number that each group of endpoints listens on.
//! Several slices of a Service merge; an address that is in two of them counts once. A Service of
//! another namespace needs a ReferenceGrant there.

mod endpoints;
mod port;
mod protocol;
mod sets;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use routetable::limits::MAX_ENDPOINTS;
use routetable::{BackendProtocol, EndpointSet, EndpointSetId, EndpointState, WeightedBackend};

use super::Settings;
use super::draft::{BackendRef, Draft};
use super::finding::Reason;
use super::refs::Refs;
use super::report::Report;
use super::tls::Secrets;
use crate::world::{Name, ObjectKey, Service, ServicePort, Slices, World};
pub(super) use protocol::Shown;
use protocol::{Known, Notes};
pub(super) use sets::Sets;

/// Resolves references and keeps the endpoint sets they lead to.
#[derive(Debug)]
pub(super) struct Resolver<'a> {
    world: &'a World,
    settings: &'a Settings,
    sets: &'a mut Sets,
    pub(super) secrets: Secrets<'a>,
}

/// What the drafts of an object lead to.
#[derive(Debug, Default)]
pub(super) struct Led {
    pub(super) sets: BTreeMap<EndpointSetId, Arc<EndpointSet>>,
    pub(super) shown: Shown,
}

/// Where the endpoints of a reference are found, and the port that says what is spoken there.
enum Target<'a> {
    /// Under the name of this port in the Service's EndpointSlices.
    Port(Option<&'a Slices>, &'a ServicePort),
    /// At these addresses of an alias, with this number.
    Host(&'a [(IpAddr, EndpointState)], u16, Option<&'a ServicePort>),
}

impl<'a> Resolver<'a> {
    pub(super) fn new(
        world: &'a World,
        settings: &'a Settings,
        sets: &'a mut Sets,
        secrets: Secrets<'a>,
    ) -> Self {
        Self {
            world,
            settings,
            sets,
            secrets,
        }
    }

    /// Fills in the draft's backends; adds what they lead to. What does not resolve is left out and reported.
    pub(super) fn resolve(
        &mut self,
        draft: &mut Draft,
        led: &mut Led,
        refs: &mut Refs,
        report: &mut Report<'_>,
    ) {
        let mut backends: Vec<WeightedBackend> = Vec::new();
        for backend in &draft.backends {
            let Some((set, protocol)) = self.set(backend, &mut led.shown, refs, report) else {
                continue;
            };
            let same =
                |known: &&mut WeightedBackend| known.endpoint_set == set.id && known.protocol == protocol;
            match backends.iter_mut().find(same) {
                Some(known) => known.weight = known.weight.saturating_add(backend.weight),
                None => backends.push(WeightedBackend {
                    endpoint_set: set.id,
                    weight: backend.weight,
                    protocol,
                }),
            }
            if backend.weight > 0 {
                endpoints::report_readiness(backend, &set, report);
            }
            led.sets.insert(set.id, set);
        }
        if !backends.is_empty() && backends.iter().all(|backend| backend.weight == 0) {
            let field = draft.backends[0].field.parent().unwrap_or_default();
            let message = format!("`{field}` have no weight but 0; new handshakes get 503");
            report.warning(&field, Reason::NoReadyEndpoints, message);
        }
        draft.route.backends = backends;
    }

    fn set(
        &mut self,
        backend: &BackendRef,
        shown: &mut Shown,
        refs: &mut Refs,
        report: &mut Report<'_>,
    ) -> Option<(Arc<EndpointSet>, BackendProtocol)> {
        let object = report.object;
        let namespace = backend.namespace.as_ref().unwrap_or(&object.namespace);
        let name = Name::new(namespace, &backend.service);
        refs.services.insert(name.clone());
        // Asked before the Service is looked for: without a grant nobody hears whether it exists.
        refs.crosses |= *namespace != object.namespace;
        if *namespace != object.namespace && !self.is_permitted(object, &name) {
            let message = format!(
                "create a ReferenceGrant in '{namespace}' that allows {}s from '{}' to refer to Service '{}'",
                object.kind.as_str(),
                object.namespace,
                name.name
            );
            report.error(&backend.field, Reason::RefNotPermitted, message);
            return None;
        }
        let world = self.world;
        let Some(service) = world.services.get(&name) else {
            refs.misses = true;
            report.error(&backend.field, Reason::BackendNotFound, self.not_found(&name));
            return None;
        };
        refs.aliases |= service.external_name.is_some();
        let target = match &service.external_name {
            Some(host) => self.behind_host(&host.to_ascii_lowercase(), service, backend, report)?,
            None => self.behind_port(&name, service, backend, report)?,
        };
        let known = Known {
            name: &name,
            service,
            port: match &target {
                Target::Port(_, port) => Some(port),
                Target::Host(.., port) => *port,
            },
        };
        let mut notes = Notes { shown, refs, report };
        let protocol = self.protocol(&known, backend, &mut notes)?;
        let (set, found) = self
            .sets
            .get(name, port::written(&backend.port), || match target {
                Target::Port(slices, port) => {
                    slices.map_or(vec![], |slices| endpoints::of_port(slices, &port.name))
                }
                Target::Host(addresses, number, _) => endpoints::of_host(addresses, number),
            });
        if found > MAX_ENDPOINTS {
            let message = format!(
                "'{}' has {found} endpoints; the first {MAX_ENDPOINTS} are used",
                backend.service
            );
            report.warning(&backend.field, Reason::InvalidEndpoints, message);
        }
        Some((set, protocol))
    }

    fn is_permitted(&self, object: &ObjectKey, service: &Name) -> bool {
        let first = Name::new(&service.namespace, "");
        let grants = self.world.grants.iter_from(&first);
        grants
            .take_while(|(name, _)| name.namespace == service.namespace)
            .any(|(_, grant)| grant.permits(object.kind, &object.namespace, &service.name))
    }

    /// Endpoints by the Service's EndpointSlices.
    fn behind_port(
        &self,
        name: &Name,
        service: &'a Service,
        backend: &BackendRef,
        report: &mut Report<'_>,
    ) -> Option<Target<'a>> {
        let port = port::find(service, backend, report)?;
        let Some(slices) = self.world.slices.get(name) else {
            return Some(Target::Port(None, port));
        };
        if let Some(message) = endpoints::other_ports(slices, name, &port.name) {
            // Seen for a moment whenever a Service port is renamed. No set rather than an empty one:
            // that would say of every endpoint that it is gone.
            report.warning(&backend.field, Reason::InvalidEndpoints, message);
            return None;
        }
        Some(Target::Port(Some(slices), port))
    }

    /// Endpoints by the addresses of the host that the Service is an alias of.
    fn behind_host(
        &self,
        host: &str,
        service: &'a Service,
        backend: &BackendRef,
        report: &mut Report<'_>,
    ) -> Option<Target<'a>> {
        let name = &backend.service;
        if !self.settings.allow_external_names {
            let message = format!(
                "Service '{name}' is of type 'ExternalName', which is not served here; write one with a selector or EndpointSlices, or start the controller with '--allow-external-names'"
            );
            report.error(&backend.field, Reason::ExternalNameNotAllowed, message);
            return None;
        }
        let (number, port) = match (&backend.port, service.ports.is_empty()) {
            (IntOrString::Int(number), true) => (*number, None),
            _ => {
                let port = port::find(service, backend, report)?;
                (port.number, Some(port))
            }
        };
        let Some(number) = u16::try_from(number).ok().filter(|number| *number > 0) else {
            let message = format!("port {number} of Service '{name}' must be between 1 and 65535");
            report.error(&backend.port_field, Reason::PortNotFound, message);
            return None;
        };
        // No set rather than an empty one while the host is unknown: a name server that is away
        // must not say of an endpoint that it is gone.
        let Some(addresses) = self.world.resolved.get(host) else {
            let message =
                format!("'{name}' stands for '{host}', of which no address is known; new handshakes get 503");
            report.warning(&backend.field, Reason::NoReadyEndpoints, message);
            return None;
        };
        if let Some((ip, _)) = addresses.iter().find(|(ip, _)| !endpoints::may_be_reached(*ip)) {
            let message = format!(
                "'{name}' stands for '{host}', which leads to {ip}; loopback, link-local and multicast addresses are not used"
            );
            report.warning(&backend.field, Reason::InvalidEndpoints, message);
        }
        Some(Target::Host(addresses, number, port))
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
