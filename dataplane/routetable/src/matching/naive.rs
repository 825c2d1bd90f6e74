//! Matching by looking at every route: the definition that the index must equal.

use super::RequestView;
use super::condition::{Conditions, Miss, whole_path};
use super::rank::Rank;
use super::request::Request;
use crate::model::{HostPattern, PathMatch, Route, RouteMatch};
use crate::validate::{Invalid, route_bounds};

/// The route that takes the request: of all matches that hold, the one of lowest [`Rank`]. A route
/// that is not [valid](crate::validate::route) takes nothing.
pub fn naive_find<'a>(
    routes: impl IntoIterator<Item = &'a Route>,
    request: &RequestView<'_>,
) -> Option<&'a Route> {
    let request = Request::new(request);
    let mut best: Option<(Rank<'a>, &'a Route)> = None;
    for route in routes {
        let Some(host) = best_host(route, &request.host) else {
            continue;
        };
        let Ok(misses) = misses(route, &request) else {
            continue;
        };
        for (position, (of, miss)) in route.matches.iter().zip(misses).enumerate() {
            let rank = Rank::new(route, host, position, of);
            if miss.is_none() && best.is_none_or(|(other, _)| rank < other) {
                best = Some((rank, route));
            }
        }
    }
    best.map(|(_, route)| route)
}

/// What keeps a match from holding, host aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MatchMiss {
    Path,
    Condition(Miss),
}

/// What keeps each match of a route from holding, host aside.
pub(crate) fn misses(route: &Route, request: &Request<'_>) -> Result<Vec<Option<MatchMiss>>, Invalid> {
    route_bounds(route)?;
    route.matches.iter().map(|of| miss(of, request)).collect()
}

fn miss(of: &RouteMatch, request: &Request<'_>) -> Result<Option<MatchMiss>, Invalid> {
    let conditions = Conditions::compile(of)?;
    let path = match &of.path {
        PathMatch::Regex(pattern) => whole_path(pattern)?.is_match(request.path.as_bytes()),
        plain => plain.takes(&request.path),
    };
    if path {
        Ok(conditions.miss(request).map(MatchMiss::Condition))
    } else {
        Ok(Some(MatchMiss::Path))
    }
}

/// The most specific of a route's hosts that takes the request's.
pub(crate) fn best_host<'a>(route: &'a Route, host: &str) -> Option<&'a HostPattern> {
    // Patterns are ordered from the least specific.
    route.hosts.iter().filter(|pattern| pattern.covers(host)).max()
}
