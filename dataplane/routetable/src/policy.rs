//! Per-route settings that a session copies when it starts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long each phase of a request or session may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// Until the TCP connection to the endpoint stands.
    pub connect: Duration,
    /// From the request's head until the backend's 101 (or, for plain HTTP, its response head).
    pub handshake: Duration,
    /// Without a byte in either direction of a session; `None` switches it off.
    pub idle: Option<Duration>,
    /// Planned end of a session counted from its 101; `None` switches it off.
    pub max_duration: Option<Duration>,
}

impl Default for Timeouts {
    /// 5 s, 10 s, 1 h, no planned end.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
            idle: Some(Duration::from_secs(3600)),
            max_duration: None,
        }
    }
}
