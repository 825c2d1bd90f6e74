//! A compilation that goes on from the last one.
//!
//! Owns the parts of every object and the endpoint sets. A change costs what it touches; the result
//! is that of a compilation from nothing, and what did not change keeps its `Arc`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use routetable::HostPattern;

use super::backend::{Resolver, Sets};
use super::changes::Changes;
use super::class::Classes;
use super::dependents::Dependents;
use super::finding::Finding;
use super::part::{Part, Source};
use super::product::Product;
use super::{Compiled, Settings, conflict, objects};
use crate::world::{Kind, Name, ObjectKey, World};

/// Compiles one world after the other.
#[derive(Debug)]
pub struct Compiler {
    settings: Settings,
    world: World,
    parts: BTreeMap<ObjectKey, Part>,
    dependents: Dependents,
    /// The parts with rules on each host.
    claims: BTreeMap<HostPattern, BTreeSet<ObjectKey>>,
    sets: Sets,
    /// Findings about EndpointSlices by the Service they belong to; only where there are some.
    slices: BTreeMap<Name, Vec<Arc<Finding>>>,
    /// The objects that can't be decoded.
    unreadable: BTreeMap<ObjectKey, Arc<Finding>>,
    product: Product,
}

impl Compiler {
    /// A compiler that has seen nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            world: World::default(),
            parts: BTreeMap::new(),
            dependents: Dependents::default(),
            claims: BTreeMap::new(),
            sets: Sets::default(),
            slices: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            product: Product::default(),
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
                let findings = findings.into_iter().map(Arc::new);
                self.slices.insert(service.clone(), findings.collect());
            }
        }
        self.sets.outdate(&changes);
        let mut touched = self.touched(&changes);
        let reshaped = self.make_parts(world, &touched);
        touched.extend(self.find_conflicts(reshaped));
        touched.extend(self.note_unreadable(world));
        for key in &touched {
            let mut part = self.parts.get_mut(key);
            part.iter_mut().for_each(|part| part.settle());
            self.product.put(key, part.as_deref());
        }
        self.sets.keep_only(&self.product.table);
        Compiled {
            table: self.product.table.clone(),
            statuses: self.product.statuses.clone(),
            findings: self.findings(),
        }
    }

    /// The objects that may mean something else now.
    fn touched(&self, changes: &Changes) -> BTreeSet<ObjectKey> {
        let mut touched = self.dependents.of(changes);
        touched.extend(changes.objects.iter().cloned());
        if changes.classes {
            touched.extend(self.parts.keys().cloned());
        }
        touched
    }

    /// Makes parts again; yields the hosts on which conflicts have to be looked for again.
    fn make_parts(&mut self, world: &World, keys: &BTreeSet<ObjectKey>) -> BTreeSet<HostPattern> {
        let classes = Classes::new(world, &self.settings);
        let mut resolver = Resolver::new(world, &self.settings, &mut self.sets);
        let mut reshaped = BTreeSet::new();
        for key in keys {
            let name = Name::new(&key.namespace, &key.name);
            let source = match key.kind {
                Kind::Ingress => world.ingresses.get(&name).cloned().map(Source::Ingress),
                _ => world.routes.get(&name).cloned().map(Source::WebSocketRoute),
            };
            let old = self.parts.remove(key);
            let mut new = source.map(|source| Part::new(key, source, &classes, &mut resolver));
            if let Some(old) = &old {
                self.dependents.remove(key, old.refs());
            }
            if let Some(new) = &new {
                self.dependents.add(key, new.refs());
            }
            let claims_as = |(old, new): (&Part, &Part)| old.claims_as(new);
            if !old.as_ref().zip(new.as_ref()).is_some_and(claims_as) {
                for host in old.iter().flat_map(Part::hosts) {
                    let left = self.claims.get_mut(host).is_some_and(|keys| {
                        keys.remove(key);
                        keys.is_empty()
                    });
                    if left {
                        self.claims.remove(host);
                    }
                    reshaped.insert(host.clone());
                }
                for host in new.iter().flat_map(Part::hosts) {
                    self.claims.entry(host.clone()).or_default().insert(key.clone());
                    reshaped.insert(host.clone());
                }
            }
            if let (Some(new), Some(old)) = (&mut new, old) {
                new.inherit(old);
            }
            if let Some(new) = new {
                self.parts.insert(key.clone(), new);
            }
        }
        reshaped
    }

    /// Looks for conflicts on these hosts, and on all that are tied to them by an object; yields the
    /// objects that lose something else than before.
    fn find_conflicts(&mut self, mut hosts: BTreeSet<HostPattern>) -> Vec<ObjectKey> {
        let mut waiting: Vec<HostPattern> = hosts.iter().cloned().collect();
        let mut tied = BTreeSet::new();
        while let Some(host) = waiting.pop() {
            for key in self.claims.get(&host).into_iter().flatten() {
                if !tied.insert(key.clone()) {
                    continue;
                }
                for other in self.parts.get(key).into_iter().flat_map(Part::hosts) {
                    if hosts.insert(other.clone()) {
                        waiting.push(other.clone());
                    }
                }
            }
        }
        let mut losses: Vec<Vec<_>> = vec![vec![]; tied.len()];
        let parts = tied.iter().filter_map(|key| self.parts.get(key)).enumerate();
        let drafts = parts.flat_map(|(p, part)| {
            let drafts = part.drafts.iter().enumerate();
            drafts.map(move |(d, draft)| ((p, d), draft))
        });
        for (part, loss) in conflict::find(drafts.collect()) {
            losses[part].push(loss);
        }
        let mut changed = Vec::new();
        for (key, losses) in tied.into_iter().zip(losses) {
            if self.parts.get_mut(&key).is_some_and(|part| part.lose(losses)) {
                changed.push(key);
            }
        }
        changed
    }

    /// Notes which objects can't be decoded; yields those of which that is news.
    fn note_unreadable(&mut self, world: &World) -> Vec<ObjectKey> {
        let now = objects::unreadable_findings(world);
        let last = std::mem::replace(&mut self.unreadable, now);
        let keys: BTreeSet<&ObjectKey> = last.keys().chain(self.unreadable.keys()).collect();
        let mut changed = Vec::new();
        for key in keys {
            if let Some(part) = self.parts.get_mut(key)
                && part.note_unreadable(self.unreadable.get(key))
            {
                changed.push(key.clone());
            }
        }
        changed
    }

    fn findings(&self) -> Vec<Arc<Finding>> {
        let elsewhere = self.unreadable.values().chain(self.slices.values().flatten());
        let mut findings: Vec<_> = elsewhere.chain(self.product.findings()).cloned().collect();
        findings.sort_by(|a, b| a.object.cmp(&b.object));
        findings
    }
}
