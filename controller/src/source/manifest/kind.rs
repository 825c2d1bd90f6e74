//! Which kind a document is of.
//!
//! Kinds that play no part here are passed over with a remark: a folder often holds Deployments
//! beside the routes. What looks like a kind that is read, but is not, is an error.

use serde_json::{Map, Value};

use super::{is_ours, unnamed};
use crate::compile::finding::{Finding, Reason, Severity};
use crate::crd;
use crate::did_you_mean::closest;
use crate::world::Kind;

/// Groups that a kind of ours may be looked for in by mistake.
const FORMER_GROUPS: [&str; 2] = ["extensions", "networking.k8s.io"];
/// Kinds that resemble ours but are others.
const NEIGHBOURS: [&str; 3] = ["Endpoints", "IPAddress", "NetworkPolicy"];

/// The kind, or why there is none.
pub(super) fn find(map: &Map<String, Value>) -> Result<Kind, Box<Finding>> {
    let api_version = text(map, "apiVersion")?;
    let kind = text(map, "kind")?;
    let known = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
    if let Some(known) = known.filter(|known| known.api_version() == api_version) {
        return Ok(known);
    }
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let home = |known: &Kind| known.api_version().split_once('/').map_or("", |(group, _)| group);
    if let Some(known) = known.filter(|known| home(known) == group || FORMER_GROUPS.contains(&group)) {
        let message = format!(
            "`apiVersion` of kind '{kind}' must be '{}'; got '{api_version}'",
            known.api_version()
        );
        return Err(refusal(
            Severity::Error,
            "apiVersion",
            Reason::UnknownKind,
            message,
        ));
    }
    let in_group = Kind::ALL
        .into_iter()
        .filter(|known| home(known) == group)
        .map(Kind::as_str);
    let meant = closest(kind, in_group).filter(|_| !NEIGHBOURS.contains(&kind));
    let message = match meant {
        Some(meant) => format!("unknown kind '{kind}' in '{api_version}'; did you mean '{meant}'?"),
        None if is_ours(api_version) => {
            format!(
                "unknown kind '{kind}' in '{api_version}'; '{}' has WebSocketRoute",
                crd::API_VERSION
            )
        }
        None => {
            let message = format!("{kind} ({api_version}) plays no part here and is not read");
            return Err(refusal(Severity::Info, "", Reason::IgnoredKind, message));
        }
    };
    Err(refusal(Severity::Error, "kind", Reason::UnknownKind, message))
}

fn text<'a>(map: &'a Map<String, Value>, field: &str) -> Result<&'a str, Box<Finding>> {
    match map.get(field) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => {
            let message = format!("`{field}` must be a string");
            Err(refusal(Severity::Error, field, Reason::InvalidType, message))
        }
        None => {
            let example = if field == "kind" {
                "'WebSocketRoute'"
            } else {
                "'holdfast.dev/v1alpha1'"
            };
            let message = format!("missing field `{field}`; it must be set, for example to {example}");
            Err(refusal(Severity::Error, field, Reason::MissingField, message))
        }
    }
}

fn refusal(severity: Severity, field: &str, reason: Reason, message: String) -> Box<Finding> {
    Box::new(unnamed(severity, field, reason, message))
}
