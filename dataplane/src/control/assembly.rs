//! Puts the parts of a snapshot together. Nothing of it is used before it is whole and its digest fits.

use std::sync::Arc;

use routetable::wire::{SnapshotBegin, Version};
use routetable::{EndpointSet, Route, RouteTable};
use thiserror::Error;

/// Why parts are not a snapshot.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AssemblyError {
    /// More resources than announced, or fewer at the end.
    #[error("the snapshot has other counts than it announced")]
    Count,
    /// The end names another version than the beginning.
    #[error("the snapshot's end names another version than its beginning")]
    Version,
    /// The content is not what was announced.
    #[error("the snapshot's digest does not match its content")]
    Digest,
    /// A part outside of a snapshot, or a snapshot within one.
    #[error("a snapshot message came out of turn")]
    OutOfTurn,
}

/// A snapshot of which parts are still to come.
#[derive(Debug)]
pub(super) struct Assembly {
    begin: SnapshotBegin,
    table: RouteTable,
}

impl Assembly {
    pub(super) fn new(begin: SnapshotBegin) -> Self {
        Self {
            begin,
            table: RouteTable::default(),
        }
    }

    pub(super) fn routes(&mut self, part: Vec<Arc<Route>>) -> Result<(), AssemblyError> {
        self.table
            .routes
            .extend(part.into_iter().map(|route| (route.id, route)));
        bounded(self.table.routes.len(), self.begin.routes)
    }

    pub(super) fn endpoint_sets(&mut self, part: Vec<Arc<EndpointSet>>) -> Result<(), AssemblyError> {
        self.table
            .endpoint_sets
            .extend(part.into_iter().map(|set| (set.id, set)));
        bounded(self.table.endpoint_sets.len(), self.begin.endpoint_sets)
    }

    /// The whole table, if it is what was announced.
    pub(super) fn finish(self, version: Version) -> Result<(SnapshotBegin, RouteTable), AssemblyError> {
        let Self { begin, table } = self;
        if version != begin.version {
            return Err(AssemblyError::Version);
        }
        let counts = (table.routes.len(), table.endpoint_sets.len());
        if counts != (begin.routes as usize, begin.endpoint_sets as usize) {
            return Err(AssemblyError::Count);
        }
        if table.digest() != begin.digest {
            return Err(AssemblyError::Digest);
        }
        Ok((begin, table))
    }
}

fn bounded(count: usize, announced: u32) -> Result<(), AssemblyError> {
    if count > announced as usize {
        Err(AssemblyError::Count)
    } else {
        Ok(())
    }
}
