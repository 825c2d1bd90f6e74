//! Parts of the route table in the words of the commands that print it.

use routetable::{PathMatch, RouteMatch, ValueMatch, ValuePattern};

/// A path condition: `/ws/` is not shown where `/ws` is meant.
pub(super) fn path(of: &PathMatch) -> String {
    match of {
        PathMatch::Exact(path) => format!("={path}"),
        PathMatch::Prefix(path) if path.is_empty() => "/*".to_owned(),
        PathMatch::Prefix(path) => format!("{path}/*"),
        PathMatch::Regex(pattern) => format!("~{pattern}"),
    }
}

/// The conditions besides the path.
pub(super) fn conditions(of: &RouteMatch) -> Vec<String> {
    let mut conditions = Vec::new();
    for (place, values) in [
        ("header", &of.headers),
        ("query", &of.query_params),
        ("cookie", &of.cookies),
    ] {
        conditions.extend(values.iter().map(|value| format!("{place} {}", condition(value))));
    }
    if !of.subprotocols.is_empty() {
        conditions.push(format!("subprotocol {}", of.subprotocols.join(" or ")));
    }
    conditions
}

fn condition(of: &ValueMatch) -> String {
    match &of.value {
        ValuePattern::Exact(value) => format!("{}={value}", of.name),
        ValuePattern::Regex(pattern) => format!("{}~{pattern}", of.name),
    }
}
