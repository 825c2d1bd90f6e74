//! From the objects to the route table.
//!
//! [`compile`] is pure and total: equal worlds give equal results, whatever order the objects came
//! in, and nothing that an object holds makes it fail as a whole. Statuses and findings come from
//! the same call as the table, so that "accepted" and "served" can't disagree.
//!
//! The stages: `class` picks the objects that are ours, `ingress` and `websocketroute` turn each
//! into drafts of routes by looking at that object alone, `backend` resolves what the drafts refer
//! to, `conflict` removes what another rule already takes, `status` sums up.

mod annotation;
mod backend;
mod class;
mod conflict;
mod draft;
pub mod field;
pub mod finding;
pub(crate) mod host;
mod ingress;
mod path;
mod report;
pub mod serving;
pub mod status;
pub(crate) mod timeouts;
mod tls;
mod websocketroute;

use std::collections::BTreeMap;
use std::sync::Arc;

use routetable::{RouteTable, validate};

pub use finding::{Finding, Location, Reason, Severity};
pub use status::{ObjectStatus, Outcome};
pub(crate) use timeouts::duration;

use crate::world::{Kind, Name, Object, ObjectKey, World};
use draft::Draft;
use field::FieldPath;
use report::Report;

/// The controller name of our IngressClasses, unless set otherwise.
pub const CONTROLLER: &str = "holdfast.dev/ingress-controller";

/// What a compilation depends on besides the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Serve objects that name no class when no default class says otherwise.
    pub watch_without_class: bool,
    /// The controller name by which an IngressClass hands its objects to us.
    pub controller: String,
    /// Serve Services of type ExternalName. Off by default: whoever may write a Service could
    /// otherwise reach any address from here.
    pub allow_external_names: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            watch_without_class: false,
            controller: CONTROLLER.to_owned(),
            allow_external_names: false,
        }
    }
}

impl Settings {
    /// For a folder of manifests: nobody else could be meant by an object without a class.
    pub fn for_files() -> Self {
        Self {
            watch_without_class: true,
            ..Self::default()
        }
    }
}

/// What a world means.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compiled {
    /// What the data plane serves.
    pub table: RouteTable,
    /// The state of every object that is ours.
    pub statuses: BTreeMap<ObjectKey, Arc<ObjectStatus>>,
    /// What is wrong or worth knowing, by object.
    pub findings: Vec<Finding>,
}

/// Compiles a world.
pub fn compile(world: &World, settings: &Settings) -> Compiled {
    let mut findings = endpoint_findings(world);
    findings.extend(unreadable_findings(world));
    let mut drafts = Vec::new();
    let mut ours = Vec::new();
    let classes = class::Classes::new(world, settings);

    for (name, ingress) in &world.ingresses {
        let key = key(Kind::Ingress, name);
        let mut report = Report::new(&key);
        if classes.claim_ingress(ingress, &mut report) {
            drafts.extend(ingress::lower(ingress, &mut report));
            tls::check(&ingress.spec, world, &mut report);
            findings.append(&mut report.findings);
            ours.push((key, ingress.generation));
        } else {
            findings.append(&mut report.findings);
        }
    }
    for (name, route) in &world.routes {
        let key = key(Kind::WebSocketRoute, name);
        let mut report = Report::new(&key);
        if classes.claim_route(route, &mut report) {
            drafts.extend(websocketroute::lower(route, &mut report));
            findings.append(&mut report.findings);
            ours.push((key, route.generation));
        } else {
            findings.append(&mut report.findings);
        }
    }

    let mut resolver = backend::Resolver::new(world, settings);
    for draft in &mut drafts {
        findings.extend(resolver.resolve(draft));
    }
    drafts.retain(|draft| match validate::route(&draft.route) {
        Ok(()) => true,
        Err(error) => {
            let field = FieldPath::new("spec");
            let message = format!("rule '{}' is beyond what is served: {error}", draft.route.rule);
            findings.push(Finding::error(
                &draft.key(),
                &field,
                Reason::InvalidValue,
                message,
            ));
            false
        }
    });
    let offered = drafts.iter().map(Draft::key).collect();
    findings.extend(conflict::resolve(&mut drafts));
    let table = assemble(drafts, resolver);
    findings.sort_by(|a, b| a.object.cmp(&b.object));
    let statuses = status::sum_up(&ours, &offered, &findings, &table);
    Compiled {
        table,
        statuses,
        findings,
    }
}

/// What the API server would refuse about one object, seen by itself.
pub fn check(key: &ObjectKey, object: &Object) -> Vec<Finding> {
    let mut report = Report::new(key);
    if !host::is_dns_name(&key.name) {
        let rest = format!(
            "must be a DNS name of lower-case letters, digits and '-'; got '{}'",
            key.name
        );
        report.refuse(&FieldPath::new("metadata.name"), rest);
    }
    if key.kind.is_namespaced() && !host::is_label(&key.namespace) {
        let rest = format!(
            "must be of lower-case letters, digits and '-'; got '{}'",
            key.namespace
        );
        report.refuse(&FieldPath::new("metadata.namespace"), rest);
    }
    match object {
        Object::Ingress(ingress) => drop(ingress::lower(ingress, &mut report)),
        Object::WebSocketRoute(route) => drop(websocketroute::lower(route, &mut report)),
        Object::EndpointSlice(slice) => {
            for (field, value) in &slice.invalid {
                let what = if field.ends_with("port") {
                    "a port number between 1 and 65535".to_owned()
                } else {
                    format!("an address of type '{}'", slice.address_type)
                };
                report.refuse(&FieldPath::new(field), format!("must be {what}; got '{value}'"));
            }
        }
        Object::IngressClass(_) | Object::Service(_) | Object::Secret(_) | Object::ReferenceGrant(_) => {}
    }
    report
        .findings
        .retain(|finding| finding.reason == Reason::InvalidValue);
    report.findings
}

/// EndpointSlices that can't be used in full.
fn endpoint_findings(world: &World) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (service, slices) in &world.slices {
        for (name, slice) in slices.iter() {
            let key = key(Kind::EndpointSlice, &Name::new(&service.namespace, name));
            findings.extend(check(&key, &Object::EndpointSlice(Arc::clone(slice))));
            if service.name.is_empty() {
                let message = "belongs to no Service; set the label 'kubernetes.io/service-name'";
                let field = FieldPath::new("metadata.labels");
                findings.push(Finding::warning(&key, &field, Reason::InvalidEndpoints, message));
            }
            if slice.address_type == "FQDN" {
                let message = "`addressType` 'FQDN' is not used; write 'IPv4' or 'IPv6' with IP addresses";
                let field = FieldPath::new("addressType");
                findings.push(Finding::warning(&key, &field, Reason::InvalidEndpoints, message));
            }
        }
    }
    findings
}

/// Objects that could not be decoded.
fn unreadable_findings(world: &World) -> Vec<Finding> {
    let finding = |(key, why): (&ObjectKey, &String)| {
        let outcome = match is_known(world, key) {
            true => "the last good version keeps serving",
            false => "it is not served until that is corrected",
        };
        let message = format!("can't be read: {why}; {outcome}");
        Finding::error(key, &FieldPath::default(), Reason::UnsupportedValue, message)
    };
    world.unreadable.iter().map(finding).collect()
}

/// True when the world holds a version of the object.
fn is_known(world: &World, key: &ObjectKey) -> bool {
    let name = Name::new(&key.namespace, &key.name);
    match key.kind {
        Kind::Ingress => world.ingresses.contains_key(&name),
        Kind::IngressClass => world.classes.contains_key(&key.name),
        Kind::Service => world.services.contains_key(&name),
        Kind::EndpointSlice => world.holds_slice(&name),
        Kind::Secret => world.secrets.contains_key(&name),
        Kind::WebSocketRoute => world.routes.contains_key(&name),
        Kind::ReferenceGrant => world.grants.contains_key(&name),
    }
}

fn assemble(drafts: Vec<Draft>, resolver: backend::Resolver<'_>) -> RouteTable {
    let mut table = RouteTable::default();
    for Draft { route, .. } in drafts {
        for backend in &route.backends {
            let id = backend.endpoint_set;
            if let Some(set) = resolver.sets.get(&id) {
                table.endpoint_sets.insert(id, Arc::clone(set));
            }
        }
        table.routes.entry(route.id).or_insert_with(|| Arc::new(route));
    }
    table
}

fn key(kind: Kind, name: &Name) -> ObjectKey {
    ObjectKey {
        kind,
        namespace: name.namespace.clone(),
        name: name.name.clone(),
    }
}
