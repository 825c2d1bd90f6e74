//! Puts the parts of a snapshot together. Nothing of it is used before it is whole and all that it
//! announced holds.

use std::sync::Arc;

use thiserror::Error;

use super::{ResourceId, SnapshotBegin, Version};
use crate::canonical::Tracked;
use crate::id::{EndpointSetId, RouteId};
use crate::limits::{MAX_ENDPOINT_SETS, MAX_ROUTES};
use crate::model::{EndpointSet, Route, RouteTable};
use crate::shared_map::SharedMap;

/// Why parts are not a snapshot.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AssemblyError {
    /// More is announced than a table may hold.
    #[error(
        "the snapshot announces {routes} routes and {endpoint_sets} endpoint sets; \
         at most {MAX_ROUTES} and {MAX_ENDPOINT_SETS} are taken"
    )]
    TooLarge {
        /// Announced routes.
        routes: u32,
        /// Announced sets.
        endpoint_sets: u32,
    },
    /// More resources than announced, or fewer at the end.
    #[error("the snapshot has other counts than it announced")]
    Count,
    /// A resource came twice.
    #[error("the snapshot holds {0:?} twice")]
    Duplicate(ResourceId),
    /// A reference does not resolve inside the snapshot.
    #[error("the snapshot's route {route} refers to endpoint set {endpoint_set}, which it does not hold")]
    Dangling {
        /// The route.
        route: RouteId,
        /// What it refers to.
        endpoint_set: EndpointSetId,
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
        let SnapshotBegin {
            routes,
            endpoint_sets,
            ..
        } = begin;
        if routes as usize > MAX_ROUTES || endpoint_sets as usize > MAX_ENDPOINT_SETS {
            return Err(AssemblyError::TooLarge {
                routes,
                endpoint_sets,
            });
        }
        Ok(Self {
            begin,
            table: RouteTable::default(),
        })
    }

    /// Adds a part.
    ///
    /// # Errors
    /// [`AssemblyError::Count`] or [`AssemblyError::Duplicate`]; the snapshot is void.
    pub fn routes(&mut self, part: Vec<Arc<Route>>) -> Result<(), AssemblyError> {
        let part = part.into_iter().map(|route| (route.id, route));
        add(&mut self.table.routes, part, self.begin.routes, ResourceId::Route)
    }

    /// Adds a part.
    ///
    /// # Errors
    /// [`AssemblyError::Count`] or [`AssemblyError::Duplicate`]; the snapshot is void.
    pub fn endpoint_sets(&mut self, part: Vec<Arc<EndpointSet>>) -> Result<(), AssemblyError> {
        let part = part.into_iter().map(|set| (set.id, set));
        add(
            &mut self.table.endpoint_sets,
            part,
            self.begin.endpoint_sets,
            ResourceId::EndpointSet,
        )
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
        let counts = (table.routes.len(), table.endpoint_sets.len());
        if counts != (begin.routes as usize, begin.endpoint_sets as usize) {
            return Err(AssemblyError::Count);
        }
        if let Some((route, endpoint_set)) = table.dangling().first().copied() {
            return Err(AssemblyError::Dangling { route, endpoint_set });
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
