//! From one YAML document to objects.
//!
//! Plays the API server: picks the kind, checks strictly, fills in the namespace, unpacks lists.
//! An object that the API server would refuse is not an object here either.

use std::sync::Arc;

use k8s_openapi::api::{core::v1 as core, discovery::v1 as discovery, networking::v1 as networking};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{schema, strict};
use crate::compile::check;
use crate::compile::field::FieldPath;
use crate::compile::finding::{Finding, Reason, Severity};
use crate::crd::{self, referencegrant::ReferenceGrant, websocketroute::WebSocketRoute};
use crate::world::{Kind, Object, ObjectKey};
use crate::yaml::{Document, Lines};

mod kind;

/// What one object in a document turned out to be.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its key, when it can be told.
    pub key: Option<ObjectKey>,
    /// The object, unless it is broken or plays no part here.
    pub object: Option<Object>,
    /// What is wrong with it or worth knowing; without a location.
    pub findings: Vec<Finding>,
    /// Where its fields stand.
    pub place: Place,
}

impl Entry {
    /// True when it was meant to be an object but is none.
    pub fn is_broken(&self) -> bool {
        self.object.is_none()
            && self
                .findings
                .iter()
                .any(|finding| finding.severity == Severity::Error)
    }
}

/// Where an object stands in its file.
#[derive(Clone, Debug, Default)]
pub struct Place {
    lines: Arc<Lines>,
    base: FieldPath,
}

impl Place {
    /// An object of which only the first line is known.
    pub fn at_line(line: u32) -> Self {
        Self {
            lines: Arc::new(Lines::from_line(line)),
            base: FieldPath::default(),
        }
    }

    /// The line of one of its fields.
    pub fn line_of(&self, field: &str) -> u32 {
        match (self.base.as_str(), field) {
            ("", field) => self.lines.line_of(field),
            (base, "") => self.lines.line_of(base),
            (base, field) => self.lines.line_of(&format!("{base}.{field}")),
        }
    }
}

/// Reads the objects of a document.
pub fn read(document: Document) -> Vec<Entry> {
    let Document { mut value, lines } = document;
    let place = Place {
        lines: Arc::new(lines),
        base: FieldPath::default(),
    };
    let is_list = value
        .get("kind")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.ends_with("List"));
    let Some(items) = value
        .get_mut("items")
        .filter(|_| is_list)
        .and_then(Value::as_array_mut)
    else {
        return vec![read_one(value, place)];
    };
    let items = std::mem::take(items).into_iter().enumerate();
    let list = FieldPath::new("items");
    items
        .map(|(index, item)| {
            read_one(
                item,
                Place {
                    base: list.index(index),
                    ..place.clone()
                },
            )
        })
        .collect()
}

fn read_one(mut value: Value, place: Place) -> Entry {
    let mut entry = Entry {
        key: None,
        object: None,
        findings: vec![],
        place,
    };
    strict::strip_nulls(&mut value);
    let Value::Object(map) = &value else {
        let message = "a document must be a map with `apiVersion`, `kind` and `metadata`".to_owned();
        entry
            .findings
            .push(unnamed(Severity::Error, "", Reason::InvalidType, message));
        return entry;
    };
    let kind = match kind::find(map) {
        Ok(kind) => kind,
        Err(finding) => {
            entry.findings.push(*finding);
            return entry;
        }
    };
    entry.key = key(kind, map);
    let named = |field: &FieldPath, reason, message| Finding {
        severity: Severity::Error,
        object: entry.key.clone(),
        location: None,
        field: field.as_str().to_owned(),
        reason,
        message,
    };
    let mut findings: Vec<Finding> =
        strict::check(&value, schema::of(kind), &entry.place.lines, &entry.place.base)
            .into_iter()
            .map(|problem| named(&problem.field, problem.reason, problem.message))
            .collect();
    let Some(key) = entry.key.clone() else {
        if findings.is_empty() {
            let message = "missing field `metadata.name`; it must be set to a DNS name".to_owned();
            findings.push(named(
                &FieldPath::new("metadata.name"),
                Reason::MissingField,
                message,
            ));
        }
        entry.findings = findings;
        return entry;
    };
    if findings.is_empty() {
        match decode(kind, value) {
            Ok(object) => {
                findings = check(&key, &object);
                entry.object = Some(object).filter(|_| findings.is_empty());
            }
            Err((field, message)) => findings.push(named(&field, Reason::InvalidValue, message)),
        }
    }
    entry.findings = findings;
    entry
}

fn key(kind: Kind, map: &Map<String, Value>) -> Option<ObjectKey> {
    let metadata = map.get("metadata")?;
    let text = |field: &str| {
        metadata
            .get(field)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let name = text("name")?.to_owned();
    let namespace = match kind.is_namespaced() {
        true => text("namespace").unwrap_or("default").to_owned(),
        false => String::new(),
    };
    Some(ObjectKey {
        kind,
        namespace,
        name,
    })
}

/// The key that a document seems to have, from the fields read before it broke off.
pub fn guess_key(field: impl Fn(&str) -> Option<String>) -> Option<ObjectKey> {
    let kind = field("kind")?;
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
    let mut metadata = Map::new();
    for name in ["name", "namespace"] {
        if let Some(text) = field(&format!("metadata.{name}")) {
            metadata.insert(name.to_owned(), Value::String(text));
        }
    }
    key(
        kind,
        &Map::from_iter([("metadata".to_owned(), Value::Object(metadata))]),
    )
}

fn decode(kind: Kind, value: Value) -> Result<Object, (FieldPath, String)> {
    match kind {
        Kind::Ingress => typed::<networking::Ingress>(value),
        Kind::IngressClass => typed::<networking::IngressClass>(value),
        Kind::Service => typed::<core::Service>(value),
        Kind::EndpointSlice => typed::<discovery::EndpointSlice>(value),
        Kind::Secret => typed::<core::Secret>(value),
        Kind::ConfigMap => typed::<core::ConfigMap>(value),
        Kind::WebSocketRoute => typed::<WebSocketRoute>(value),
        Kind::ReferenceGrant => typed::<ReferenceGrant>(value),
    }
}

fn typed<T: DeserializeOwned + Into<Object>>(value: Value) -> Result<Object, (FieldPath, String)> {
    match serde_path_to_error::deserialize::<_, T>(value) {
        Ok(object) => Ok(object.into()),
        Err(error) => {
            let path = error.path().to_string();
            let field = if path == "." {
                FieldPath::default()
            } else {
                FieldPath::new(&path)
            };
            Err((field, error.into_inner().to_string()))
        }
    }
}

/// A finding about something that has no name.
pub(super) fn unnamed(severity: Severity, field: &str, reason: Reason, message: String) -> Finding {
    Finding {
        severity,
        object: None,
        location: None,
        field: field.to_owned(),
        reason,
        message,
    }
}

/// True for the API group of a version, such as `networking.k8s.io/v1`.
fn is_ours(api_version: &str) -> bool {
    api_version.split('/').next() == Some(crd::GROUP)
}
