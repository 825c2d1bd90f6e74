//! Paths as objects write them.
//!
//! The same forms are refused as by the API server for an Ingress, and besides `?` and `#`, which
//! no request path holds: a rule with them would silently never match.

use routetable::matching::path::normalize;
use routetable::{PathMatch, RouteMatch};

/// Forms that no path to match may hold.
const REFUSED: [&str; 7] = ["//", "/./", "/../", "%2f", "%2F", "?", "#"];

/// Why `path` can't be matched, to go on from the field's name.
pub(super) fn problem(path: &str) -> Option<String> {
    if !path.starts_with('/') {
        return Some(format!("must start with '/'; got '{path}'"));
    }
    if let Some(form) = REFUSED.iter().find(|form| path.contains(**form)) {
        return Some(format!("must not hold '{form}'"));
    }
    let last = ["/.", "/.."].iter().find(|form| path.ends_with(**form));
    last.map(|form| format!("must not end with '{form}'"))
}

/// The whole path, in the form that requests are matched in (`/café` is `/caf%C3%A9`).
pub(super) fn exact(path: &str) -> PathMatch {
    PathMatch::Exact(normalize(path).into_owned())
}

/// A prefix by whole elements, in the form that requests are matched in and without its trailing slash.
pub(super) fn prefix(path: &str) -> PathMatch {
    PathMatch::Prefix(normalize(path).trim_end_matches('/').to_owned())
}

/// The match of every path.
pub(super) fn every() -> RouteMatch {
    RouteMatch::path(PathMatch::Prefix(String::new()))
}

/// The path for people.
pub(super) fn display(path: &PathMatch) -> &str {
    match path {
        PathMatch::Prefix(path) if path.is_empty() => "/",
        PathMatch::Prefix(path) | PathMatch::Exact(path) | PathMatch::Regex(path) => path,
    }
}

/// The path for ids: kind and normalised value.
pub(super) fn canonical(path: &PathMatch) -> String {
    let kind = match path {
        PathMatch::Prefix(_) => "Prefix",
        PathMatch::Exact(_) => "Exact",
        PathMatch::Regex(_) => "Regex",
    };
    format!("{kind} {}", display(path))
}
