//! One JSON record per request, and one per session at its end.
//!
//! A worker formats its records and hands them to one writer thread through a bounded queue; what
//! does not fit is counted, never waited for.

mod record;
mod writer;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use routetable::TlsVersion;

use self::record::{RequestRecord, SessionRecord};
use self::writer::Writer;
use crate::error::Reason;
use crate::snapshot::{EndpointSlot, RouteEntry};
use crate::tunnel::SessionEnd;
use crate::wall_clock;

/// What is known of a request from its head on; a session carries it to its end.
#[derive(Debug)]
pub struct RequestFacts {
    /// Unique in this process.
    pub id: u64,
    /// The client's address.
    pub client: SocketAddr,
    /// Version that the client speaks; `None` if that could not be read.
    pub version: Option<http::Version>,
    /// Version of TLS that it speaks; `None` without TLS.
    pub tls: Option<TlsVersion>,
    /// Method; `None` if that could not be read.
    pub method: Option<http::Method>,
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

/// Takes the records; without a writer it drops them unseen.
#[derive(Debug, Default)]
pub struct AccessLog {
    writer: Option<Writer>,
}

impl AccessLog {
    /// Writes to `sink` on a thread of its own.
    ///
    /// # Errors
    /// The system grants no thread.
    pub fn to(sink: impl io::Write + Send + 'static) -> io::Result<Self> {
        Ok(Self {
            writer: Some(Writer::start(sink)?),
        })
    }

    /// Writes the record of a request.
    pub fn request(&self, facts: &RequestFacts, outcome: &RequestOutcome) {
        if let Some(writer) = &self.writer {
            writer.write(&RequestRecord::new(wall_clock::now(), facts, outcome));
        }
    }

    /// Writes the record of a session that has ended.
    pub fn session<C>(&self, facts: &RequestFacts, end: &SessionEnd<C>) {
        if let Some(writer) = &self.writer {
            writer.write(&SessionRecord::new(wall_clock::now(), facts, end));
        }
    }

    /// Records that did not fit in the queue, or that the sink refused.
    pub fn dropped(&self) -> u64 {
        self.writer.as_ref().map_or(0, Writer::dropped)
    }

    /// Waits until everything so far is written, for at most `limit`; blocks the thread.
    pub fn flush(&self, limit: Duration) {
        if let Some(writer) = &self.writer {
            writer.flush(limit);
        }
    }
}

#[cfg(test)]
mod tests;
