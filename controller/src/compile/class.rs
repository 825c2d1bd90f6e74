//! Which objects are ours (IngressClass, its default, the annotation that came before it).

use routetable::SharedMap;

use super::field::FieldPath;
use super::finding::Reason;
use super::report::Report;
use super::{CONTROLLER, Settings};
use crate::world::{Ingress, IngressClass, WebSocketRoute, World};

const ANNOTATION: &str = "kubernetes.io/ingress.class";
/// The name of the class that the chart makes.
const CLASS: &str = "holdfast";

/// The classes of a world.
#[derive(Debug)]
pub(super) struct Classes<'a> {
    by_name: &'a SharedMap<String, IngressClass>,
    watch_without_class: bool,
    controller: &'a str,
}

impl<'a> Classes<'a> {
    pub(super) fn new(world: &'a World, settings: &'a Settings) -> Self {
        Self {
            by_name: &world.classes,
            watch_without_class: settings.watch_without_class,
            controller: &settings.controller,
        }
    }

    /// True when the Ingress is ours to serve.
    pub(super) fn claim_ingress(&self, ingress: &Ingress, report: &mut Report<'_>) -> bool {
        let annotation = ingress.annotations.get(ANNOTATION).map(String::as_str);
        let field = FieldPath::new("metadata.annotations").field(ANNOTATION);
        match (ingress.spec.ingress_class_name.as_deref(), annotation) {
            (None, Some(name)) if self.is_charts(name) && !self.by_name.contains_key(name) => true,
            (None, Some(name)) => self.claim(Some(name), &field, report),
            (Some(name), Some(other)) => {
                let message = format!(
                    "annotation '{ANNOTATION}: {other}' is not read beside `spec.ingressClassName`; remove it"
                );
                report.warning(&field, Reason::UnsupportedAnnotation, message);
                self.claim(Some(name), &spec_field(), report)
            }
            (name, None) => self.claim(name, &spec_field(), report),
        }
    }

    /// True when the WebSocketRoute is ours to serve.
    pub(super) fn claim_route(&self, route: &WebSocketRoute, report: &mut Report<'_>) -> bool {
        self.claim(route.spec.ingress_class_name.as_deref(), &spec_field(), report)
    }

    fn claim(&self, name: Option<&str>, field: &FieldPath, report: &mut Report<'_>) -> bool {
        let Some(name) = name else {
            return self.claim_without_class(field, report);
        };
        match self.by_name.get(name) {
            Some(class) if class.controller == self.controller => true,
            Some(class) => {
                let message = format!("class '{name}' belongs to controller '{}'", class.controller);
                report.info(
                    field,
                    Reason::ForeignClass,
                    format!("{message}; it is not served here"),
                );
                false
            }
            // A folder of manifests for a cluster in which the chart has made the class.
            None if self.watch_without_class && self.by_name.is_empty() && self.is_charts(name) => true,
            None => {
                let found: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
                let found = match found.as_slice() {
                    [] => "no IngressClass exists".to_owned(),
                    names => format!("found: {}", names.join(", ")),
                };
                let message = format!("class '{name}' does not exist; {found}; no controller will serve it");
                report.error(field, Reason::ClassNotFound, message);
                false
            }
        }
    }

    /// True for the class that the chart makes for a controller of this name, unless told otherwise.
    fn is_charts(&self, name: &str) -> bool {
        name == CLASS && self.controller == CONTROLLER
    }

    fn claim_without_class(&self, field: &FieldPath, report: &mut Report<'_>) -> bool {
        // Between several defaults the API server takes the newest, then the first by name.
        let defaults = self.by_name.iter().filter(|(_, class)| class.is_default);
        match defaults.min_by_key(|(name, class)| (std::cmp::Reverse(class.created), *name)) {
            Some((_, class)) if class.controller == self.controller => true,
            Some((name, class)) => {
                let message = format!(
                    "the default class '{name}' belongs to controller '{}'",
                    class.controller
                );
                report.info(
                    field,
                    Reason::ForeignClass,
                    format!("{message}; it is not served here"),
                );
                false
            }
            None if self.watch_without_class => true,
            None => {
                let ours = self
                    .by_name
                    .iter()
                    .find(|(_, class)| class.controller == self.controller);
                let message = match ours {
                    Some((name, _)) => {
                        format!("set `ingressClassName` or make '{name}' the default class")
                    }
                    None => format!(
                        "set `ingressClassName` to an IngressClass of controller '{}'",
                        self.controller
                    ),
                };
                report.error(field, Reason::NoClass, message);
                false
            }
        }
    }
}

fn spec_field() -> FieldPath {
    FieldPath::new("spec.ingressClassName")
}
