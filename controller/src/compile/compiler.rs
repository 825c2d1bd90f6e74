//! A compilation that goes on from the last one.
//!
//! Owns the parts of every object and the endpoint sets. A change costs what it touches, besides
//! one walk over all parts; the result is that of a compilation from nothing, and what did not
//! change keeps its `Arc`.

use std::collections::BTreeMap;
use std::sync::Arc;

use routetable::RouteTable;

use super::backend::{Resolver, Sets};
use super::changes::Changes;
use super::class::Classes;
use super::conflict::Loss;
use super::finding::Finding;
use super::part::{Part, Source};
use super::{Compiled, Settings, conflict, key, objects};
use crate::world::{Kind, Name, World};

/// Compiles one world after the other.
#[derive(Debug)]
pub struct Compiler {
    settings: Settings,
    world: World,
    /// By key.
    parts: Vec<Part>,
    sets: Sets,
    /// Findings about EndpointSlices by the Service they belong to; only where there are some.
    slices: BTreeMap<Name, Vec<Finding>>,
    /// What came of the last world; its findings are not kept.
    last: Compiled,
}

impl Compiler {
    /// A compiler that has seen nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            world: World::default(),
            parts: Vec::new(),
            sets: Sets::default(),
            slices: BTreeMap::new(),
            last: Compiled::default(),
        }
    }

    /// Compiles a world.
    pub fn compile(&mut self, world: &World) -> Compiled {
        let changes = Changes::between(&self.world, world);
        self.world = world.clone();
        for service in &changes.slices {
            let findings = objects::slice_findings(world, service);
            if findings.is_empty() {
                self.slices.remove(service);
            } else {
                self.slices.insert(service.clone(), findings);
            }
        }
        self.sets.outdate(&changes);
        if self.make_parts(world, &changes) {
            self.find_conflicts();
        }
        let unreadable = objects::unreadable_findings(world);
        for part in &mut self.parts {
            let of_part = |finding: &&Finding| finding.object.as_ref() == Some(&part.key);
            let finding = unreadable.iter().find(of_part);
            part.note_unreadable(finding);
            part.settle();
        }
        let mut compiled = self.put_together(unreadable);
        self.sets.keep_only(&compiled.table);
        share(&self.last.table.routes, &mut compiled.table.routes);
        share(&self.last.table.endpoint_sets, &mut compiled.table.endpoint_sets);
        share(&self.last.statuses, &mut compiled.statuses);
        self.last = Compiled {
            table: compiled.table.clone(),
            statuses: compiled.statuses.clone(),
            findings: Vec::new(),
        };
        compiled
    }

    /// Makes again what changed; true when conflicts have to be looked for again.
    fn make_parts(&mut self, world: &World, changes: &Changes) -> bool {
        let classes = Classes::new(world, &self.settings);
        let mut resolver = Resolver::new(world, &self.settings, &mut self.sets);
        let mut old = std::mem::take(&mut self.parts).into_iter().peekable();
        let mut reshaped = false;
        let ingresses = world.ingresses.iter();
        let ingresses = ingresses.map(|(name, o)| (Kind::Ingress, name, Source::Ingress(Arc::clone(o))));
        let routes = world.routes.iter();
        let routes =
            routes.map(|(name, o)| (Kind::WebSocketRoute, name, Source::WebSocketRoute(Arc::clone(o))));
        // Both lists are in the order of their keys.
        for (kind, name, source) in ingresses.chain(routes) {
            let place = (kind, &name.namespace, &name.name);
            let before = |part: &Part| (part.key.kind, &part.key.namespace, &part.key.name) < place;
            while let Some(gone) = old.next_if(before) {
                reshaped |= !gone.drafts.is_empty();
            }
            let known = old.next_if(|part| (part.key.kind, &part.key.namespace, &part.key.name) == place);
            let part = match known {
                Some(part) if part.still_holds(&source, changes) => part,
                known => {
                    let mut part = Part::new(key(kind, name), source, &classes, &mut resolver);
                    match known {
                        Some(known) => {
                            reshaped |= !part.claims_as(&known);
                            part.inherit(known);
                        }
                        None => reshaped |= !part.drafts.is_empty(),
                    }
                    part
                }
            };
            self.parts.push(part);
        }
        reshaped | old.any(|gone| !gone.drafts.is_empty())
    }

    fn find_conflicts(&mut self) {
        let mut claimants = Vec::new();
        for (p, part) in self.parts.iter().enumerate() {
            claimants.extend(part.drafts.iter().enumerate().map(|(d, draft)| ((p, d), draft)));
        }
        let mut by_part: BTreeMap<usize, Vec<Loss>> = BTreeMap::new();
        for loss in conflict::find(claimants) {
            by_part.entry(loss.part).or_default().push(loss);
        }
        for (p, part) in self.parts.iter_mut().enumerate() {
            part.lose(by_part.remove(&p).unwrap_or_default());
        }
    }

    fn put_together(&self, unreadable: Vec<Finding>) -> Compiled {
        let routes = self.parts.iter().flat_map(|part| &part.routes);
        let sets = self.parts.iter().flat_map(Part::served_sets);
        let table = RouteTable {
            routes: routes.map(|route| (route.id, Arc::clone(route))).collect(),
            endpoint_sets: sets.map(|set| (set.id, Arc::clone(set))).collect(),
        };
        let statuses = self.parts.iter();
        let statuses = statuses.filter_map(|part| Some((part.key.clone(), Arc::clone(part.status()?))));
        let statuses = statuses.collect();
        let of_parts = self.parts.iter().flat_map(Part::findings);
        let mut findings = unreadable;
        findings.extend(self.slices.values().flatten().chain(of_parts).cloned());
        findings.sort_by(|a, b| a.object.cmp(&b.object));
        Compiled {
            table,
            statuses,
            findings,
        }
    }
}

/// Puts the old `Arc` in the place of what was made again and came out equal.
fn share<K: Ord, V: PartialEq>(old: &BTreeMap<K, Arc<V>>, new: &mut BTreeMap<K, Arc<V>>) {
    for (key, value) in new {
        if let Some(known) = old
            .get(key)
            .filter(|known| !Arc::ptr_eq(known, value) && *known == value)
        {
            *value = Arc::clone(known);
        }
    }
}
