//! The endpoints behind one port of a Service.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use routetable::{Endpoint, EndpointSet, EndpointState};

use crate::compile::draft::BackendRef;
use crate::compile::finding::Reason;
use crate::compile::report::Report;
use crate::world::{Name, Slices};

/// The endpoints under one port name, each address once and in its best state.
pub(super) fn of_port(slices: &Slices, port_name: &str) -> Vec<Endpoint> {
    let mut best: BTreeMap<SocketAddr, EndpointState> = BTreeMap::new();
    for slice in slices.values() {
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

/// Tells when nothing takes new sessions.
pub(super) fn report_readiness(backend: &BackendRef, set: &EndpointSet, report: &mut Report<'_>) {
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
pub(super) fn other_ports(slices: &Slices, service: &Name, port_name: &str) -> Option<String> {
    let filled: Vec<_> = slices
        .values()
        .filter(|slice| !slice.endpoints.is_empty())
        .collect();
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

/// The endpoints behind the addresses of a host.
pub(super) fn of_host(addresses: &[(IpAddr, EndpointState)], port: u16) -> Vec<Endpoint> {
    let mut best: BTreeMap<SocketAddr, EndpointState> = BTreeMap::new();
    for (ip, state) in addresses.iter().filter(|(ip, _)| may_be_reached(*ip)) {
        let known = best.entry(SocketAddr::new(*ip, port)).or_insert(*state);
        *known = (*known).min(*state);
    }
    best.into_iter()
        .map(|(address, state)| Endpoint { address, state })
        .collect()
}

/// The same addresses are refused as by the API server for EndpointSlices: an alias must not lead
/// to this machine or to its neighbours' metadata.
pub(super) fn may_be_reached(ip: IpAddr) -> bool {
    let link_local = match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let ip = ip.to_canonical();
    !(link_local || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast())
}
