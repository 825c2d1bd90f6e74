//! The shape of the records: one flat JSON object, fields without a value left out.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use routetable::TlsVersion;
use serde::{Serialize, Serializer};

use super::{RequestFacts, RequestOutcome};
use crate::session::EndedBy;
use crate::snapshot::{EndpointSlot, RouteEntry};
use crate::tunnel::SessionEnd;

/// What requests and sessions have in common.
#[derive(Serialize)]
pub(super) struct Common<'a> {
    #[serde(serialize_with = "display")]
    time: humantime::Rfc3339Timestamp,
    id: u64,
    client: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    method: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    host: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "route")]
    route: Option<&'a RouteEntry>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "backend")]
    backend: Option<&'a EndpointSlot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<SocketAddr>,
}

impl<'a> Common<'a> {
    pub(super) fn new(time: SystemTime, facts: &'a RequestFacts) -> Self {
        Self {
            time: humantime::format_rfc3339_millis(time),
            id: facts.id,
            client: facts.client,
            protocol: facts.version.and_then(protocol),
            tls: facts.tls.map(TlsVersion::as_str),
            method: facts.method.as_ref().map_or("", http::Method::as_str),
            host: &facts.host,
            path: &facts.path,
            route: facts.route.as_deref(),
            backend: facts.slot.as_deref(),
            endpoint: facts.endpoint,
        }
    }
}

/// `"kind": "request"`.
#[derive(Serialize)]
pub(super) struct RequestRecord<'a> {
    kind: &'static str,
    #[serde(flatten)]
    common: Common<'a>,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    upgrade: bool,
    duration_ms: f64,
    bytes_to_upstream: u64,
    bytes_to_client: u64,
}

impl<'a> RequestRecord<'a> {
    pub(super) fn new(time: SystemTime, facts: &'a RequestFacts, outcome: &RequestOutcome) -> Self {
        Self {
            kind: "request",
            common: Common::new(time, facts),
            status: outcome.status,
            reason: outcome.reason.map(|reason| reason.as_str()),
            upgrade: outcome.upgrade,
            duration_ms: milliseconds(outcome.duration),
            bytes_to_upstream: outcome.bytes_to_upstream,
            bytes_to_client: outcome.bytes_to_client,
        }
    }
}

/// `"kind": "session"`.
#[derive(Serialize)]
pub(super) struct SessionRecord<'a> {
    kind: &'static str,
    #[serde(flatten)]
    common: Common<'a>,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    duration_ms: f64,
    bytes_to_upstream: u64,
    bytes_to_client: u64,
    messages_to_upstream: u64,
    messages_to_client: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    close_from_client: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close_from_upstream: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close_to_client: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close_to_upstream: Option<u16>,
    ended_by: &'static str,
    outcome: &'static str,
}

impl<'a> SessionRecord<'a> {
    pub(super) fn new<C>(time: SystemTime, facts: &'a RequestFacts, end: &SessionEnd<C>) -> Self {
        Self {
            kind: "session",
            common: Common::new(time, facts),
            // RFC 8441 section 5: what 101 is to HTTP/1.1, 200 is to HTTP/2.
            status: match facts.version {
                Some(http::Version::HTTP_2) => http::StatusCode::OK.as_u16(),
                _ => http::StatusCode::SWITCHING_PROTOCOLS.as_u16(),
            },
            reason: match end.ended_by {
                EndedBy::Proxy(cause) => Some(cause.as_str()),
                EndedBy::Client | EndedBy::Upstream => None,
            },
            duration_ms: milliseconds(end.duration),
            bytes_to_upstream: end.from_client.bytes,
            bytes_to_client: end.from_upstream.bytes,
            messages_to_upstream: end.from_client.messages,
            messages_to_client: end.from_upstream.messages,
            close_from_client: end.codes.from_client,
            close_from_upstream: end.codes.from_upstream,
            close_to_client: end.codes.to_client,
            close_to_upstream: end.codes.to_upstream,
            ended_by: end.ended_by.as_str(),
            outcome: end.outcome.as_str(),
        }
    }
}

fn protocol(version: http::Version) -> Option<&'static str> {
    match version {
        http::Version::HTTP_10 => Some("HTTP/1.0"),
        http::Version::HTTP_11 => Some("HTTP/1.1"),
        http::Version::HTTP_2 => Some("HTTP/2"),
        _ => None,
    }
}

/// Milliseconds to the microsecond.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

fn display<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn route<S: Serializer>(entry: &Option<&RouteEntry>, serializer: S) -> Result<S::Ok, S::Error> {
    let Some(entry) = entry else {
        return serializer.serialize_none();
    };
    let source = &entry.route.source;
    serializer.collect_str(&format_args!(
        "{}/{}/{}",
        source.namespace, source.name, entry.route.rule
    ))
}

fn backend<S: Serializer>(slot: &Option<&EndpointSlot>, serializer: S) -> Result<S::Ok, S::Error> {
    let Some(slot) = slot else {
        return serializer.serialize_none();
    };
    serializer.collect_str(&format_args!("{}/{}:{}", slot.namespace, slot.service, slot.port))
}
