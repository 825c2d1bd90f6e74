//! Which rows belong to which route and endpoint.
//!
//! Owns the targets and their members; never decides what happens to them. A change of the
//! configuration is judged once per target, not once per session.

use std::collections::HashMap;
use std::net::SocketAddr;

use routetable::{EndpointSetId, ObjectId, RouteId};
use slab::Slab;

/// What a session stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target {
    /// The object that owns the rule.
    pub object: ObjectId,
    /// The rule that took it.
    pub route: RouteId,
    /// The backend it was given to.
    pub endpoint_set: EndpointSetId,
    /// The endpoint at its other end.
    pub endpoint: SocketAddr,
}

/// Which sessions are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    All,
    /// Those of a route.
    Route(RouteId),
    /// Those of a Service's port.
    EndpointSet(EndpointSetId),
    /// Those to an endpoint, by whatever route.
    Endpoint(SocketAddr),
    /// So many per cent of all, drawn by chance. Every target may have some of them.
    Share(u8),
}

impl Filter {
    /// Whether sessions of `target` are meant.
    pub fn matches(&self, target: &Target) -> bool {
        match self {
            Self::All | Self::Share(_) => true,
            Self::Route(route) => *route == target.route,
            Self::EndpointSet(set) => *set == target.endpoint_set,
            Self::Endpoint(endpoint) => *endpoint == target.endpoint,
        }
    }
}

/// Whether the configuration still has what a session stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Route and endpoint are there.
    Stands,
    /// The route is gone.
    RouteGone,
    /// The endpoint is gone.
    EndpointGone,
}

/// A row's place among the members of its target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    entry: u32,
    pub(super) place: u32,
}

#[derive(Debug)]
struct Entry {
    target: Target,
    standing: Standing,
    members: Vec<u32>,
}

/// The targets of a worker's tunnels.
#[derive(Debug, Default)]
pub(super) struct Registry {
    by_target: HashMap<Target, usize>,
    entries: Slab<Entry>,
}

impl Registry {
    /// Makes `row` a member of `target`.
    pub(super) fn join(&mut self, target: Target, row: usize) -> Member {
        let entry = *self.by_target.entry(target).or_insert_with(|| {
            self.entries.insert(Entry {
                target,
                standing: Standing::Stands,
                members: Vec::new(),
            })
        });
        let members = &mut self.entries[entry].members;
        members.push(row as u32);
        Member {
            entry: entry as u32,
            place: members.len() as u32 - 1,
        }
    }

    /// Takes a member out. Returns the row that now has its place.
    pub(super) fn leave(&mut self, member: Member) -> Option<usize> {
        let entry = &mut self.entries[member.entry as usize];
        entry.members.swap_remove(member.place as usize);
        if entry.members.is_empty() {
            self.by_target.remove(&entry.target);
            self.entries.remove(member.entry as usize);
            return None;
        }
        let moved = entry.members.get(member.place as usize);
        moved.map(|row| *row as usize)
    }

    pub(super) fn target(&self, member: Member) -> &Target {
        &self.entries[member.entry as usize].target
    }

    pub(super) fn standing(&self, member: Member) -> Standing {
        self.entries[member.entry as usize].standing
    }

    /// The rows that a filter means.
    pub(super) fn matching(&self, filter: Filter) -> Vec<usize> {
        let entries = self.entries.iter().map(|(_, entry)| entry);
        entries
            .filter(|entry| filter.matches(&entry.target))
            .flat_map(|entry| entry.members.iter().map(|row| *row as usize))
            .collect()
    }

    /// Judges every target anew; returns the rows of those whose standing changed.
    pub(super) fn judge(&mut self, judge: impl Fn(&Target) -> Standing) -> Vec<(usize, Standing)> {
        let mut changed = Vec::new();
        for (_, entry) in &mut self.entries {
            let standing = judge(&entry.target);
            if standing != entry.standing {
                entry.standing = standing;
                changed.extend(entry.members.iter().map(|row| (*row as usize, standing)));
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(route: u64, port: u16) -> Target {
        Target {
            object: ObjectId(1),
            route: RouteId(route),
            endpoint_set: EndpointSetId(1),
            endpoint: SocketAddr::from(([127, 0, 0, 1], port)),
        }
    }

    #[test]
    fn members_come_and_go() {
        let mut registry = Registry::default();
        let first = registry.join(target(1, 80), 10);
        registry.join(target(1, 80), 11);
        let last = registry.join(target(1, 80), 12);
        let other = registry.join(target(2, 80), 13);
        assert_eq!(registry.matching(Filter::Route(RouteId(1))), [10, 11, 12]);
        assert_eq!(registry.leave(first), Some(12));
        assert_eq!(registry.matching(Filter::All), [12, 11, 13]);
        let moved = Member { place: 0, ..last };
        assert_eq!(registry.leave(moved), Some(11));
        assert_eq!(registry.leave(other), None);
        assert_eq!(registry.by_target.len(), 1);
    }

    #[test]
    fn only_changes_of_standing_are_told() {
        let mut registry = Registry::default();
        registry.join(target(1, 80), 0);
        let gone = registry.join(target(2, 81), 1);
        let judge = |target: &Target| match target.route {
            RouteId(2) => Standing::RouteGone,
            _ => Standing::Stands,
        };
        assert_eq!(registry.judge(judge), [(1, Standing::RouteGone)]);
        assert_eq!(registry.judge(judge), []);
        assert_eq!(registry.standing(gone), Standing::RouteGone);
        assert_eq!(registry.judge(|_| Standing::Stands), [(1, Standing::Stands)]);
    }
}
