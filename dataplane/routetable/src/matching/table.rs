//! The path table of one host.
//!
//! Few paths are a list in order of precedence. Many are maps: an exact one, and one of prefixes
//! that is probed at each `/` of the request's path from the longest end. Regular expressions come
//! last and are tried in order.

mod prefix;

use std::collections::HashMap;
use std::sync::Arc;

use regex::bytes::Regex;
use smallvec::SmallVec;

use self::prefix::PrefixMap;
use super::condition::{Conditions, whole_path};
use super::rank::{PathRank, Rank};
use super::request::Request;
use crate::id::RouteId;
use crate::model::{HostPattern, PathMatch, Route};
use crate::validate::Invalid;

/// Number of paths up to which a list is searched faster than maps.
const FEW: usize = 8;

/// One match of a route, compiled, and what the route leads to.
#[derive(Debug)]
pub(crate) struct Candidate<T> {
    pub(crate) route: Arc<Route>,
    pub(crate) target: T,
    position: usize,
    conditions: Option<Box<Conditions>>,
    regex: Option<Regex>,
}

impl<T: Clone> Candidate<T> {
    /// Compiles every match of a route.
    pub(crate) fn compile(route: &Arc<Route>, target: &T) -> Result<Vec<Arc<Self>>, Invalid> {
        let compile = |(position, of): (usize, &crate::model::RouteMatch)| {
            let conditions = Conditions::compile(of)?;
            let regex = match &of.path {
                PathMatch::Regex(pattern) => Some(whole_path(pattern)?),
                PathMatch::Exact(_) | PathMatch::Prefix(_) => None,
            };
            Ok(Arc::new(Self {
                route: Arc::clone(route),
                target: target.clone(),
                position,
                conditions: (!conditions.is_empty()).then(|| Box::new(conditions)),
                regex,
            }))
        };
        route.matches.iter().enumerate().map(compile).collect()
    }

    pub(crate) fn path(&self) -> &PathMatch {
        &self.route.matches[self.position].path
    }

    /// Whether all conditions hold but those on host and plain path, which led here.
    fn holds(&self, request: &Request<'_>) -> bool {
        let path = self
            .regex
            .as_ref()
            .is_none_or(|regex| regex.is_match(request.path.as_bytes()));
        path && self
            .conditions
            .as_ref()
            .is_none_or(|conditions| conditions.miss(request).is_none())
    }

    /// Precedence within a table, where all have the same host.
    fn rank(&self) -> Rank<'_> {
        let of = &self.route.matches[self.position];
        Rank::new(&self.route, &HostPattern::Any, self.position, of)
    }
}

/// Candidates of one path in order of precedence; nearly always one.
type Bucket<T> = SmallVec<[Arc<Candidate<T>>; 1]>;

fn first_holding<'a, T: Clone>(bucket: &'a Bucket<T>, request: &Request<'_>) -> Option<&'a Candidate<T>> {
    bucket
        .iter()
        .find(|candidate| candidate.holds(request))
        .map(Arc::as_ref)
}

fn add<T: Clone>(bucket: &mut Bucket<T>, candidate: Arc<Candidate<T>>) {
    let at = bucket.partition_point(|other| other.rank() < candidate.rank());
    bucket.insert(at, candidate);
}

fn drop_route<T>(bucket: &mut Bucket<T>, id: RouteId) {
    bucket.retain(|candidate| candidate.route.id != id);
}

/// What one host serves.
#[derive(Clone, Debug)]
pub(crate) struct HostTable<T> {
    /// Ordinary routes.
    pub(crate) rules: PathTable<T>,
    /// Routes for what no ordinary route takes, on any host.
    pub(crate) fallback: PathTable<T>,
}

impl<T> Default for HostTable<T> {
    fn default() -> Self {
        Self {
            rules: PathTable::default(),
            fallback: PathTable::default(),
        }
    }
}

impl<T: Clone> HostTable<T> {
    pub(crate) fn insert(&mut self, candidate: Arc<Candidate<T>>) {
        let part = if candidate.route.fallback {
            &mut self.fallback
        } else {
            &mut self.rules
        };
        part.insert(candidate);
    }

    pub(crate) fn remove(&mut self, route: &Route) {
        let part = if route.fallback {
            &mut self.fallback
        } else {
            &mut self.rules
        };
        for of in &route.matches {
            part.remove(&of.path, route.id);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.fallback.is_empty()
    }
}

/// Candidates by path.
#[derive(Clone, Debug)]
pub(crate) struct PathTable<T> {
    plain: Plain<T>,
    regex: Bucket<T>,
}

/// Candidates under exact paths and prefixes.
#[derive(Clone, Debug)]
enum Plain<T> {
    /// In order of precedence, then by text.
    Few(Vec<(PathMatch, Bucket<T>)>),
    Many {
        exact: HashMap<Arc<str>, Bucket<T>>,
        prefix: PrefixMap<Bucket<T>>,
    },
}

impl<T> Default for PathTable<T> {
    fn default() -> Self {
        Self {
            plain: Plain::Few(Vec::new()),
            regex: Bucket::new(),
        }
    }
}

impl<T: Clone> PathTable<T> {
    /// The candidate of highest precedence that holds.
    pub(crate) fn find(&self, request: &Request<'_>) -> Option<&Candidate<T>> {
        let path = &*request.path;
        let plain = match &self.plain {
            Plain::Few(list) => list
                .iter()
                .filter(|(of, _)| of.takes(path))
                .find_map(|(_, bucket)| first_holding(bucket, request)),
            Plain::Many { exact, prefix } => exact
                .get(path)
                .and_then(|bucket| first_holding(bucket, request))
                .or_else(|| prefix.find(path, |bucket| first_holding(bucket, request))),
        };
        plain.or_else(|| first_holding(&self.regex, request))
    }

    fn insert(&mut self, candidate: Arc<Candidate<T>>) {
        if let Plain::Few(list) = &mut self.plain
            && list.len() > FEW
        {
            let list = std::mem::take(list);
            self.plain = Plain::many(list);
        }
        let bucket = match (candidate.path(), &mut self.plain) {
            (PathMatch::Regex(_), _) => &mut self.regex,
            (path, Plain::Few(list)) => {
                let at = place(list, path).unwrap_or_else(|at| {
                    list.insert(at, (path.clone(), Bucket::new()));
                    at
                });
                &mut list[at].1
            }
            (PathMatch::Exact(path), Plain::Many { exact, .. }) => {
                exact.entry(path.as_str().into()).or_default()
            }
            (PathMatch::Prefix(path), Plain::Many { prefix, .. }) => prefix.entry(path),
        };
        add(bucket, candidate);
    }

    fn remove(&mut self, path: &PathMatch, id: RouteId) {
        match (path, &mut self.plain) {
            (PathMatch::Regex(_), _) => drop_route(&mut self.regex, id),
            (path, Plain::Few(list)) => {
                if let Ok(at) = place(list, path) {
                    drop_route(&mut list[at].1, id);
                    list.retain(|(_, bucket)| !bucket.is_empty());
                }
            }
            (PathMatch::Exact(path), Plain::Many { exact, .. }) => {
                if let Some(bucket) = exact.get_mut(path.as_str()) {
                    drop_route(bucket, id);
                    if bucket.is_empty() {
                        exact.remove(path.as_str());
                    }
                }
            }
            (PathMatch::Prefix(path), Plain::Many { prefix, .. }) => prefix.update(path, |bucket| {
                drop_route(bucket, id);
                !bucket.is_empty()
            }),
        }
    }

    fn is_empty(&self) -> bool {
        let plain = match &self.plain {
            Plain::Few(list) => list.is_empty(),
            Plain::Many { exact, prefix } => exact.is_empty() && prefix.is_empty(),
        };
        plain && self.regex.is_empty()
    }
}

impl<T> Plain<T> {
    /// The maps of a list's paths. They stay maps from here on, however few paths remain.
    fn many(list: Vec<(PathMatch, Bucket<T>)>) -> Self {
        let mut exact = HashMap::new();
        let mut prefix = PrefixMap::default();
        for (path, bucket) in list {
            match path {
                PathMatch::Exact(path) => drop(exact.insert(path.into(), bucket)),
                PathMatch::Prefix(path) => *prefix.entry(&path) = bucket,
                PathMatch::Regex(_) => {}
            }
        }
        Self::Many { exact, prefix }
    }
}

fn place<T>(list: &[(PathMatch, Bucket<T>)], path: &PathMatch) -> Result<usize, usize> {
    list.binary_search_by(|(other, _)| (PathRank::of(other), other).cmp(&(PathRank::of(path), path)))
}
