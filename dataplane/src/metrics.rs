//! Counters of the data plane, in OpenMetrics text (names and labels: the reference in the README).
//!
//! Called once per request, handshake or session, never per message.

use std::time::Duration;

use crate::error::Reason;
use crate::snapshot::{EndpointSlot, RouteEntry};

/// All counters; shared by the workers.
#[derive(Debug, Default)]
pub struct Metrics {}

impl Metrics {
    /// A plain request was answered, by a backend or (with a reason) by us.
    pub fn request(&self, route: Option<&RouteEntry>, status: u16, reason: Option<Reason>, took: Duration) {
        let _ = (route, status, reason, took);
    }

    /// An upgrade attempt was answered, by a backend or (with a reason) by us.
    pub fn handshake(&self, route: Option<&RouteEntry>, status: u16, reason: Option<Reason>, took: Duration) {
        let _ = (route, status, reason, took);
    }

    /// A connection to an endpoint stands.
    pub fn upstream_connected(&self, slot: &EndpointSlot, took: Duration) {
        let _ = (slot, took);
    }

    /// An endpoint could not be connected, or broke its answer.
    pub fn upstream_failed(&self, slot: &EndpointSlot, reason: Reason) {
        let _ = (slot, reason);
    }

    /// A request goes to another endpoint.
    pub fn retried(&self, slot: &EndpointSlot, reason: Reason) {
        let _ = (slot, reason);
    }

    /// A table, or a change of it, was dealt with.
    pub fn config_push(&self, result: PushResult, took: Duration) {
        let _ = (result, took);
    }
}

/// What became of something that the controller sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PushResult {
    /// All of it serves.
    Applied,
    /// All but some items serves.
    Partial,
    /// It did not fit what we have.
    Resync,
    /// It must not serve.
    Refused,
}
