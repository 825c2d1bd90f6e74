//! WebSocketRoute to drafts, one per rule.
//!
//! A rule's id comes from its name or, without one, from what it matches: never from its position,
//! or inserting a rule would hand the sessions of one rule to its neighbour.

mod matches;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use routetable::canonical::content_hash;
use routetable::{HostPattern, ObjectKind, ProxyVersion, RouteMatch, Timeouts};

use super::draft::{BackendRef, Draft, Identity, Signer, TlsRef};
use super::field::FieldPath;
use super::report::Report;
use super::{host, path, timeouts, tls};
use crate::crd::tls::{BackendTls, BackendVerify};
use crate::crd::websocketroute::{BackendRef as ApiBackendRef, ProxyProtocol, Rule};
use crate::world::WebSocketRoute;

const MAX_WEIGHT: i32 = 1_000_000;

/// Drafts of the route's rules that can be served.
pub(super) fn lower(route: &WebSocketRoute, report: &mut Report<'_>) -> Vec<Draft> {
    let spec = FieldPath::new("spec");
    let hosts = hosts(&route.spec.hostnames, &spec.field("hostnames"), report);
    let timeouts = match &route.spec.timeouts {
        Some(block) => timeouts::lower(block, &spec.field("timeouts"), report),
        None => Some(Timeouts::default()),
    };
    let insecure = tls::route::insecure(route.spec.tls.as_ref());
    let tls_is_good = route
        .spec
        .tls
        .iter()
        .all(|block| tls::route::check(block, report));
    if route.spec.rules.is_empty() {
        report.refuse(&spec.field("rules"), "must hold at least one rule");
    }
    let mut drafts = Vec::new();
    for (index, rule) in route.spec.rules.iter().enumerate() {
        let field = spec.field("rules").index(index);
        let named = check_name(&route.spec.rules, index, &field, report);
        let matches = rule_matches(rule, &field, report);
        let backends = backends(&rule.backend_refs, &field.field("backendRefs"), report);
        // A route whose time limits, hosts or TLS are refused is not served at all.
        let is_good = named && tls_is_good && !hosts.is_empty() && !matches.is_empty();
        let (Some(timeouts), true) = (timeouts, is_good) else {
            continue;
        };
        let identity = Identity {
            kind: ObjectKind::WebSocketRoute,
            object: report.object,
            created: route.created,
            order: index as u32,
            key: rule_key(rule, &matches),
            rule: rule.name.clone().unwrap_or_else(|| format!("rule-{index}")),
        };
        let mut draft = Draft::new(identity, hosts.clone(), matches, backends, timeouts);
        draft.route.tls.insecure = insecure;
        drafts.push(draft);
    }
    drafts
}

fn hosts(written: &[String], field: &FieldPath, report: &mut Report<'_>) -> Vec<(FieldPath, HostPattern)> {
    let mut hosts: Vec<(FieldPath, HostPattern)> = Vec::new();
    if written.is_empty() {
        report.refuse(field, "must hold at least one hostname");
    }
    for (index, text) in written.iter().enumerate() {
        let field = field.index(index);
        let parsed = match text.as_str() {
            "*" if written.len() == 1 => Ok(HostPattern::Any),
            "*" => Err("must not be '*' beside other hostnames".to_owned()),
            text => host::parse(text, "rules[].matches"),
        };
        match parsed {
            Ok(host) if hosts.iter().any(|(_, known)| *known == host) => {
                report.refuse(&field, format!("must not repeat '{text}'"));
            }
            Ok(host) => hosts.push((field, host)),
            Err(rest) => report.refuse(&field, rest),
        }
    }
    hosts
}

/// False when the rule's name is taken or is none.
fn check_name(rules: &[Rule], index: usize, field: &FieldPath, report: &mut Report<'_>) -> bool {
    let Some(name) = &rules[index].name else {
        return true;
    };
    let field = field.field("name");
    if !host::is_label(name) {
        report.refuse(&field, host::label_problem(name));
        return false;
    }
    if let Some(earlier) = rules[..index]
        .iter()
        .position(|rule| rule.name.as_ref() == Some(name))
    {
        report.refuse(
            &field,
            format!("must be unique; '{name}' is also the name of `spec.rules[{earlier}]`"),
        );
        return false;
    }
    true
}

fn rule_matches(rule: &Rule, field: &FieldPath, report: &mut Report<'_>) -> Vec<(FieldPath, RouteMatch)> {
    let field = field.field("matches");
    if rule.matches.is_empty() {
        return vec![(field, path::every())];
    }
    let lowered = rule.matches.iter().enumerate().filter_map(|(index, written)| {
        let field = field.index(index);
        let lowered = matches::lower(written, &field, report)?;
        Some((field, lowered))
    });
    lowered.collect()
}

fn backends(written: &[ApiBackendRef], field: &FieldPath, report: &mut Report<'_>) -> Vec<BackendRef> {
    if written.is_empty() {
        report.refuse(field, "must hold at least one Service");
    }
    let mut backends = Vec::new();
    for (index, backend) in written.iter().enumerate() {
        let field = field.index(index);
        let port_field = field.field("port");
        let port_problem = match &backend.port {
            IntOrString::Int(1..=65535) => None,
            IntOrString::Int(number) => Some(format!("must be between 1 and 65535; got {number}")),
            IntOrString::String(name) if name.bytes().all(|b| b.is_ascii_digit()) => Some(format!(
                "must be a port number or name; write {name} without quotes"
            )),
            IntOrString::String(name) if host::is_label(name) => None,
            IntOrString::String(name) => Some(format!(
                "must be a port number or a name such as 'http'; got '{name}'"
            )),
        };
        if let Some(rest) = port_problem {
            report.refuse(&port_field, rest);
            continue;
        }
        if !(0..=MAX_WEIGHT).contains(&backend.weight) {
            let rest = format!("must be between 0 and {MAX_WEIGHT}; got {}", backend.weight);
            report.refuse(&field.field("weight"), rest);
            continue;
        }
        if let Some(namespace) = backend.namespace.as_ref().filter(|name| !host::is_label(name)) {
            report.refuse(&field.field("namespace"), host::label_problem(namespace));
            continue;
        }
        let tls = match &backend.tls {
            None => None,
            Some(written) => match backend_tls(written, &field.field("tls"), report) {
                Some(tls) => Some(tls),
                None => continue,
            },
        };
        let weight = backend.weight.unsigned_abs();
        let (service, port) = (backend.name.clone(), backend.port.clone());
        backends.push(BackendRef {
            field,
            port_field,
            namespace: backend.namespace.clone(),
            service,
            port,
            weight,
            tls,
            proxy_header: backend.proxy_protocol.map(|version| match version {
                ProxyProtocol::V1 => ProxyVersion::V1,
                ProxyProtocol::V2 => ProxyVersion::V2,
            }),
        });
    }
    backends
}

/// TLS towards a backend; `None` when it is refused.
fn backend_tls(written: &BackendTls, field: &FieldPath, report: &mut Report<'_>) -> Option<TlsRef> {
    let before = report.findings.len();
    let authority = written.ca_ref.as_ref().map(|authority| &authority.name);
    let names = [
        (authority, "caRef.name"),
        (written.client_cert_secret_name.as_ref(), "clientCertSecretName"),
    ];
    for (name, place) in names {
        if let Some(rest) = name.and_then(|name| host::object_name_problem(name)) {
            report.refuse(&FieldPath::new(&format!("{field}.{place}")), rest);
        }
    }
    match &written.hostname {
        Some(name) => {
            if let Some(rest) = host::backend_name_problem(name) {
                report.refuse(&field.field("hostname"), rest);
            }
        }
        None if written.verify == BackendVerify::Skip => {}
        None => report.refuse(field, "must set `hostname` unless `verify` is 'Skip'"),
    }
    let signer = match (written.verify, &written.ca_ref) {
        (BackendVerify::System, None) => Signer::System,
        (BackendVerify::Skip, None) => Signer::Anybody,
        (BackendVerify::Ca, Some(authority)) => {
            Signer::Held(field.field("caRef"), authority.kind, authority.name.clone())
        }
        _ => {
            let rest = "must set `caRef` when `verify` is 'CA', and must not set it otherwise";
            report.refuse(field, rest);
            return None;
        }
    };
    (report.findings.len() == before).then(|| TlsRef {
        hostname: written.hostname.clone(),
        signer,
        certificate: written
            .client_cert_secret_name
            .clone()
            .map(|name| (field.field("clientCertSecretName"), name)),
    })
}

fn rule_key(rule: &Rule, matches: &[(FieldPath, RouteMatch)]) -> String {
    match &rule.name {
        Some(name) => format!("name {name}"),
        None => {
            let mut matches: Vec<&RouteMatch> = matches.iter().map(|(_, m)| m).collect();
            matches.sort();
            format!("matches {:016x}", content_hash(&matches))
        }
    }
}
