//! What a status should say, and whether that differs from what stands. Pure.
//!
//! Conditions follow the API conventions: each with the generation it is about, and a transition time that
//! moves only when its status does. `Ready` sums the others up.

use std::collections::BTreeSet;
use std::net::IpAddr;

use k8s_openapi::api::networking::v1::IngressLoadBalancerIngress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::compile::{ObjectStatus, Outcome};
use crate::crd::status::{EndpointCount, LoadBalancer, LoadBalancerAddress, WebSocketRouteStatus};

/// Longest message of a condition, in bytes.
const MAX_MESSAGE: usize = 1024;

/// The conditions that are ours.
const KINDS: [&str; 7] = [
    "Accepted",
    "ResolvedRefs",
    "Programmed",
    "Ready",
    "PartiallyInvalid",
    "Conflicted",
    "NoReadyEndpoints",
];

/// Whether the living replicas serve what an object means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Programmed {
    /// All of them.
    Yes,
    /// Nothing of the object is to be served.
    Nothing,
    /// Some do not yet.
    Waiting {
        /// How many do not.
        missing: usize,
        /// How many live.
        of: usize,
    },
}

/// The status of a WebSocketRoute; `standing` supplies what is not ours to change.
pub(super) fn route(
    status: &ObjectStatus,
    programmed: &Programmed,
    addresses: &BTreeSet<String>,
    controller: &str,
    standing: &WebSocketRouteStatus,
    now: &Time,
) -> WebSocketRouteStatus {
    let conditions = conditions(status, programmed).into_iter().map(|wanted| {
        let known = standing
            .conditions
            .iter()
            .find(|known| known.type_ == wanted.kind);
        let since = known
            .filter(|known| known.status == wanted.status)
            .map(|known| known.last_transition_time.clone());
        Condition {
            type_: wanted.kind.to_owned(),
            status: wanted.status.to_owned(),
            reason: wanted.reason,
            message: cut(wanted.message),
            observed_generation: Some(status.generation),
            last_transition_time: since.unwrap_or_else(|| now.clone()),
        }
    });
    let ingress: Vec<LoadBalancerAddress> = addresses
        .iter()
        .map(|address| match address.parse::<IpAddr>() {
            Ok(_) => LoadBalancerAddress {
                ip: Some(address.clone()),
                hostname: None,
            },
            Err(_) => LoadBalancerAddress {
                ip: None,
                hostname: Some(address.clone()),
            },
        })
        .collect();
    WebSocketRouteStatus {
        observed_generation: Some(status.generation),
        controller_name: Some(controller.to_owned()),
        conditions: conditions.collect(),
        urls: status.urls.clone(),
        endpoints: Some(EndpointCount {
            ready: i32::try_from(status.endpoints_ready).unwrap_or(i32::MAX),
            total: i32::try_from(status.endpoints_total).unwrap_or(i32::MAX),
        }),
        load_balancer: (!ingress.is_empty()).then_some(LoadBalancer { ingress }),
    }
}

/// The addresses of an Ingress.
pub(super) fn ingress(addresses: &BTreeSet<String>) -> Vec<IngressLoadBalancerIngress> {
    let entry = |address: &String| match address.parse::<IpAddr>() {
        Ok(_) => IngressLoadBalancerIngress {
            ip: Some(address.clone()),
            ..IngressLoadBalancerIngress::default()
        },
        Err(_) => IngressLoadBalancerIngress {
            hostname: Some(address.clone()),
            ..IngressLoadBalancerIngress::default()
        },
    };
    addresses.iter().map(entry).collect()
}

/// A condition without its times.
struct Wanted {
    kind: &'static str,
    status: &'static str,
    reason: String,
    message: String,
}

fn conditions(status: &ObjectStatus, programmed: &Programmed) -> Vec<Wanted> {
    let accepted = outcome(
        "Accepted",
        &status.accepted,
        "Accepted",
        "the route has a meaning",
    );
    let resolved = outcome(
        "ResolvedRefs",
        &status.resolved_refs,
        "ResolvedRefs",
        "everything it refers to exists",
    );
    let served = match programmed {
        Programmed::Yes => wanted("Programmed", true, "Programmed", "every replica serves it"),
        Programmed::Nothing => wanted("Programmed", false, "Invalid", "none of its rules is served"),
        Programmed::Waiting { missing, of } => {
            let message = format!("{missing} of {of} replicas do not serve this generation yet");
            wanted("Programmed", false, "Pending", &message)
        }
    };
    let only_when_true = [
        ("PartiallyInvalid", &status.partially_invalid),
        ("Conflicted", &status.conflicted),
        ("NoReadyEndpoints", &status.no_ready_endpoints),
    ];
    let troubles: Vec<Wanted> = only_when_true
        .into_iter()
        .filter_map(|(kind, message)| Some(wanted(kind, true, kind, message.as_deref()?)))
        .collect();
    let must_hold = [&accepted, &resolved];
    let cause = must_hold
        .into_iter()
        .find(|condition| condition.status == "False");
    let cause = cause
        .or(troubles.first())
        .or(Some(&served).filter(|served| served.status == "False"));
    let ready = match cause {
        Some(cause) => wanted("Ready", false, &cause.reason, &cause.message),
        None => wanted(
            "Ready",
            true,
            "Ready",
            "every replica serves it, and its endpoints are ready",
        ),
    };
    let mut all = vec![accepted, resolved, served, ready];
    all.extend(troubles);
    all
}

fn outcome(kind: &'static str, outcome: &Outcome, reason: &str, message: &str) -> Wanted {
    match outcome {
        Outcome::Holds => wanted(kind, true, reason, message),
        Outcome::Fails { reason, message } => wanted(kind, false, reason.as_str(), message),
    }
}

fn wanted(kind: &'static str, holds: bool, reason: &str, message: &str) -> Wanted {
    Wanted {
        kind,
        status: if holds { "True" } else { "False" },
        reason: reason.to_owned(),
        message: message.to_owned(),
    }
}

fn cut(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(MAX_MESSAGE));
    message
}

/// True when the two say the same. The times of conditions follow from the rest.
pub(super) fn is_same(a: &WebSocketRouteStatus, b: &WebSocketRouteStatus) -> bool {
    is_same_but_counts(a, b) && a.endpoints == b.endpoints
}

/// The same, apart from the numbers of endpoints.
pub(super) fn is_same_but_counts(a: &WebSocketRouteStatus, b: &WebSocketRouteStatus) -> bool {
    let told = |status: &WebSocketRouteStatus| {
        let condition = |c: &Condition| {
            (
                c.type_.clone(),
                c.status.clone(),
                c.reason.clone(),
                c.message.clone(),
                c.observed_generation,
            )
        };
        // Somebody else's conditions are none of our business.
        let ours = status
            .conditions
            .iter()
            .filter(|c| KINDS.contains(&c.type_.as_str()));
        ours.map(condition).collect::<BTreeSet<_>>()
    };
    a.observed_generation == b.observed_generation
        && a.controller_name == b.controller_name
        && a.urls == b.urls
        && a.load_balancer == b.load_balancer
        && told(a) == told(b)
}

#[cfg(test)]
mod tests;
