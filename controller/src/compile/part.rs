//! What one object contributes to a compilation, kept from one to the next.
//!
//! A part is made of its object and of what that refers to, and is made again only when one of
//! these changed. What conflicts with other objects leave of it is decided afterwards, by
//! `compiler`.

use std::collections::BTreeMap;
use std::sync::Arc;

use routetable::{Certificate, EndpointSet, HostPattern, Route, validate};

use super::backend::{Led, Resolver};
use super::class::Classes;
use super::conflict::Loss;
use super::draft::Draft;
use super::field::FieldPath;
use super::finding::{Finding, Reason};
use super::refs::Refs;
use super::report::Report;
use super::status::ObjectStatus;
use super::tls::{Contestant, Spoken};
use super::{conflict, ingress, status, tls, websocketroute};
use crate::world::{Ingress, ObjectKey, WebSocketRoute};

/// The object of a part.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Ingress(Arc<Ingress>),
    WebSocketRoute(Arc<WebSocketRoute>),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Part {
    source: Source,
    is_ours: bool,
    refs: Refs,
    /// Its own findings, without those about conflicts.
    findings: Vec<Arc<Finding>>,
    /// Its rules, with their backends.
    pub(super) drafts: Vec<Draft>,
    /// What these lead to.
    led: Led,
    spoken: Spoken,
    /// What other rules take.
    losses: Vec<Loss>,
    /// What others decide about TLS for its hosts.
    lost_names: BTreeMap<HostPattern, Arc<Finding>>,
    /// That it can't be decoded.
    unreadable: Option<Arc<Finding>>,
    /// What is left of its drafts.
    pub(super) routes: Vec<Arc<Route>>,
    status: Option<Arc<ObjectStatus>>,
}

impl Part {
    pub(super) fn new(
        key: &ObjectKey,
        source: Source,
        classes: &Classes<'_>,
        resolver: &mut Resolver<'_>,
    ) -> Self {
        let mut report = Report::new(key);
        let mut refs = Refs::default();
        let mut spoken = Spoken::default();
        let (is_ours, mut drafts) = match &source {
            Source::Ingress(ingress) if classes.claim_ingress(ingress, &mut report) => {
                let drafts = ingress::lower(ingress, &mut report);
                spoken = tls::ingress::read(&ingress.spec, &mut resolver.secrets, &mut refs, &mut report);
                (true, drafts)
            }
            Source::WebSocketRoute(route) if classes.claim_route(route, &mut report) => {
                let mut drafts = websocketroute::lower(route, &mut report);
                if let Some(block) = &route.spec.tls {
                    let secrets = &mut resolver.secrets;
                    spoken = tls::route::read(block, &mut drafts, secrets, &mut refs, &mut report);
                }
                (true, drafts)
            }
            _ => (false, vec![]),
        };
        let mut led = Led::default();
        for draft in &mut drafts {
            resolver.resolve(draft, &mut led, &mut refs, &mut report);
        }
        spoken.validity.append(&mut led.shown.validity);
        drafts.retain(|draft| is_servable(draft, &mut report));
        let findings = report.findings.into_iter().map(Arc::new).collect();
        Self {
            source,
            is_ours,
            refs,
            findings,
            drafts,
            led,
            spoken,
            losses: vec![],
            lost_names: BTreeMap::new(),
            unreadable: None,
            routes: vec![],
            status: None,
        }
    }

    /// What it refers to.
    pub(super) fn refs(&self) -> &Refs {
        &self.refs
    }

    /// The hosts of its rules.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &HostPattern> {
        self.drafts.iter().flat_map(|draft| &draft.route.hosts)
    }

    /// True when conflicts fall out as with `other` in its place.
    pub(super) fn claims_as(&self, other: &Self) -> bool {
        let same = |(a, b): (&Draft, &Draft)| a.claims_as(b);
        self.drafts.len() == other.drafts.len() && self.drafts.iter().zip(&other.drafts).all(same)
    }

    /// Takes from the part that it replaces what may still be right.
    pub(super) fn inherit(&mut self, old: Self) {
        if self.claims_as(&old) {
            self.losses = old.losses;
        }
        self.lost_names = old.lost_names;
        self.lost_names
            .retain(|host, _| self.spoken.claims.contains_key(host));
        self.routes = old.routes;
        self.status = old.status;
    }

    /// Notes what other rules take; true when that is news.
    pub(super) fn lose(&mut self, losses: Vec<Loss>) -> bool {
        let is_news = self.losses != losses;
        self.losses = losses;
        is_news
    }

    /// The hosts for which it says how TLS is spoken.
    pub(super) fn names(&self) -> impl Iterator<Item = &HostPattern> {
        self.spoken.claims.keys()
    }

    /// Its claim to a name.
    pub(super) fn contestant<'a>(&'a self, key: &'a ObjectKey, host: &HostPattern) -> Option<Contestant<'a>> {
        Some(Contestant {
            object: key,
            created: self.created(),
            claim: self.spoken.claims.get(host)?,
        })
    }

    /// The names about which it says something else than `other`.
    pub(super) fn renamed<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a HostPattern> {
        let is_same_age = self.created() == other.created();
        let differs = move |host: &&HostPattern| {
            !is_same_age || self.spoken.claims.get(*host) != other.spoken.claims.get(*host)
        };
        self.names().chain(other.names()).filter(differs)
    }

    /// Notes what others decide about a name; true when that is news.
    pub(super) fn lose_name(&mut self, host: &HostPattern, finding: Option<Arc<Finding>>) -> bool {
        let is_news = self.lost_names.get(host) != finding.as_ref();
        match finding {
            Some(finding) => drop(self.lost_names.insert(host.clone(), finding)),
            None => drop(self.lost_names.remove(host)),
        }
        is_news
    }

    fn created(&self) -> i64 {
        match &self.source {
            Source::Ingress(ingress) => ingress.created,
            Source::WebSocketRoute(route) => route.created,
        }
    }

    /// Notes whether its object can be decoded; true when that is news.
    pub(super) fn note_unreadable(&mut self, finding: Option<&Arc<Finding>>) -> bool {
        let is_news = self.unreadable.as_ref() != finding;
        self.unreadable = finding.cloned();
        is_news
    }

    /// Brings routes and status up to date. What is equal keeps its `Arc`.
    pub(super) fn settle(&mut self) {
        let old = std::mem::take(&mut self.routes);
        for (d, draft) in self.drafts.iter().enumerate() {
            let left = conflict::leave(draft, self.losses.iter().filter(|loss| loss.draft == d));
            let is_new = |route: &Route| self.routes.iter().all(|known| known.id != route.id);
            if let Some(route) = left.filter(is_new) {
                let same = old.iter().find(|old| ***old == route);
                self.routes.push(same.cloned().unwrap_or_else(|| Arc::new(route)));
            }
        }
        if !self.is_ours {
            self.status = None;
            return;
        }
        let generation = match &self.source {
            Source::Ingress(ingress) => ingress.generation,
            Source::WebSocketRoute(route) => route.generation,
        };
        let offered = !self.drafts.is_empty();
        let findings = self
            .unreadable
            .iter()
            .chain(self.findings())
            .map(|finding| &**finding);
        let mut status = status::sum_up(
            generation,
            offered,
            findings,
            &self.routes,
            &self.led.sets,
            &self.spoken,
        );
        status.certificates.clone_from(&self.spoken.validity);
        if self.status.as_deref() != Some(&status) {
            self.status = Some(Arc::new(status));
        }
    }

    /// What was found about it, without what can't be decoded.
    pub(super) fn findings(&self) -> impl Iterator<Item = &Arc<Finding>> {
        let conflicts = self.losses.iter().map(|loss| &loss.finding);
        self.findings
            .iter()
            .chain(conflicts)
            .chain(self.lost_names.values())
    }

    /// Its status, if it is ours.
    pub(super) fn status(&self) -> Option<&Arc<ObjectStatus>> {
        self.status.as_ref()
    }

    /// The endpoint sets that its routes lead to.
    pub(super) fn served_sets(&self) -> impl Iterator<Item = &Arc<EndpointSet>> {
        let backends = self.routes.iter().flat_map(|route| &route.backends);
        backends.filter_map(|backend| self.led.sets.get(&backend.endpoint_set))
    }

    /// The certificates that its routes show to backends.
    pub(super) fn shown_certificates(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        let backends = self.routes.iter().flat_map(|route| &route.backends);
        let shown = backends.filter_map(|backend| backend.protocol.tls.as_ref()?.certificate);
        shown.filter_map(|id| self.led.shown.certificates.get(&id))
    }
}

/// False for what the contract with the data plane does not allow.
fn is_servable(draft: &Draft, report: &mut Report<'_>) -> bool {
    let Err(error) = validate::route(&draft.route) else {
        return true;
    };
    let message = format!("rule '{}' is beyond what is served: {error}", draft.route.rule);
    report.error(&FieldPath::new("spec"), Reason::InvalidValue, message);
    false
}
