//! What the tunnel table tells about its sessions.
//!
//! Owns plain values for access records, metrics and listings; never changes a session.

use std::time::Duration;

use tokio::time::Instant;

use super::registry::Target;
use crate::session::{EndedBy, Outcome, Session, Side};

/// What went from one peer to the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes, frame headers and control frames included.
    pub bytes: u64,
    /// Whole text and binary messages.
    pub messages: u64,
}

impl Traffic {
    pub(super) fn of(session: &Session, from: Side) -> Self {
        Self {
            bytes: session.bytes(from),
            messages: session.messages(from),
        }
    }

    pub(super) fn add(&mut self, before: Self, after: Self) {
        self.bytes += after.bytes - before.bytes;
        self.messages += after.messages - before.messages;
    }
}

/// What a table has carried since it was made, sessions that ended included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// From clients to endpoints.
    pub from_client: Traffic,
    /// From endpoints to clients.
    pub from_upstream: Traffic,
    /// Sessions that a change of the configuration ended although they stood, or without their
    /// polite Close. The promise is that this stays 0.
    pub cut_by_config: u64,
}

/// The close codes of a session: what each peer said, and what it was told by us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CloseCodes {
    /// The client's own Close; 1005 when it had no code, absent when there was none.
    pub from_client: Option<u16>,
    /// The endpoint's own Close.
    pub from_upstream: Option<u16>,
    /// Our Close to the client.
    pub to_client: Option<u16>,
    /// Our Close to the endpoint.
    pub to_upstream: Option<u16>,
}

impl CloseCodes {
    pub(super) fn of(session: &Session) -> Self {
        Self {
            from_client: session.close_code(Side::Client),
            from_upstream: session.close_code(Side::Upstream),
            to_client: session.sent_code(Side::Client),
            to_upstream: session.sent_code(Side::Upstream),
        }
    }
}

/// A session's end.
#[derive(Debug)]
pub struct SessionEnd<C> {
    /// The id it was handed over with.
    pub id: u64,
    /// Its route and endpoint.
    pub target: Target,
    /// From the hand-over to the end.
    pub duration: Duration,
    /// What the client sent.
    pub from_client: Traffic,
    /// What the endpoint sent.
    pub from_upstream: Traffic,
    /// Close codes.
    pub codes: CloseCodes,
    /// Who began the end.
    pub ended_by: EndedBy,
    /// How it ended.
    pub outcome: Outcome,
    /// What the caller handed over with it.
    pub context: C,
}

/// A live session in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    /// The id it was handed over with.
    pub id: u64,
    /// Its route and endpoint.
    pub target: Target,
    /// Time since the hand-over.
    pub age: Duration,
    /// Time since bytes last moved.
    pub quiet: Duration,
    /// What the client sent.
    pub from_client: Traffic,
    /// What the endpoint sent.
    pub from_upstream: Traffic,
    /// Whether its end has begun.
    pub ending: bool,
}

impl SessionInfo {
    pub(super) fn of(id: u64, target: Target, session: &Session, started: Instant, now: Instant) -> Self {
        Self {
            id,
            target,
            age: now.saturating_duration_since(started),
            quiet: now.saturating_duration_since(session.touched()),
            from_client: Traffic::of(session, Side::Client),
            from_upstream: Traffic::of(session, Side::Upstream),
            ending: session.is_ending(),
        }
    }
}
