//! Puts the parts of a snapshot together. Nothing of it is used before it is whole and all that it
//! announced holds.

use std::sync::Arc;

use thiserror::Error;

use super::{FrameError, Message, ResourceId, SnapshotBegin, ToDataplane, Version};
use crate::canonical::Tracked;
use crate::model::RouteTable;
use crate::shared_map::SharedMap;

/// Why parts are not a snapshot.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AssemblyError {
    /// More is announced than a table may hold.
    #[error("the snapshot announces more than a table may hold: {0}")]
    TooLarge(FrameError),
    /// More resources than announced, or fewer at the end.
    #[error("the snapshot has other counts than it announced")]
    Count,
    /// A resource came twice.
    #[error("the snapshot holds {0:?} twice")]
    Duplicate(ResourceId),
    /// A reference does not resolve inside the snapshot.
    #[error("the snapshot's {from:?} refers to {to:?}, which it does not hold")]
    Dangling {
        /// What refers.
        from: ResourceId,
        /// What it refers to.
        to: ResourceId,
    },
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
pub struct SnapshotAssembly {
    begin: SnapshotBegin,
    table: RouteTable,
}

impl SnapshotAssembly {
    /// Starts with what was announced.
    ///
    /// # Errors
    /// [`AssemblyError::TooLarge`].
    pub fn new(begin: SnapshotBegin) -> Result<Self, AssemblyError> {
        ToDataplane::SnapshotBegin(begin)
            .check()
            .map_err(AssemblyError::TooLarge)?;
        Ok(Self {
            begin,
            table: RouteTable::default(),
        })
    }

    /// Adds a part.
    ///
    /// # Errors
    /// [`AssemblyError::Count`], [`AssemblyError::Duplicate`], or [`AssemblyError::OutOfTurn`] when the message
    /// is no part; the snapshot is void.
    pub fn add(&mut self, part: ToDataplane) -> Result<(), AssemblyError> {
        let Self { begin, table } = self;
        match part {
            ToDataplane::SnapshotRoutes(part) => {
                let part = part.into_iter().map(|route| (route.id, route));
                add(&mut table.routes, part, begin.routes, ResourceId::Route)
            }
            ToDataplane::SnapshotEndpointSets(part) => {
                let part = part.into_iter().map(|set| (set.id, set));
                add(
                    &mut table.endpoint_sets,
                    part,
                    begin.endpoint_sets,
                    ResourceId::EndpointSet,
                )
            }
            ToDataplane::SnapshotCertificates(part) => {
                let part = part.into_iter().map(|certificate| (certificate.id, certificate));
                add(
                    &mut table.certificates,
                    part,
                    begin.certificates,
                    ResourceId::Certificate,
                )
            }
            ToDataplane::SnapshotServerNames(part) => {
                let part = part.into_iter().map(|name| (name.id, name));
                add(
                    &mut table.server_names,
                    part,
                    begin.server_names,
                    ResourceId::ServerName,
                )
            }
            _ => Err(AssemblyError::OutOfTurn),
        }
    }

    /// The whole table, if it is what was announced.
    ///
    /// # Errors
    /// What is wrong with it; the snapshot is void.
    pub fn finish(self, version: Version) -> Result<(SnapshotBegin, Tracked), AssemblyError> {
        let Self { begin, table } = self;
        if version != begin.version {
            return Err(AssemblyError::Version);
        }
        for (announced, got) in [
            (begin.routes, table.routes.len()),
            (begin.endpoint_sets, table.endpoint_sets.len()),
            (begin.certificates, table.certificates.len()),
            (begin.server_names, table.server_names.len()),
        ] {
            if announced as usize != got {
                return Err(AssemblyError::Count);
            }
        }
        if let Some((from, to)) = table.dangling().first().copied() {
            return Err(AssemblyError::Dangling { from, to });
        }
        let table = Tracked::from(table);
        if table.digest() != begin.digest {
            return Err(AssemblyError::Digest);
        }
        Ok((begin, table))
    }
}

fn add<K: Ord + Copy, V>(
    to: &mut SharedMap<K, V>,
    part: impl Iterator<Item = (K, Arc<V>)>,
    announced: u32,
    name: fn(K) -> ResourceId,
) -> Result<(), AssemblyError> {
    for (id, resource) in part {
        if to.len() >= announced as usize {
            return Err(AssemblyError::Count);
        }
        if to.insert(id, resource).is_some() {
            return Err(AssemblyError::Duplicate(name(id)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
