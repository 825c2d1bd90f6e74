//! What the data plane would do with a request once its route is known.

use routetable::{
    EndpointSet, EndpointState, InsecurePolicy, ObjectKind, Route, RouteTable, WeightedBackend,
};

use super::question::Question;
use super::tls;

use crate::world::{Name, World};

/// A prediction.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Forecast {
    /// One line for each backend and endpoint.
    pub(super) endpoints: Vec<String>,
    /// Status and reason.
    pub(super) answer: &'static str,
    /// True when no endpoint gets to see the request.
    pub(super) refused: bool,
}

/// A backend without an endpoint that takes new work gives its share to its siblings.
pub(super) fn forecast(table: &RouteTable, route: Option<&Route>, question: &Question) -> Forecast {
    let mut endpoints = Vec::new();
    let Some(route) = route else {
        return Forecast {
            endpoints,
            answer: "404 NoRoute",
            refused: true,
        };
    };
    let insecure = insecure(route, question);
    let backends = route.backends.iter().filter_map(|backend| {
        let set = table.endpoint_sets.get(&backend.endpoint_set)?;
        let best = set.endpoints.iter().map(|endpoint| endpoint.state).min();
        let usable = matches!(best, Some(EndpointState::Ready | EndpointState::Draining));
        Some((backend, set.as_ref(), best.filter(|_| usable)))
    });
    let backends: Vec<(&WeightedBackend, &EndpointSet, Option<EndpointState>)> = backends.collect();
    let total: u64 = backends
        .iter()
        .filter(|(_, _, best)| best.is_some())
        .map(|(backend, ..)| u64::from(backend.weight))
        .sum();
    for (backend, set, best) in backends {
        let weight = u64::from(backend.weight);
        let EndpointSet {
            namespace,
            service,
            port,
            ..
        } = set;
        let share = best.and_then(|_| (weight * 100).checked_div(total)).unwrap_or(0);
        endpoints.push(format!(
            "backend {namespace}/{service}:{port}: weight {weight}, {share} % of what is new{}",
            tls::protocol(&backend.protocol)
        ));
        for endpoint in &set.endpoints {
            endpoints.push(format!("  {}: {}", endpoint.address, state(endpoint.state, best)));
        }
        if set.endpoints.is_empty() {
            endpoints.push("  no endpoints".to_owned());
        }
    }
    let answer = match (total > 0, question.is_handshake()) {
        _ if insecure.is_some() => insecure.unwrap_or_default(),
        (false, _) => "503 NoReadyEndpoints",
        (true, true) => "101 if the endpoint accepts, otherwise what it answers",
        (true, false) => "what the endpoint answers",
    };
    Forecast {
        endpoints,
        answer,
        refused: total == 0 || insecure.is_some(),
    }
}

/// What a request without TLS gets instead of an answer of the endpoint.
fn insecure(route: &Route, question: &Question) -> Option<&'static str> {
    if question.is_secure() {
        return None;
    }
    match route.tls.insecure {
        _ if route.tls.client.is_some() => Some("403 TlsRequired: clients must show a certificate"),
        InsecurePolicy::Allow => None,
        InsecurePolicy::Reject => Some("403 TlsRequired"),
        InsecurePolicy::Redirect if question.is_handshake() => Some(
            "308 TlsRedirect, which browsers do not follow on a handshake; use wss:// or `insecurePolicy: Reject`",
        ),
        InsecurePolicy::Redirect => Some("308 TlsRedirect to https://"),
    }
}

fn state(of: EndpointState, best: Option<EndpointState>) -> &'static str {
    match of {
        EndpointState::Ready => "ready",
        EndpointState::Draining if best == Some(EndpointState::Draining) => {
            "terminating, used because none of its siblings is ready"
        }
        EndpointState::Draining => "terminating, gets nothing new",
        EndpointState::NotReady => "not ready",
    }
}

/// The time limits that the route's object sets itself.
pub(super) fn timeouts_set(world: &World, route: &Route) -> Vec<&'static str> {
    if route.source.kind != ObjectKind::WebSocketRoute {
        return vec![];
    }
    let name = Name::new(&route.source.namespace, &route.source.name);
    let Some(set) = world
        .routes
        .get(&name)
        .and_then(|object| object.spec.timeouts.as_ref())
    else {
        return vec![];
    };
    let limits = [
        ("connect", &set.connect),
        ("handshake", &set.handshake),
        ("idle", &set.idle),
        ("maxDuration", &set.max_duration),
    ];
    limits
        .into_iter()
        .filter(|(_, value)| value.is_some())
        .map(|(name, _)| name)
        .collect()
}
