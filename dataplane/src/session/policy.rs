//! The words of a session's life and end: limits, plans, causes and outcomes.
//!
//! Owns plain values only; `session` acts on them, metrics and access records name them.

use std::time::Duration;

use tokio::time::Instant;

use super::close::{Close, CloseCode};
use super::frame::Violation;

/// One of the two peers of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The downstream peer.
    Client,
    /// The endpoint.
    Upstream,
}

impl Side {
    /// Both, the client first.
    pub const BOTH: [Self; 2] = [Self::Client, Self::Upstream];

    /// The peer of this one.
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Upstream,
            Self::Upstream => Self::Client,
        }
    }

    /// The name in metrics and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
        }
    }
}

/// The limits of one session.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Ends the session after this time without a byte in either direction.
    pub idle: Option<Duration>,
    /// Ends the session at this age.
    pub max_duration: Option<Duration>,
    /// How long a peer may take over the closing handshake, and how long a timed-out session may
    /// take to reach a message boundary.
    pub close_timeout: Duration,
}

/// A planned end.
#[derive(Debug, Clone)]
pub struct ClosePlan {
    /// Why.
    pub cause: ProxyCause,
    /// What the client is told. The backend is told the same reason with 1001: the codes from
    /// 1012 on are a server's words to its clients.
    pub close: Close,
    /// When what still stands is reset.
    pub deadline: Instant,
}

/// Why the proxy ended a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyCause {
    /// No byte for the idle timeout.
    IdleTimeout,
    /// The session reached its maximum duration.
    MaxDuration,
    /// A peer closed and the other one took no notice.
    CloseTimeout,
    /// The route is gone.
    RouteRemoved,
    /// The endpoint is gone.
    EndpointRemoved,
    /// The data plane is going away.
    Shutdown,
    /// Somebody asked for it.
    Command,
    /// A peer broke the protocol.
    Protocol(Violation),
    /// The sockets could not be taken over.
    Internal,
}

impl ProxyCause {
    /// The name in metrics and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IdleTimeout => "idle_timeout",
            Self::MaxDuration => "max_duration",
            Self::CloseTimeout => "close_timeout",
            Self::RouteRemoved => "route_removed",
            Self::EndpointRemoved => "endpoint_removed",
            Self::Shutdown => "shutdown",
            Self::Command => "command",
            Self::Protocol(_) => "protocol_error",
            Self::Internal => "internal",
        }
    }

    /// Whether a change of the configuration is behind it.
    pub fn is_config(self) -> bool {
        matches!(self, Self::RouteRemoved | Self::EndpointRemoved)
    }

    /// The Close that belongs to it. A drain may say something else.
    pub fn close(self) -> Close {
        let (code, reason) = match self {
            Self::IdleTimeout => (CloseCode::GOING_AWAY, "idle timeout"),
            Self::MaxDuration => (CloseCode::GOING_AWAY, "maximum duration reached"),
            Self::CloseTimeout => (CloseCode::GOING_AWAY, "closing handshake timed out"),
            Self::RouteRemoved => (CloseCode::GOING_AWAY, "route removed"),
            Self::EndpointRemoved => (CloseCode::SERVICE_RESTART, "endpoint removed"),
            Self::Shutdown => (CloseCode::SERVICE_RESTART, "proxy shutting down"),
            Self::Command | Self::Internal => (CloseCode::GOING_AWAY, "closed by the proxy"),
            Self::Protocol(violation) => {
                return Close::of(CloseCode::PROTOCOL_ERROR, &violation.to_string());
            }
        };
        Close::of(code, reason)
    }
}

/// Who began the end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndedBy {
    /// The client: a Close, a FIN or a reset.
    Client,
    /// The endpoint: a Close, a FIN or a reset.
    Upstream,
    /// The proxy.
    Proxy(ProxyCause),
}

impl From<Side> for EndedBy {
    fn from(side: Side) -> Self {
        match side {
            Side::Client => Self::Client,
            Side::Upstream => Self::Upstream,
        }
    }
}

impl EndedBy {
    /// The initiator in metrics and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Proxy(_) => "proxy",
        }
    }
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Both sides were told a Close: their peer's, or ours.
    Closed,
    /// Both streams ended, and not both with a Close.
    Finished,
    /// A reset, passed on as a reset.
    Reset,
    /// The deadline of the end passed first; what still stood was reset.
    DeadlineForced,
    /// A peer broke the protocol.
    ProtocolError {
        /// The offender.
        side: Side,
    },
}

impl Outcome {
    /// The name in metrics and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Finished => "finished",
            Self::Reset => "reset",
            Self::DeadlineForced => "deadline_forced",
            Self::ProtocolError { .. } => "protocol_error",
        }
    }
}
