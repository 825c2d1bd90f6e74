//! What an object refers to, and so which changes elsewhere concern it.

use std::collections::BTreeSet;

use crate::world::Name;

/// What an object refers to, whether it exists or not.
#[derive(Debug, Default)]
pub(super) struct Refs {
    pub(super) services: BTreeSet<Name>,
    pub(super) secrets: BTreeSet<Name>,
    pub(super) config_maps: BTreeSet<Name>,
    /// A Service is missing: the message names similar ones, which may change.
    pub(super) misses: bool,
    /// A Service is in another namespace, where grants count.
    pub(super) crosses: bool,
    /// A Service is an alias of a host.
    pub(super) aliases: bool,
}
