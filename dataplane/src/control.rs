//! The data plane's end of the local channel (the messages are [`routetable::wire`]'s).
//!
//! [`Client`] keeps a connection to the controller; [`LastGood`] is the table's copy on disk. Nothing
//! here serves traffic: the result of a change is one swap in [`snapshot::build`](crate::snapshot::build),
//! of which every worker is then told.

mod backoff;
mod client;
mod connection;
mod last_good;
mod table;

use std::future::Future;

use routetable::canonical::Digest;
use routetable::wire::{Command, ItemError, Stats, Version};

pub use self::backoff::Backoff;
pub use self::client::{Client, Identity, Pace};
pub use self::connection::ConnectionError;
pub use self::last_good::{LastGood, LastGoodError};

/// The workers as the control channel sees them.
pub trait Workers: Send + Sync + 'static {
    /// Tells every worker that the snapshot changed, so that it looks for sessions that no longer
    /// stand. Ends when all of them know.
    fn changed(&self) -> impl Future<Output = ()> + Send;

    /// Hands an action on live sessions to every worker.
    fn command(&self, command: Command) -> impl Future<Output = ()> + Send;

    /// Running totals over all workers.
    fn stats(&self) -> impl Future<Output = Stats> + Send;
}

/// What is known of the channel and of the table it brought; for probes, metrics and dumps.
#[derive(Clone, Debug, Default)]
pub struct ChannelStatus {
    /// A controller is connected and speaks our protocol.
    pub connected: bool,
    /// A table serves, be it the one from disk.
    pub table_received: bool,
    /// Version of that table.
    pub version: Option<Version>,
    /// Digest of the table as it was received.
    pub digest: Digest,
    /// What of it can't serve.
    pub failing: Vec<ItemError>,
}
