//! What an object refers to, and so which changes elsewhere concern it.

use std::collections::BTreeSet;

use super::changes::Changes;
use crate::world::Name;

/// What an object refers to, whether it exists or not.
#[derive(Debug, Default)]
pub(super) struct Refs {
    pub(super) services: BTreeSet<Name>,
    pub(super) secrets: BTreeSet<Name>,
    /// A Service is missing: the message names similar ones, which may change.
    pub(super) misses: bool,
    /// A Service is in another namespace, where grants count.
    pub(super) crosses: bool,
    /// A Service is an alias of a host.
    pub(super) aliases: bool,
}

impl Refs {
    /// True when one of the changes concerns it.
    pub(super) fn touch(&self, changes: &Changes) -> bool {
        let any = |mine: &BTreeSet<Name>, changed: &BTreeSet<Name>| {
            !changed.is_empty() && mine.iter().any(|name| changed.contains(name))
        };
        any(&self.services, &changes.services)
            || any(&self.services, &changes.slices)
            || any(&self.secrets, &changes.secrets)
            || self.misses && !changes.services.is_empty()
            || self.crosses && changes.grants
            || self.aliases && changes.resolved
    }
}
