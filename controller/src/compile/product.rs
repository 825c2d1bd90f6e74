//! What all parts together give, changed part by part.
//!
//! Owns the table, the statuses and the findings of the last compilation. What a part gives anew and
//! is equal to what it gave before keeps its `Arc`.

use std::collections::BTreeMap;
use std::sync::Arc;

use routetable::{
    Certificate, CertificateId, EndpointSetId, HostPattern, RouteId, RouteTable, ServerNameId, SharedMap,
};

use super::finding::Finding;
use super::part::Part;
use super::status::ObjectStatus;
use super::tls::Winner;
use crate::world::ObjectKey;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Product {
    pub(super) table: RouteTable,
    pub(super) statuses: SharedMap<ObjectKey, ObjectStatus>,
    /// Of the parts that have some.
    findings: BTreeMap<ObjectKey, Vec<Arc<Finding>>>,
    /// What of the table comes from each part.
    given: BTreeMap<ObjectKey, Given>,
    /// How many parts give each endpoint set.
    givers: BTreeMap<EndpointSetId, usize>,
    /// How many parts and names need each certificate.
    needs: BTreeMap<CertificateId, usize>,
}

#[derive(Debug, Default)]
struct Given {
    routes: Vec<RouteId>,
    sets: Vec<EndpointSetId>,
    certificates: Vec<CertificateId>,
}

impl Product {
    /// Puts what the part gives in the place of what it gave before; `None` takes that away.
    pub(super) fn put(&mut self, key: &ObjectKey, part: Option<&Part>) {
        let old = self.given.remove(key).unwrap_or_default();
        let mut new = Given::default();
        if let Some(part) = part {
            for route in &part.routes {
                new.routes.push(route.id);
                if self.table.routes.get(&route.id) != Some(route) {
                    self.table.routes.insert(route.id, Arc::clone(route));
                }
            }
            for set in part.served_sets() {
                if new.sets.contains(&set.id) {
                    continue;
                }
                new.sets.push(set.id);
                *self.givers.entry(set.id).or_default() += 1;
                if self.table.endpoint_sets.get(&set.id) != Some(set) {
                    self.table.endpoint_sets.insert(set.id, Arc::clone(set));
                }
            }
            for certificate in part.shown_certificates() {
                new.certificates.push(certificate.id);
                self.need(certificate);
            }
        }
        self.need_no_longer(&old.certificates);
        for id in old.routes.iter().filter(|id| !new.routes.contains(id)) {
            self.table.routes.remove(id);
        }
        for id in &old.sets {
            let givers = self.givers.entry(*id).or_default();
            *givers = givers.saturating_sub(1);
            if *givers == 0 {
                self.givers.remove(id);
                self.table.endpoint_sets.remove(id);
            }
        }
        if !new.routes.is_empty() {
            self.given.insert(key.clone(), new);
        }
        self.put_status(key, part.and_then(Part::status));
        let findings: Vec<Arc<Finding>> = part.into_iter().flat_map(Part::findings).cloned().collect();
        if findings.is_empty() {
            self.findings.remove(key);
        } else {
            self.findings.insert(key.clone(), findings);
        }
    }

    /// Puts how TLS is spoken for a host in the place of what was spoken before; `None` takes that away.
    pub(super) fn put_name(&mut self, host: &HostPattern, winner: Option<Winner>) {
        let id = ServerNameId::new(host);
        let old = self.table.server_names.get(&id).cloned();
        if let Some(Winner { name, certificates }) = &winner {
            certificates.iter().for_each(|certificate| self.need(certificate));
            if old.as_deref() != Some(name) {
                self.table.server_names.insert(id, Arc::new(name.clone()));
            }
        }
        if let Some(old) = &old {
            self.need_no_longer(&old.certificates);
        }
        if winner.is_none() {
            self.table.server_names.remove(&id);
        }
    }

    fn need(&mut self, certificate: &Arc<Certificate>) {
        *self.needs.entry(certificate.id).or_default() += 1;
        if self.table.certificates.get(&certificate.id) != Some(certificate) {
            self.table
                .certificates
                .insert(certificate.id, Arc::clone(certificate));
        }
    }

    fn need_no_longer(&mut self, ids: &[CertificateId]) {
        for id in ids {
            let needs = self.needs.entry(*id).or_default();
            *needs = needs.saturating_sub(1);
            if *needs == 0 {
                self.needs.remove(id);
                self.table.certificates.remove(id);
            }
        }
    }

    fn put_status(&mut self, key: &ObjectKey, status: Option<&Arc<ObjectStatus>>) {
        if self.statuses.get(key) == status {
            return;
        }
        match status {
            Some(status) => drop(self.statuses.insert(key.clone(), Arc::clone(status))),
            None => drop(self.statuses.remove(key)),
        }
    }

    /// What was found about the parts.
    pub(super) fn findings(&self) -> impl Iterator<Item = &Arc<Finding>> {
        self.findings.values().flatten()
    }
}
