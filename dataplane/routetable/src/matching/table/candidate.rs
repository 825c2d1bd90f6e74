//! One match of a route, compiled, and the candidates that share a path.

use std::sync::Arc;

use regex::bytes::Regex;
use smallvec::SmallVec;

use crate::id::RouteId;
use crate::matching::condition::{Conditions, whole_path};
use crate::matching::rank::Rank;
use crate::matching::request::Request;
use crate::model::{HostPattern, PathMatch, Route, RouteMatch};
use crate::validate::Invalid;

/// One match of a route and what the route leads to.
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
        let compile = |(position, of): (usize, &RouteMatch)| {
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
}

impl<T> Candidate<T> {
    pub(super) fn path(&self) -> &PathMatch {
        &self.route.matches[self.position].path
    }

    /// Whether all conditions hold but those on host and plain path, which led here.
    fn holds(&self, request: &Request<'_>) -> bool {
        let path = match &self.regex {
            Some(regex) => regex.is_match(request.path.as_bytes()),
            None => true,
        };
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
#[derive(Debug)]
pub(super) struct Bucket<T>(SmallVec<[Arc<Candidate<T>>; 1]>);

impl<T> Clone for Bucket<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Bucket<T> {
    fn default() -> Self {
        Self(SmallVec::new())
    }
}

impl<T> Bucket<T> {
    pub(super) fn first_holding(&self, request: &Request<'_>) -> Option<&Candidate<T>> {
        self.0
            .iter()
            .find(|candidate| candidate.holds(request))
            .map(Arc::as_ref)
    }

    pub(super) fn insert(&mut self, candidate: Arc<Candidate<T>>) {
        let at = self.0.partition_point(|other| other.rank() < candidate.rank());
        self.0.insert(at, candidate);
    }

    /// Removes a route's candidates; false if none are left.
    pub(super) fn remove(&mut self, id: RouteId) -> bool {
        self.0.retain(|candidate| candidate.route.id != id);
        !self.0.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
