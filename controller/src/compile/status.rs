//! What is said about each object that is ours: the content of its conditions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use routetable::{EndpointSet, EndpointSetId, EndpointState, PathMatch, Route, RouteId};

use super::finding::{Finding, Reason, Severity};
use super::path;
use super::tls::Spoken;
use crate::world::Validity;

/// Most URLs in one status.
pub const MAX_URLS: usize = 16;

/// Whether a condition holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    #[default]
    Holds,
    /// It does not.
    Fails {
        /// The first cause.
        reason: Reason,
        /// What is wrong and what to write instead.
        message: String,
    },
}

/// The state of one Ingress or WebSocketRoute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectStatus {
    /// metadata.generation of the object that this is about.
    pub generation: i64,
    /// `Accepted`: at least one of its rules has a meaning.
    pub accepted: Outcome,
    /// `ResolvedRefs`: everything it refers to exists.
    pub resolved_refs: Outcome,
    /// `PartiallyInvalid`, only when true: some of it is not served.
    pub partially_invalid: Option<String>,
    /// `Conflicted`, only when true: another rule takes its requests.
    pub conflicted: Option<String>,
    /// `NoReadyEndpoints`, only when true.
    pub no_ready_endpoints: Option<String>,
    /// Its routes in the table.
    pub routes: Vec<RouteId>,
    /// Where clients reach it: `wss://chat.example.com/ws`, or `ws://` without TLS, for each host and path, a wildcard's
    /// first label as `*`; at most [`MAX_URLS`].
    pub urls: Vec<String>,
    /// Endpoints behind its routes that take new sessions.
    pub endpoints_ready: usize,
    /// Endpoints behind its routes.
    pub endpoints_total: usize,
    /// When the certificates that it refers to are valid, by the names of their Secrets.
    pub certificates: BTreeMap<String, Validity>,
}

/// Sums up what was found about one object. `offered` says that one of its rules has a meaning,
/// even if other rules took all of its requests.
pub(super) fn sum_up<'a>(
    generation: i64,
    offered: bool,
    findings: impl Iterator<Item = &'a Finding>,
    routes: &[Arc<Route>],
    sets: &BTreeMap<EndpointSetId, Arc<EndpointSet>>,
    spoken: &Spoken,
) -> ObjectStatus {
    let mut status = ObjectStatus {
        generation,
        ..ObjectStatus::default()
    };
    for finding in findings {
        note(&mut status, finding, offered);
    }
    let mut referred = BTreeSet::new();
    for route in routes {
        status.routes.push(route.id);
        add_urls(&mut status.urls, route, spoken);
        referred.extend(route.backends.iter().map(|backend| backend.endpoint_set));
    }
    for set in referred.iter().filter_map(|id| sets.get(id)) {
        let ready = set.endpoints.iter().filter(|e| e.state == EndpointState::Ready);
        status.endpoints_ready += ready.count();
        status.endpoints_total += set.endpoints.len();
    }
    status
}

fn add_urls(urls: &mut Vec<String>, route: &Route, spoken: &Spoken) {
    for host in &route.hosts {
        let scheme = if spoken.covers(host) { "wss" } else { "ws" };
        for matched in &route.matches {
            let path = match &matched.path {
                // Which paths a pattern takes can't be told in one URL.
                PathMatch::Regex(_) => "/",
                path => path::display(path),
            };
            let url = format!("{scheme}://{host}{path}");
            if urls.len() < MAX_URLS && !urls.contains(&url) {
                urls.push(url);
            }
        }
    }
}

fn note(status: &mut ObjectStatus, finding: &Finding, offered: bool) {
    let message = finding.text();
    match finding.reason {
        Reason::Conflicted => drop(status.conflicted.get_or_insert(message)),
        Reason::NoReadyEndpoints => drop(status.no_ready_endpoints.get_or_insert(message)),
        Reason::CertificateNotFound | Reason::InvalidCertificate => {
            fail(&mut status.resolved_refs, finding.reason, message);
        }
        _ if finding.severity != Severity::Error => {}
        Reason::BackendNotFound
        | Reason::PortNotFound
        | Reason::RefNotPermitted
        | Reason::ExternalNameNotAllowed
        | Reason::UnsupportedProtocol => fail(&mut status.resolved_refs, finding.reason, message),
        // The object is closed, or an older version of it serves.
        Reason::UnsupportedAnnotation | Reason::InvalidAnnotation | Reason::UnsupportedValue => {
            fail(&mut status.accepted, finding.reason, message);
        }
        // Wording of Gateway API's condition of the same name.
        _ if offered => {
            let dropped = format!("Dropped Rule: {message}");
            status.partially_invalid.get_or_insert(dropped);
        }
        reason => fail(&mut status.accepted, reason, message),
    }
}

/// The first cause stays.
fn fail(outcome: &mut Outcome, reason: Reason, message: String) {
    if *outcome == Outcome::Holds {
        *outcome = Outcome::Fails { reason, message };
    }
}
