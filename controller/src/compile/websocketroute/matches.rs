//! One entry of `rules[].matches`.
//!
//! A match that can't be evaluated is left out as a whole: without one of its conditions it would
//! take requests that were never meant for it.

use routetable::validate;
use routetable::{
    HostPattern, ObjectKind, ObjectRef, PathMatch, Route, RouteId, RouteMatch, Timeouts, ValueMatch,
    ValuePattern,
};

use crate::compile::field::FieldPath;
use crate::compile::finding::Reason;
use crate::compile::path;
use crate::compile::report::Report;
use crate::crd::websocketroute::{Match, PathCondition, PathKind, ValueCondition, ValueKind};

/// Longest regular expression, in characters.
const MAX_REGEX: usize = 256;

/// What a name must look like.
#[derive(Clone, Copy)]
enum Names {
    /// A token of RFC 9110, compared in lower case.
    Header,
    /// A token of RFC 9110.
    Cookie,
    /// Anything but empty.
    Query,
}

/// The match in the table's form; `None` when it is refused.
pub(super) fn lower(written: &Match, field: &FieldPath, report: &mut Report<'_>) -> Option<RouteMatch> {
    let before = report.findings.len();
    let path = path(written.path.as_ref(), &field.field("path"), report);
    let headers = values(&written.headers, Names::Header, &field.field("headers"), report);
    let query_params = values(
        &written.query_params,
        Names::Query,
        &field.field("queryParams"),
        report,
    );
    let cookies = values(&written.cookies, Names::Cookie, &field.field("cookies"), report);
    let mut subprotocols = written.subprotocols.clone();
    for (index, token) in written.subprotocols.iter().enumerate() {
        let field = field.field("subprotocols").index(index);
        if !is_token(token) {
            report.refuse(
                &field,
                format!("must be a subprotocol such as 'graphql-transport-ws'; got '{token}'"),
            );
        } else if written.subprotocols[..index].contains(token) {
            report.refuse(&field, format!("must not repeat '{token}'"));
        }
    }
    subprotocols.sort();
    let lowered = RouteMatch {
        path: path?,
        headers,
        query_params,
        cookies,
        subprotocols,
    };
    if report.findings.len() > before {
        return None;
    }
    match regex_problem(&lowered) {
        Some(problem) => {
            report.error(field, Reason::InvalidRegex, problem);
            None
        }
        None => Some(lowered),
    }
}

fn path(written: Option<&PathCondition>, field: &FieldPath, report: &mut Report<'_>) -> Option<PathMatch> {
    let Some(PathCondition { kind, value }) = written else {
        return Some(path::prefix("/"));
    };
    let field = field.field("value");
    let problem = match kind {
        PathKind::RegularExpression => regex_length_problem(value),
        PathKind::Exact | PathKind::PathPrefix => path::problem(value),
    };
    if let Some(rest) = problem {
        report.refuse(&field, rest);
        return None;
    }
    Some(match kind {
        PathKind::RegularExpression => PathMatch::Regex(value.clone()),
        PathKind::Exact => path::exact(value),
        PathKind::PathPrefix => path::prefix(value),
    })
}

/// Conditions in the order of their names, so that equal matches are equal however written.
fn values(
    written: &[ValueCondition],
    names: Names,
    field: &FieldPath,
    report: &mut Report<'_>,
) -> Vec<ValueMatch> {
    let mut values: Vec<ValueMatch> = Vec::new();
    for (index, condition) in written.iter().enumerate() {
        let field = field.index(index);
        let (name, ok) = match names {
            Names::Header => (condition.name.to_ascii_lowercase(), is_token(&condition.name)),
            Names::Cookie => (condition.name.clone(), is_token(&condition.name)),
            Names::Query => (condition.name.clone(), !condition.name.is_empty()),
        };
        if !ok {
            report.refuse(&field.field("name"), format!("must be a name; got '{name}'"));
        } else if values.iter().any(|value| value.name == name) {
            report.refuse(&field.field("name"), format!("must not repeat '{name}'"));
        }
        let value = match condition.kind {
            ValueKind::Exact => ValuePattern::Exact(condition.value.clone()),
            ValueKind::RegularExpression => {
                if let Some(rest) = regex_length_problem(&condition.value) {
                    report.refuse(&field.field("value"), rest);
                }
                ValuePattern::Regex(condition.value.clone())
            }
        };
        values.push(ValueMatch { name, value });
    }
    values.sort();
    values
}

fn regex_length_problem(pattern: &str) -> Option<String> {
    let length = pattern.chars().count();
    (length > MAX_REGEX)
        .then(|| format!("must be a regular expression of at most {MAX_REGEX} characters; got {length}"))
}

/// Asks the contract with the data plane, so that what is accepted here is served there.
fn regex_problem(lowered: &RouteMatch) -> Option<String> {
    let source = ObjectRef {
        kind: ObjectKind::WebSocketRoute,
        namespace: "probe".to_owned(),
        name: "probe".to_owned(),
    };
    let probe = Route {
        id: RouteId::new(&source, ""),
        source,
        rule: "probe".to_owned(),
        created: 0,
        order: 0,
        fallback: false,
        hosts: vec![HostPattern::Any],
        matches: vec![lowered.clone()],
        backends: vec![],
        timeouts: Timeouts::default(),
        tls: routetable::RouteTls::default(),
    };
    validate::route(&probe).err().map(|error| error.to_string())
}

/// A token of RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(token)
}
