//! From the objects to the route table.
//!
//! [`compile`] is pure and total: equal worlds give equal results, whatever order the objects came
//! in, and nothing that an object holds makes it fail as a whole. Statuses and findings come from
//! the same call as the table, so that "accepted" and "served" can't disagree.
//!
//! The stages: `class` picks the objects that are ours, `ingress` and `websocketroute` turn each
//! into drafts of routes by looking at that object alone, `backend` resolves what the drafts refer
//! to, `tls` what is spoken for which name, `conflict` removes what another rule already takes, `status` sums up. [`Compiler`] keeps the
//! `part` of each object from one compilation to the next.

mod annotation;
mod backend;
mod changes;
mod class;
mod compiler;
mod conflict;
mod dependents;
mod draft;
pub mod field;
pub mod finding;
pub(crate) mod host;
mod ingress;
mod objects;
mod part;
mod path;
mod product;
mod refs;
mod report;
pub mod serving;
pub mod status;
pub(crate) mod timeouts;
mod tls;
mod websocketroute;

use std::sync::Arc;

use routetable::{RouteTable, SharedMap};

pub(crate) use annotation::authority as authority_annotation;
pub use compiler::Compiler;
pub use finding::{Finding, Location, Reason, Severity};
pub use status::{ObjectStatus, Outcome};
pub(crate) use timeouts::duration;

use crate::world::{Kind, Name, Object, ObjectKey, World};
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
    /// Secrets are in the world. Without them no TLS is spoken.
    pub secrets: bool,
    /// The Secret with the certificate for clients that ask for no name, or for one that no object speaks of.
    pub default_certificate: Option<Name>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            watch_without_class: false,
            controller: CONTROLLER.to_owned(),
            allow_external_names: false,
            secrets: true,
            default_certificate: None,
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
    pub statuses: SharedMap<ObjectKey, ObjectStatus>,
    /// What is wrong or worth knowing, by object.
    pub findings: Vec<Arc<Finding>>,
}

/// Compiles a world.
pub fn compile(world: &World, settings: &Settings) -> Compiled {
    Compiler::new(settings.clone()).compile(world)
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
        Object::Ingress(ingress) => {
            drop(ingress::lower(ingress, &mut report));
            drop(tls::ingress::entries(&ingress.spec, &mut report));
        }
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
        Object::IngressClass(_)
        | Object::Service(_)
        | Object::Secret(_)
        | Object::ConfigMap(_)
        | Object::ReferenceGrant(_) => {}
    }
    report
        .findings
        .retain(|finding| finding.reason == Reason::InvalidValue);
    report.findings
}

fn key(kind: Kind, name: &Name) -> ObjectKey {
    ObjectKey {
        kind,
        namespace: name.namespace.clone(),
        name: name.name.clone(),
    }
}
