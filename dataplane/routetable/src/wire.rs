//! The local channel: messages and their framing.
//!
//! The controller listens on a Unix stream socket; the data plane connects and speaks first with
//! [`Hello`]. A frame is a u32 little-endian length, a u64 little-endian xxh3 checksum of the
//! payload, and the payload: one message in postcard. The checksum turns any damaged byte into an
//! error rather than into another table; postcard alone would accept many flipped bits.
//!
//! Of another protocol's messages only this much is fixed for good: the frame; that `Hello` is the
//! first variant of [`ToController`] and `Refused` of [`ToDataplane`]; and that both begin with the
//! protocol number. So each side learns the other's number, whatever else has changed.

pub mod assembly;
mod codec;
pub mod held;
pub mod last_good;
mod message;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use codec::{
    Decoder, FrameError, HEADER_LEN, MAX_FRAME_LEN, decode_frame, encode_frame, snapshot_frames,
};
pub use message::Message;

pub use crate::canonical::ResourceId;

use crate::canonical::{Digest, Op};
use crate::id::RouteId;
use crate::limits::MAX_MESSAGE_LEN;
use crate::model::{Certificate, EndpointSet, Route, ServerName};

/// Raised with every change of a message; both sides refuse another number.
pub const PROTOCOL: u32 = 2;

/// A state of the table: which controller run made it, and its count within that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// One controller run; a random number drawn at its start.
    pub epoch: u64,
    /// Counts up from 1 within the epoch.
    pub number: u64,
}

/// What the controller sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToDataplane {
    /// The Hello named another protocol; the controller closes after this. Stays the first variant.
    Refused {
        /// The controller's own protocol number. Stays the first field.
        protocol: u32,
    },
    /// Starts a snapshot; the parts follow, then `SnapshotEnd`. Nothing serves before that.
    SnapshotBegin(SnapshotBegin),
    /// A part of the snapshot.
    SnapshotRoutes(Vec<Arc<Route>>),
    /// A part of the snapshot.
    SnapshotEndpointSets(Vec<Arc<EndpointSet>>),
    /// Completes the snapshot: one atomic swap.
    SnapshotEnd(Version),
    /// The table named in `Hello` is still right; only its version is new.
    Current(Version),
    /// A change relative to `base`.
    Delta(Delta),
    /// An action, not configuration.
    Command(Command),
    /// A part of the snapshot.
    SnapshotCertificates(Vec<Arc<Certificate>>),
    /// A part of the snapshot.
    SnapshotServerNames(Vec<Arc<ServerName>>),
}

/// What the data plane sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToController {
    /// First message on a connection. Stays the first variant.
    Hello(Hello),
    /// This version serves, in every worker.
    Ack(Version),
    /// This version serves but for the items named.
    Nack(Nack),
    /// A delta did not fit the base, or its result had another digest: send a snapshot.
    Resync,
    /// Sent at a steady pace.
    Stats(Stats),
}

/// Who connects and what it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`] of the data plane. Stays the first field.
    pub protocol: u32,
    /// One data plane run; a random number drawn at its start.
    pub boot_id: u64,
    /// The version it serves, if any.
    pub have: Option<Version>,
    /// Digest of the table it serves (of the empty table if none).
    pub digest: Digest,
}

/// Announces a snapshot, so that the receiver can bound it before it reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotBegin {
    /// The version it will be.
    pub version: Version,
    /// Number of routes in all parts.
    pub routes: u32,
    /// Number of endpoint sets in all parts.
    pub endpoint_sets: u32,
    /// Number of certificates in all parts.
    pub certificates: u32,
    /// Number of server names in all parts.
    pub server_names: u32,
    /// Digest of the whole.
    pub digest: Digest,
    /// The table is meant to be empty. An empty snapshot without this is refused by a data plane
    /// that serves something.
    pub deliberately_empty: bool,
}

/// A change: applies only when the receiver stands at `base`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// Version it applies to.
    pub base: Version,
    /// Version it leads to.
    pub next: Version,
    /// One transaction: all of it is one atomic swap.
    pub ops: Vec<Op>,
    /// Digest of the result.
    pub digest: Digest,
}

/// A version that serves in part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nack {
    /// The version; all but `items` serves.
    pub version: Version,
    /// What does not, at most [`Nack::MAX_ITEMS`].
    pub items: Vec<ItemError>,
}

impl Nack {
    /// Bound on `items`; what is beyond goes unsaid until some of them are mended.
    pub const MAX_ITEMS: usize = 1000;

    /// A nack of as many of `items` as may be sent, with their messages cut to
    /// [`MAX_MESSAGE_LEN`].
    pub fn new(version: Version, items: impl IntoIterator<Item = ItemError>) -> Self {
        let cut = |mut item: ItemError| {
            item.message
                .truncate(item.message.floor_char_boundary(MAX_MESSAGE_LEN));
            item
        };
        Self {
            version,
            items: items.into_iter().take(Self::MAX_ITEMS).map(cut).collect(),
        }
    }
}

/// One resource that the data plane refused. Its last good version, if any, keeps serving.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemError {
    /// Which.
    pub resource: ResourceId,
    /// Why, in a sentence for the object's status.
    pub message: String,
}

/// The data plane's running totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Sessions that stand now.
    pub sessions_active: u64,
    /// Sessions begun since the data plane started.
    pub sessions_total: u64,
    /// Sessions that a configuration change cut: must stay 0.
    pub sessions_cut_by_config: u64,
    /// Sessions that wait for their paced end.
    pub draining: u64,
}

/// An action on live sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Ends the sessions in `scope` politely, spread over `window`.
    Drain {
        /// Which sessions.
        scope: DrainScope,
        /// Time over which the Close frames are spread, in milliseconds.
        window_ms: u64,
        /// Time from the start after which what still stands is reset, in milliseconds.
        deadline_ms: u64,
        /// Close code towards the client (RFC 6455 section 7.4).
        close_code: u16,
    },
    /// Ends one session politely.
    CloseSession {
        /// Its id, as in the access record.
        session: u64,
        /// Close code towards the client.
        close_code: u16,
    },
}

/// The sessions that a drain concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DrainScope {
    /// All of them.
    All,
    /// Those of one route.
    Route(RouteId),
    /// Those to one endpoint.
    Endpoint(std::net::SocketAddr),
    /// Each with this chance in per cent.
    Share(u8),
}

#[cfg(test)]
mod tests;
