//! What `holdfast explain` says about TLS: what is spoken for the host, and what the route asks for.

use routetable::matching::host::normalize;
use routetable::{
    BackendProtocol, ClientValidation, HostPattern, InsecurePolicy, Route, RouteTable, ServerName,
    ServerNameId, Verify,
};

/// One line for the host, one for the route.
pub(super) fn lines(table: &RouteTable, host: &str, route: &Route) -> Vec<String> {
    let host = normalize(host);
    let spoken = match server_name(table, &host) {
        Some(name) => describe(table, name),
        None => {
            "no object speaks of this host; the default certificate, if the controller has one".to_owned()
        }
    };
    let insecure = match route.tls.insecure {
        _ if route.tls.client.is_some() => "refused",
        InsecurePolicy::Allow => "served",
        InsecurePolicy::Redirect => "redirected; WebSocket clients do not follow",
        InsecurePolicy::Reject => "refused",
    };
    let clients = match &route.tls.client {
        None => "",
        Some(ClientValidation { optional: true, .. }) => "; client certificates are checked where shown",
        Some(_) => "; clients must show a certificate",
    };
    vec![
        format!("TLS: {spoken}"),
        format!("requests without TLS: {insecure}{clients}"),
    ]
}

/// What is spoken for a host: the exact name, then the wildcard, then any.
fn server_name<'a>(table: &'a RouteTable, host: &str) -> Option<&'a ServerName> {
    let parent = host.split_once('.').map(|(_, parent)| parent.to_owned());
    let candidates = [
        Some(HostPattern::Exact(host.to_owned())),
        parent.map(HostPattern::Wildcard),
        Some(HostPattern::Any),
    ];
    candidates
        .iter()
        .flatten()
        .find_map(|pattern| table.server_names.get(&ServerNameId::new(pattern)))
        .map(|name| &**name)
}

fn describe(table: &RouteTable, name: &ServerName) -> String {
    let certificates = name
        .certificates
        .iter()
        .filter_map(|id| table.certificates.get(id));
    let secrets: Vec<String> = certificates
        .map(|certificate| format!("{}/{}", certificate.namespace, certificate.secret))
        .collect();
    let secrets = match secrets.as_slice() {
        [] => "no certificate that is known here, without which handshakes are refused".to_owned(),
        [secret] => format!("Secret {secret}"),
        secrets => format!("Secrets {}", secrets.join(", ")),
    };
    let version = name.min_version.as_str();
    format!("'{}' with {secrets}; {version} or later", name.host)
}

/// How a backend is spoken to, after its weight.
pub(super) fn protocol(of: &BackendProtocol) -> String {
    let http2 = if of.http2 { ", HTTP/2" } else { "" };
    let Some(tls) = &of.tls else {
        return http2.to_owned();
    };
    let by = match &tls.verify {
        Verify::System => format!(
            "verified as '{}' by authorities that browsers trust",
            tls.server_name
        ),
        Verify::Authorities(_) => format!("verified as '{}' by authorities of its own", tls.server_name),
        Verify::Nothing => "not verified".to_owned(),
    };
    format!("{http2}, TLS {by}")
}
