//! Bounds and normal forms of one match.

use super::{Invalid, count, normal, not_empty, repeated, text};
use crate::limits::*;
use crate::matching::path;
use crate::model::{PathMatch, RouteMatch, ValueMatch, ValuePattern};

/// Checks the match at position `at`, but for what only compiling finds.
pub(super) fn bounds(at: usize, of: &RouteMatch) -> Result<(), Invalid> {
    path_bounds(&format!("matches[{at}].path"), &of.path)?;
    values(&format!("matches[{at}].headers"), &of.headers, true)?;
    values(&format!("matches[{at}].queryParams"), &of.query_params, false)?;
    values(&format!("matches[{at}].cookies"), &of.cookies, false)?;
    let field = format!("matches[{at}].subprotocols");
    count(&field, &of.subprotocols, MAX_CONDITIONS)?;
    for (at, token) in of.subprotocols.iter().enumerate() {
        not_empty(&field, token.is_empty())?;
        text(&field, token, MAX_NAME_LEN)?;
        if of.subprotocols[..at].contains(token) {
            return Err(repeated(&field, token));
        }
    }
    Ok(())
}

fn path_bounds(field: &str, condition: &PathMatch) -> Result<(), Invalid> {
    match condition {
        PathMatch::Regex(pattern) => text(field, pattern, MAX_REGEX_LEN),
        PathMatch::Exact(exact) => {
            text(field, exact, MAX_VALUE_LEN)?;
            normal(field, exact, &rooted(exact))
        }
        PathMatch::Prefix(prefix) => {
            text(field, prefix, MAX_VALUE_LEN)?;
            normal(field, prefix, rooted(prefix).trim_end_matches('/'))
        }
    }
}

/// The normal form, with a slash in front.
fn rooted(path: &str) -> String {
    match path {
        "" | "/" => "/".to_owned(),
        _ if path.starts_with('/') => path::normalize(path).into_owned(),
        _ => path::normalize(&format!("/{path}")).into_owned(),
    }
}

fn values(field: &str, conditions: &[ValueMatch], headers: bool) -> Result<(), Invalid> {
    count(field, conditions, MAX_CONDITIONS)?;
    for (at, condition) in conditions.iter().enumerate() {
        let name = &condition.name;
        not_empty(field, name.is_empty())?;
        text(field, name, MAX_NAME_LEN)?;
        if headers {
            normal(field, name, &name.to_ascii_lowercase())?;
        }
        if conditions[..at].iter().any(|other| other.name == *name) {
            return Err(repeated(field, name));
        }
        match &condition.value {
            ValuePattern::Exact(value) => text(field, value, MAX_VALUE_LEN)?,
            ValuePattern::Regex(pattern) => text(field, pattern, MAX_REGEX_LEN)?,
        }
    }
    Ok(())
}
