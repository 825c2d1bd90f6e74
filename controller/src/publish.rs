//! Brings the compiled table to the data planes (the messages are [`routetable::wire`]'s).
//!
//! [`debounce`] turns a stream of compilations into versions, [`listener`] owns the socket and who
//! may connect, [`session`] keeps one data plane up to date, [`peers`] holds what they answered.
//! Never changes a table and never queues versions: the latest wins.

pub mod debounce;
pub mod listener;
pub mod peers;
pub mod session;

use routetable::RouteTable;
use routetable::canonical::Digest;
use routetable::wire::Version;

/// A table at a version.
#[derive(Clone, Debug)]
pub struct Published {
    /// The version.
    pub version: Version,
    table: RouteTable,
    digest: Digest,
}

impl Published {
    /// Gives a table its version.
    pub fn new(version: Version, table: RouteTable) -> Self {
        let digest = table.digest();
        Self {
            version,
            table,
            digest,
        }
    }

    /// Gives the successor of `self` its version. Encodes only what differs between the two.
    #[must_use]
    pub fn followed_by(&self, version: Version, table: RouteTable) -> Self {
        let digest = self.digest.follow(&self.table, &table);
        Self {
            version,
            table,
            digest,
        }
    }

    /// The table.
    pub fn table(&self) -> &RouteTable {
        &self.table
    }

    /// The table's digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}
