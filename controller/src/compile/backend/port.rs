//! Ports of Services, and what is spoken there.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::compile::draft::BackendRef;
use crate::compile::finding::Reason;
use crate::compile::report::Report;
use crate::world::{Service, ServicePort};

/// The TCP port of the Service that the reference means.
pub(super) fn find<'a>(
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
            let ports: Vec<String> = ports.iter().map(describe).collect();
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

fn describe(port: &ServicePort) -> String {
    match port.name.as_str() {
        "" => port.number.to_string(),
        name => format!("{name} ({})", port.number),
    }
}

/// The port as the reference writes it.
pub(super) fn written(port: &IntOrString) -> String {
    match port {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => name.clone(),
    }
}

/// What is spoken on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    /// HTTP/1.1.
    Plain,
    /// HTTP/2 with prior knowledge.
    H2c,
    /// HTTP/1.1 over TLS.
    Tls,
}

/// What the port says is spoken there (`appProtocol`, GEP-1911); unknown words mean plain HTTP, as in Gateway API.
pub(super) fn spoken(port: &ServicePort) -> Spoken {
    let written = port.app_protocol.as_deref().unwrap_or_default();
    match written.to_ascii_lowercase().as_str() {
        "https" | "wss" | "kubernetes.io/wss" | "tls" => Spoken::Tls,
        "kubernetes.io/h2c" | "h2c" | "http2" | "grpc" => Spoken::H2c,
        _ => Spoken::Plain,
    }
}
