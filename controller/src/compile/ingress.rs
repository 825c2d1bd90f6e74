//! Ingress (networking.k8s.io/v1) to drafts, one per path.
//!
//! ImplementationSpecific paths are prefixes. A `defaultBackend` takes what no rule of any object
//! takes: first on the hosts of its own rules, then anywhere. A path whose backend is refused
//! keeps its place and answers 503, so that its requests do not fall to a shorter prefix.

use k8s_openapi::api::networking::v1::{HTTPIngressPath, IngressBackend, ServiceBackendPort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use routetable::{HostPattern, ObjectKind, PathMatch, RouteMatch, Timeouts};

use super::annotation;
use super::draft::{BackendRef, Draft, Identity};
use super::field::FieldPath;
use super::finding::Reason;
use super::report::Report;
use super::{host, path};
use crate::world::Ingress;

/// Drafts of the Ingress's rules that can be served.
pub(super) fn lower(ingress: &Ingress, report: &mut Report<'_>) -> Vec<Draft> {
    let spec = FieldPath::new("spec");
    let rules = ingress.spec.rules.as_deref().unwrap_or_default();
    let annotated = annotation::lower(ingress, report);
    let timeouts = annotated.timeouts;
    if rules.is_empty() && ingress.spec.default_backend.is_none() {
        report.refuse(&spec, "must hold `rules` or a `defaultBackend`");
    }
    let mut drafts = Vec::new();
    let mut hosts = Vec::new();
    let mut order = 0;
    for (r, rule) in rules.iter().enumerate() {
        let rule_field = spec.field("rules").index(r);
        let host_field = rule_field.field("host");
        let host = match rule.host.as_deref().unwrap_or_default() {
            "" => HostPattern::Any,
            text => match host::parse(text, "rules[].http.paths") {
                Ok(host) => host,
                Err(rest) => {
                    report.refuse(&host_field, rest);
                    continue;
                }
            },
        };
        let paths = rule
            .http
            .as_ref()
            .map(|http| http.paths.as_slice())
            .unwrap_or_default();
        if paths.is_empty() && ingress.spec.default_backend.is_none() {
            let message = format!("`{rule_field}` holds no paths and takes no requests; write `http.paths`");
            report.warning(&rule_field, Reason::MissingField, message);
        }
        for (p, written) in paths.iter().enumerate() {
            let field = rule_field.field("http").field("paths").index(p);
            let Some(path) = path_match(written, &field, report) else {
                continue;
            };
            let identity = Identity {
                kind: ObjectKind::Ingress,
                object: report.object,
                created: ingress.created,
                order,
                key: format!("{host} {}", path::canonical(&path)),
                rule: format!("rule-{order}"),
            };
            let hosts = vec![(host_field.clone(), host.clone())];
            let matches = vec![(field.field("path"), RouteMatch::path(path))];
            let backends = backend(&written.backend, &field.field("backend"), report);
            drafts.push(Draft::new(identity, hosts, matches, backends, timeouts));
            order += 1;
        }
        if !hosts.iter().any(|(_, known)| *known == host) {
            hosts.push((host_field, host));
        }
    }
    drafts.extend(default_backend(ingress, hosts, order, timeouts, report));
    for draft in &mut drafts {
        draft.route.tls.insecure = annotated.insecure;
        if annotated.is_closed {
            draft.backends.clear();
        }
        for backend in &mut draft.backends {
            backend.tls.clone_from(&annotated.backend_tls);
            backend.proxy_header = annotated.proxy_header;
        }
    }
    drafts
}

/// One draft per host, so that each keeps its id whatever hosts come and go.
fn default_backend(
    ingress: &Ingress,
    mut hosts: Vec<(FieldPath, HostPattern)>,
    order: u32,
    timeouts: Timeouts,
    report: &mut Report<'_>,
) -> Vec<Draft> {
    let Some(written) = ingress.spec.default_backend.as_ref() else {
        return vec![];
    };
    let field = FieldPath::new("spec.defaultBackend");
    hosts.retain(|(_, host)| *host != HostPattern::Any);
    hosts.push((field.clone(), HostPattern::Any));
    let backends = backend(written, &field, report);
    let draft = |(offset, host): (u32, (FieldPath, HostPattern))| {
        let identity = Identity {
            kind: ObjectKind::Ingress,
            object: report.object,
            created: ingress.created,
            order: order + offset,
            key: format!("default {}", host.1),
            rule: "default".to_owned(),
        };
        let matches = vec![(field.clone(), path::every())];
        Draft::new(identity, vec![host], matches, backends.clone(), timeouts).into_fallback()
    };
    (0..).zip(hosts).map(draft).collect()
}

fn path_match(written: &HTTPIngressPath, field: &FieldPath, report: &mut Report<'_>) -> Option<PathMatch> {
    let path = written.path.as_deref().unwrap_or_default();
    let exact = match written.path_type.as_str() {
        "Exact" => true,
        "Prefix" => false,
        "ImplementationSpecific" if path.is_empty() => return Some(path::prefix("/")),
        "ImplementationSpecific" => false,
        other => {
            let rest = format!("must be 'Exact', 'Prefix' or 'ImplementationSpecific'; got '{other}'");
            report.refuse(&field.field("pathType"), rest);
            return None;
        }
    };
    match path::problem(path) {
        Some(rest) => {
            report.refuse(&field.field("path"), rest);
            None
        }
        None if exact => Some(path::exact(path)),
        None => Some(path::prefix(path)),
    }
}

/// The reference of a backend; none when it can't be served.
fn backend(written: &IngressBackend, field: &FieldPath, report: &mut Report<'_>) -> Vec<BackendRef> {
    if let Some(resource) = &written.resource {
        let message = format!(
            "backend resource '{} {}' is not served; write `service` with a name and a port",
            resource.kind, resource.name
        );
        report.error(&field.field("resource"), Reason::UnsupportedBackend, message);
        return vec![];
    }
    let field = field.field("service");
    let Some(service) = &written.service else {
        report.refuse(&field, "must be set");
        return vec![];
    };
    let port_field = field.field("port");
    let none = ServiceBackendPort::default();
    let port = service.port.as_ref().unwrap_or(&none);
    let port = match (
        port.name.as_deref().unwrap_or_default(),
        port.number.unwrap_or_default(),
    ) {
        ("", 0) => Err("must hold a `number` or a `name`"),
        ("", number @ 1..=65535) => Ok(IntOrString::Int(number)),
        ("", _) => Err("must hold a `number` between 1 and 65535"),
        (name, 0) => Ok(IntOrString::String(name.to_owned())),
        _ => Err("must not hold both `number` and `name`"),
    };
    match port {
        Ok(port) => {
            vec![BackendRef {
                field,
                port_field,
                namespace: None,
                service: service.name.clone(),
                port,
                weight: 1,
                tls: None,
                proxy_header: None,
            }]
        }
        Err(rest) => {
            report.refuse(&port_field, rest);
            vec![]
        }
    }
}
