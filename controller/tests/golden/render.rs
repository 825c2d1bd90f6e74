//! A compilation as YAML that people read and diffs are small in.

use controller::compile::{Compiled, Finding, ObjectStatus, Outcome};
use routetable::{
    BackendProtocol, CertificateId, ClientValidation, InsecurePolicy, PathMatch, Route, RouteMatch,
    RouteTable, ServerName, Timeouts, TlsVersion, ValueMatch, ValuePattern, Verify,
};
use serde_json::{Map, Value, json};

pub(crate) fn render(compiled: &Compiled, report: &[Finding]) -> Value {
    let mut routes: Vec<_> = compiled.table.routes.values().collect();
    routes.sort_by_key(|route| (&route.source, route.order));
    let sets = compiled.table.endpoint_sets.values().map(|set| {
        let endpoints = set
            .endpoints
            .iter()
            .map(|e| format!("{} {:?}", e.address, e.state));
        (
            format!("{}/{}:{}", set.namespace, set.service, set.port),
            endpoints.collect::<Value>(),
        )
    });
    let mut sets: Vec<_> = sets.collect();
    sets.sort_by(|a, b| a.0.cmp(&b.0));
    let mut out = json!({
        "routes": routes.iter().map(|route| render_route(route, &compiled.table)).collect::<Value>(),
        "endpointSets": sets.into_iter().collect::<Map<_, _>>(),
        "statuses": compiled
            .statuses
            .iter()
            .map(|(key, status)| (key.to_string(), render_status(status)))
            .collect::<Map<_, _>>(),
        "findings": report.iter().map(render_finding).collect::<Value>(),
    });
    let names = compiled.table.server_names.values();
    let mut names: Vec<_> = names.map(|name| render_name(name, &compiled.table)).collect();
    names.sort_by(|a, b| a["host"].as_str().cmp(&b["host"].as_str()));
    if !names.is_empty() {
        out["serverNames"] = json!(names);
    }
    out
}

fn render_name(name: &ServerName, table: &RouteTable) -> Value {
    let certificates = name.certificates.iter().map(|id| secret_name(*id, table));
    let mut out = json!({"host": name.host.to_string(), "certificates": certificates.collect::<Value>()});
    if name.min_version != TlsVersion::default() {
        out["minVersion"] = json!(format!("{:?}", name.min_version));
    }
    if let Some(client) = &name.client {
        out["client"] = json!(render_client(client));
    }
    out
}

/// Sound tables hold every certificate that something refers to.
fn secret_name(id: CertificateId, table: &RouteTable) -> String {
    let certificate = table.certificates.get(&id);
    let certificate = certificate.expect("sound tables hold every certificate that something refers to");
    let chain = certificate.chain.len();
    assert!(!certificate.key.0.is_empty());
    format!(
        "{}/{} ({chain} in its chain)",
        certificate.namespace, certificate.secret
    )
}

fn render_client(client: &ClientValidation) -> String {
    let mode = if client.optional { "optional" } else { "required" };
    format!("{mode}, {} authorities", client.authorities.len())
}

fn render_protocol(of: &BackendProtocol, table: &RouteTable) -> String {
    let mut out = if of.http2 { " HTTP/2" } else { "" }.to_owned();
    if let Some(tls) = &of.tls {
        let verify = match &tls.verify {
            Verify::System => "System".to_owned(),
            Verify::Authorities(authorities) => format!("{} authorities", authorities.len()),
            Verify::Nothing => "unverified".to_owned(),
        };
        out.push_str(&format!(" TLS '{}' {verify}", tls.server_name));
        if let Some(id) = tls.certificate {
            out.push_str(&format!(" showing {}", secret_name(id, table)));
        }
    }
    out
}

fn render_route(route: &Route, table: &RouteTable) -> Value {
    let backends = route.backends.iter().map(|backend| {
        let set = table.endpoint_sets.get(&backend.endpoint_set);
        let set = set.expect("sound tables hold every set that a route leads to");
        (
            format!(
                "{}/{}:{}{}",
                set.namespace,
                set.service,
                set.port,
                render_protocol(&backend.protocol, table)
            ),
            json!(backend.weight),
        )
    });
    let mut out = json!({
        "route": format!("{} {}", route.source, route.rule),
        "id": route.id.to_string(),
        "order": route.order,
        "hosts": route.hosts.iter().map(ToString::to_string).collect::<Value>(),
        "matches": route.matches.iter().map(render_match).collect::<Value>(),
        "backends": backends.collect::<Map<_, _>>(),
    });
    if route.created != 0 {
        out["created"] = json!(route.created);
    }
    if route.fallback {
        out["fallback"] = json!(true);
    }
    if route.tls.insecure != InsecurePolicy::Allow {
        out["insecure"] = json!(format!("{:?}", route.tls.insecure));
    }
    if let Some(client) = &route.tls.client {
        out["client"] = json!(render_client(client));
    }
    if route.timeouts != Timeouts::default() {
        let Timeouts {
            connect,
            handshake,
            idle,
            max_duration,
        } = route.timeouts;
        out["timeouts"] = json!({
            "connect": format!("{connect:?}"),
            "handshake": format!("{handshake:?}"),
            "idle": format!("{idle:?}"),
            "maxDuration": format!("{max_duration:?}"),
        });
    }
    out
}

fn render_match(matched: &RouteMatch) -> String {
    let mut out = match &matched.path {
        PathMatch::Exact(path) => format!("Exact '{path}'"),
        PathMatch::Prefix(path) => format!("Prefix '{path}'"),
        PathMatch::Regex(pattern) => format!("Regex '{pattern}'"),
    };
    let mut conditions = |what: &str, values: &[ValueMatch]| {
        for ValueMatch { name, value } in values {
            match value {
                ValuePattern::Exact(text) => out.push_str(&format!(" {what} {name}='{text}'")),
                ValuePattern::Regex(pattern) => out.push_str(&format!(" {what} {name}~'{pattern}'")),
            }
        }
    };
    conditions("header", &matched.headers);
    conditions("query", &matched.query_params);
    conditions("cookie", &matched.cookies);
    if !matched.subprotocols.is_empty() {
        out.push_str(&format!(" subprotocols {}", matched.subprotocols.join(",")));
    }
    out
}

fn render_status(status: &ObjectStatus) -> Value {
    let outcome = |outcome: &Outcome| match outcome {
        Outcome::Holds => "True".to_owned(),
        Outcome::Fails { reason, .. } => format!("False, {reason}"),
    };
    let mut out = json!({
        "accepted": outcome(&status.accepted),
        "resolvedRefs": outcome(&status.resolved_refs),
        "routes": status.routes.len(),
        "endpoints": format!("{}/{}", status.endpoints_ready, status.endpoints_total),
    });
    if !status.urls.is_empty() {
        out["urls"] = json!(status.urls);
    }
    if status.generation != 0 {
        out["generation"] = json!(status.generation);
    }
    for (name, message) in [
        ("partiallyInvalid", &status.partially_invalid),
        ("conflicted", &status.conflicted),
        ("noReadyEndpoints", &status.no_ready_endpoints),
    ] {
        if let Some(message) = message {
            out[name] = json!(message);
        }
    }
    out
}

fn render_finding(finding: &Finding) -> String {
    let mut finding = finding.clone();
    if let Some(location) = &mut finding.location {
        location.file = location.file.file_name().unwrap_or_default().into();
    }
    strip_folder(&finding.to_string())
}

/// Messages may name a second place; its folder differs from machine to machine.
fn strip_folder(text: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/");
    match text.split_once(root) {
        Some((before, after)) => {
            let (_, file) = after.split_once('/').unwrap_or_default();
            format!("{before}{file}")
        }
        None => text.to_owned(),
    }
}
