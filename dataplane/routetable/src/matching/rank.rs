//! The one order of precedence.

use std::cmp::Reverse;
use std::fmt;

use crate::id::RouteId;
use crate::model::{HostPattern, ObjectKind, PathMatch, Route, RouteMatch};

/// Precedence of one match of one route under one of its hosts; the lesser wins. Compares field by
/// field in the order they are declared in, and no two matches of a table are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank<'a> {
    fallback: bool,
    host: HostRank,
    path: PathRank,
    headers: Reverse<usize>,
    query_params: Reverse<usize>,
    cookies: Reverse<usize>,
    subprotocols: Reverse<bool>,
    created: i64,
    source: (&'a str, &'a str, ObjectKind),
    order: u32,
    id: RouteId,
    position: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum HostRank {
    Exact,
    Wildcard,
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PathRank {
    Exact,
    Prefix(Reverse<usize>),
    Regex,
}

impl PathRank {
    pub(crate) fn of(path: &PathMatch) -> Self {
        match path {
            PathMatch::Exact(_) => Self::Exact,
            PathMatch::Prefix(prefix) => Self::Prefix(Reverse(prefix.len())),
            PathMatch::Regex(_) => Self::Regex,
        }
    }
}

impl<'a> Rank<'a> {
    /// The rank of the match of `route` at `position`, for requests that come to it by `host`.
    pub fn new(route: &'a Route, host: &HostPattern, position: usize, of: &RouteMatch) -> Self {
        Self {
            fallback: route.fallback,
            host: match host {
                HostPattern::Exact(_) => HostRank::Exact,
                HostPattern::Wildcard(_) => HostRank::Wildcard,
                HostPattern::Any => HostRank::Any,
            },
            path: PathRank::of(&of.path),
            headers: Reverse(of.headers.len()),
            query_params: Reverse(of.query_params.len()),
            cookies: Reverse(of.cookies.len()),
            subprotocols: Reverse(!of.subprotocols.is_empty()),
            created: route.created,
            source: (&route.source.namespace, &route.source.name, route.source.kind),
            order: route.order,
            id: route.id,
            position,
        }
    }

    /// The step at which `self`, which wins, differs from `other`.
    pub fn decided_by(&self, other: &Self) -> Step {
        let steps = [
            (self.fallback != other.fallback, Step::Fallback),
            (self.host != other.host, Step::Host),
            (self.path != other.path, self.path_step(other)),
            (self.headers != other.headers, Step::Headers),
            (self.query_params != other.query_params, Step::QueryParams),
            (self.cookies != other.cookies, Step::Cookies),
            (self.subprotocols != other.subprotocols, Step::Subprotocols),
            (self.created != other.created, Step::Age),
            (self.source != other.source, Step::Name),
        ];
        let step = steps
            .into_iter()
            .find_map(|(differs, step)| differs.then_some(step));
        step.unwrap_or(Step::Order)
    }

    fn path_step(&self, other: &Self) -> Step {
        match (self.path, other.path) {
            (PathRank::Prefix(_), PathRank::Prefix(_)) => Step::LongerPrefix,
            _ => Step::PathKind,
        }
    }
}

/// The step of precedence that decided between two matches. Displays as the reason why one lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Fallback against rule.
    Fallback,
    /// Exact host, wildcard host, any host.
    Host,
    /// Exact path, prefix, regular expression.
    PathKind,
    /// Two prefixes.
    LongerPrefix,
    /// Number of header conditions.
    Headers,
    /// Number of query parameter conditions.
    QueryParams,
    /// Number of cookie conditions.
    Cookies,
    /// Subprotocol condition or none.
    Subprotocols,
    /// creationTimestamp of the objects.
    Age,
    /// Namespace and name of the objects.
    Name,
    /// Position within the object.
    Order,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fallback => "a default backend only takes what no rule matches",
            Self::Host => "an exact host goes before a wildcard, and a wildcard before any host",
            Self::PathKind => "an exact path goes before a prefix, and a prefix before a regular expression",
            Self::LongerPrefix => "the longer prefix goes first",
            Self::Headers => "the match with more header conditions goes first",
            Self::QueryParams => "the match with more query parameter conditions goes first",
            Self::Cookies => "the match with more cookie conditions goes first",
            Self::Subprotocols => "the match with a subprotocol condition goes first",
            Self::Age => "the older object goes first",
            Self::Name => "of objects of one age, the one first by namespace and name goes first",
            Self::Order => "the earlier rule of an object goes first",
        })
    }
}
