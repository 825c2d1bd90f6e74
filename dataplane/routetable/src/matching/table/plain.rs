//! Candidates under exact paths and prefixes: a list while they are few, maps when they are many.

use std::sync::Arc;

use smallvec::SmallVec;

use super::candidate::{Bucket, Candidate};
use super::prefix::PrefixMap;
use crate::matching::rank::PathRank;
use crate::matching::request::Request;
use crate::matching::shards::Map;
use crate::model::PathMatch;

/// Number of paths up to which a list is searched faster than maps.
const FEW: usize = 8;

#[derive(Clone, Debug)]
pub(super) enum Plain<T> {
    Few(List<T>),
    Many(Box<Maps<T>>),
}

/// In order of precedence, then by text. The first is held in place: most hosts have one.
type List<T> = SmallVec<[(PathMatch, Bucket<T>); 1]>;

#[derive(Clone, Debug)]
pub(super) struct Maps<T> {
    exact: Map<Arc<str>, Bucket<T>>,
    prefix: PrefixMap<Bucket<T>>,
}

impl<T> Default for Plain<T> {
    fn default() -> Self {
        Self::Few(List::new())
    }
}

impl<T> Plain<T> {
    /// The candidate of highest precedence that holds.
    pub(super) fn find(&self, request: &Request<'_>) -> Option<&Candidate<T>> {
        let path = &*request.path;
        match self {
            Self::Few(list) => list
                .iter()
                .filter(|(of, _)| of.takes(path))
                .find_map(|(_, bucket)| bucket.first_holding(request)),
            Self::Many(maps) => {
                let exact = maps
                    .exact
                    .get(path)
                    .and_then(|bucket| bucket.first_holding(request));
                exact.or_else(|| maps.prefix.find(path, |bucket| bucket.first_holding(request)))
            }
        }
    }

    /// The bucket of a path that is no regular expression, made if it is absent.
    pub(super) fn bucket(&mut self, path: &PathMatch) -> &mut Bucket<T> {
        if let Self::Few(list) = self
            && list.len() > FEW
        {
            // They stay maps from here on, however few paths remain.
            *self = Self::Many(Box::new(Maps::from(std::mem::take(list))));
        }
        match self {
            Self::Few(list) => {
                let at = place(list, path).unwrap_or_else(|at| {
                    list.insert(at, (path.clone(), Bucket::default()));
                    at
                });
                &mut list[at].1
            }
            Self::Many(maps) => maps.bucket(path),
        }
    }

    /// Changes the bucket of a path, if there is one; drops it when `keep` says false.
    pub(super) fn update(&mut self, path: &PathMatch, keep: impl FnOnce(&mut Bucket<T>) -> bool) {
        match (self, path) {
            (Self::Few(list), path) => {
                if let Ok(at) = place(list, path)
                    && !keep(&mut list[at].1)
                {
                    list.remove(at);
                }
            }
            (Self::Many(maps), PathMatch::Prefix(prefix)) => maps.prefix.update(prefix, keep),
            (Self::Many(maps), PathMatch::Exact(text) | PathMatch::Regex(text)) => {
                if let Some(bucket) = maps.exact.get_mut(text.as_str())
                    && !keep(bucket)
                {
                    maps.exact.remove(text.as_str());
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Few(list) => list.is_empty(),
            Self::Many(maps) => maps.exact.is_empty() && maps.prefix.is_empty(),
        }
    }
}

impl<T> Maps<T> {
    fn bucket(&mut self, path: &PathMatch) -> &mut Bucket<T> {
        match path {
            PathMatch::Prefix(prefix) => self.prefix.entry(prefix),
            PathMatch::Exact(text) | PathMatch::Regex(text) => {
                self.exact.entry(text.as_str().into()).or_default()
            }
        }
    }
}

impl<T> From<List<T>> for Maps<T> {
    fn from(list: List<T>) -> Self {
        let mut maps = Self {
            exact: Map::default(),
            prefix: PrefixMap::default(),
        };
        for (path, bucket) in list {
            *maps.bucket(&path) = bucket;
        }
        maps
    }
}

fn place<T>(list: &List<T>, path: &PathMatch) -> Result<usize, usize> {
    list.binary_search_by(|(other, _)| (PathRank::of(other), other).cmp(&(PathRank::of(path), path)))
}
