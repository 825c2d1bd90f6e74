//! The path table of one host.
//!
//! Few paths are a list in order of precedence. Many are maps: an exact one, and one of prefixes
//! that is probed at each `/` of the request's path from the longest end. Regular expressions come
//! last and are tried in order.

mod candidate;
mod plain;
mod prefix;

use std::sync::Arc;

use self::candidate::Bucket;
pub(crate) use self::candidate::Candidate;
use self::plain::Plain;
use super::request::Request;
use crate::model::{PathMatch, Route};

/// What one host serves.
#[derive(Clone, Debug)]
pub(crate) struct HostTable<T> {
    rules: PathTable<T>,
    /// Routes for what no ordinary route takes on any host; few hosts have one.
    fallback: Option<Box<PathTable<T>>>,
}

impl<T> Default for HostTable<T> {
    fn default() -> Self {
        Self {
            rules: PathTable::default(),
            fallback: None,
        }
    }
}

impl<T> HostTable<T> {
    /// The ordinary candidate of highest precedence that holds.
    pub(crate) fn rule(&self, request: &Request<'_>) -> Option<&Candidate<T>> {
        self.rules.find(request)
    }

    /// The fallback of highest precedence that holds.
    pub(crate) fn fallback(&self, request: &Request<'_>) -> Option<&Candidate<T>> {
        self.fallback.as_ref()?.find(request)
    }

    pub(crate) fn insert(&mut self, candidate: Arc<Candidate<T>>) {
        if candidate.route.fallback {
            self.fallback.get_or_insert_default().insert(candidate);
        } else {
            self.rules.insert(candidate);
        }
    }

    pub(crate) fn remove(&mut self, route: &Route) {
        if !route.fallback {
            self.rules.remove(route);
        } else if let Some(table) = &mut self.fallback {
            table.remove(route);
        }
        self.fallback.take_if(|table| table.is_empty());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.fallback.is_none()
    }
}

/// Candidates by path.
#[derive(Clone, Debug)]
struct PathTable<T> {
    plain: Plain<T>,
    regex: Bucket<T>,
}

impl<T> Default for PathTable<T> {
    fn default() -> Self {
        Self {
            plain: Plain::default(),
            regex: Bucket::default(),
        }
    }
}

impl<T> PathTable<T> {
    fn find(&self, request: &Request<'_>) -> Option<&Candidate<T>> {
        self.plain
            .find(request)
            .or_else(|| self.regex.first_holding(request))
    }

    fn insert(&mut self, candidate: Arc<Candidate<T>>) {
        let bucket = match candidate.path() {
            PathMatch::Regex(_) => &mut self.regex,
            plain => self.plain.bucket(plain),
        };
        bucket.insert(candidate);
    }

    fn remove(&mut self, route: &Route) {
        for of in &route.matches {
            match &of.path {
                PathMatch::Regex(_) => {
                    self.regex.remove(route.id);
                }
                plain => self.plain.update(plain, |bucket| bucket.remove(route.id)),
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.regex.is_empty()
    }
}
