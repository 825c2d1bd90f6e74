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
use super::tls::{Contest, Kept, Secrets};
use super::{Compiled, Settings, conflict, objects, tls};
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
    /// The parts that say how TLS is spoken for each host.
    names: BTreeMap<HostPattern, BTreeSet<ObjectKey>>,
    sets: Sets,
    certificates: Kept,
    /// Findings about EndpointSlices by the Service they belong to; only where there are some.
    slices: BTreeMap<Name, Vec<Arc<Finding>>>,
    /// The objects that can't be decoded.
    unreadable: BTreeMap<ObjectKey, Arc<Finding>>,
    /// The default certificate was looked for once.
    has_default: bool,
    /// What is wrong with it.
    no_default: Option<Arc<Finding>>,
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
            names: BTreeMap::new(),
            sets: Sets::default(),
            certificates: Kept::default(),
            slices: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            has_default: false,
            no_default: None,
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
        let Reshaped { hosts, mut names } = self.make_parts(world, &touched);
        touched.extend(self.find_conflicts(hosts));
        let default = self.default_claim(world, &changes, &mut names);
        touched.extend(self.contest_names(&names, default.as_ref()));
        touched.extend(self.note_unreadable(world));
        for key in &touched {
            let mut part = self.parts.get_mut(key);
            part.iter_mut().for_each(|part| part.settle());
            self.product.put(key, part.as_deref());
        }
        self.sets.keep_only(&self.product.table);
        self.certificates.keep_only(&self.product.table);
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
    fn make_parts(&mut self, world: &World, keys: &BTreeSet<ObjectKey>) -> Reshaped {
        let classes = Classes::new(world, &self.settings);
        let secrets = Secrets::new(world, &self.settings, &mut self.certificates);
        let mut resolver = Resolver::new(world, &self.settings, &mut self.sets, secrets);
        let mut reshaped = Reshaped::default();
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
            let (before, after) = (old.as_ref(), new.as_ref());
            let claims_as = |(old, new): (&Part, &Part)| old.claims_as(new);
            if !before.zip(after).is_some_and(claims_as) {
                let (before, after) = (
                    before.into_iter().flat_map(Part::hosts),
                    after.into_iter().flat_map(Part::hosts),
                );
                note(&mut self.claims, key, before, after, &mut reshaped.hosts);
            }
            match before.zip(after) {
                Some((old, new)) => reshaped.names.extend(new.renamed(old).cloned()),
                None => {
                    let names = before.into_iter().chain(after).flat_map(Part::names);
                    reshaped.names.extend(names.cloned());
                }
            }
            let (before, after) = (
                before.into_iter().flat_map(Part::names),
                after.into_iter().flat_map(Part::names),
            );
            note(&mut self.names, key, before, after, &mut BTreeSet::new());
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

    /// The claim of the settings, for any host; notes that this has to be contested when it may have changed.
    fn default_claim(
        &mut self,
        world: &World,
        changes: &Changes,
        names: &mut BTreeSet<HostPattern>,
    ) -> Option<tls::Claim> {
        let name = self.settings.default_certificate.clone()?;
        let mut secrets = Secrets::new(world, &self.settings, &mut self.certificates);
        let (claim, problem) = tls::Claim::by_default(&name, &mut secrets);
        self.no_default = problem.map(Arc::new);
        if !self.has_default || changes.secrets.contains(&name) {
            names.insert(HostPattern::Any);
        }
        self.has_default = true;
        Some(claim)
    }

    /// Decides who speaks for these hosts; yields the objects that are told something else than before.
    fn contest_names(
        &mut self,
        hosts: &BTreeSet<HostPattern>,
        default: Option<&tls::Claim>,
    ) -> Vec<ObjectKey> {
        let mut changed = Vec::new();
        for host in hosts {
            let keys = self.names.get(host).into_iter().flatten();
            let contestants = keys.filter_map(|key| self.parts.get(key)?.contestant(key, host));
            let default = default.filter(|_| *host == HostPattern::Any);
            let Contest { winner, told } = Contest::new(host, contestants.collect(), default);
            self.product.put_name(host, winner);
            for (key, finding) in told {
                if self
                    .parts
                    .get_mut(&key)
                    .is_some_and(|part| part.lose_name(host, finding))
                {
                    changed.push(key);
                }
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
        let elsewhere = elsewhere.chain(&self.no_default);
        let mut findings: Vec<_> = elsewhere.chain(self.product.findings()).cloned().collect();
        findings.sort_by(|a, b| a.object.cmp(&b.object));
        findings
    }
}

/// Hosts on which something may fall out otherwise than before.
#[derive(Debug, Default)]
struct Reshaped {
    /// For rules.
    hosts: BTreeSet<HostPattern>,
    /// For TLS.
    names: BTreeSet<HostPattern>,
}

/// Moves an object in an index of hosts from those it had `before` to those it has `after`; all of them are `reshaped`.
fn note<'a>(
    index: &mut BTreeMap<HostPattern, BTreeSet<ObjectKey>>,
    key: &ObjectKey,
    before: impl Iterator<Item = &'a HostPattern>,
    after: impl Iterator<Item = &'a HostPattern>,
    reshaped: &mut BTreeSet<HostPattern>,
) {
    for host in before {
        let left = index.get_mut(host).is_some_and(|keys| {
            keys.remove(key);
            keys.is_empty()
        });
        if left {
            index.remove(host);
        }
        reshaped.insert(host.clone());
    }
    for host in after {
        index.entry(host.clone()).or_default().insert(key.clone());
        reshaped.insert(host.clone());
    }
}
