//! Why a request goes where it goes: the words behind `holdfast explain`.

mod missed;

use std::fmt;

pub use self::missed::{Missed, Place};
use super::RequestView;
use super::naive::{best_host, misses};
use super::rank::{Rank, Step};
use super::request::Request;
use crate::model::{HostPattern, Route, RouteMatch};
use crate::validate::Invalid;

/// What became of one match of one route.
#[derive(Clone, Debug)]
pub struct Verdict<'a> {
    /// The route.
    pub route: &'a Route,
    /// The most specific of its hosts that takes the request's.
    pub host: &'a HostPattern,
    /// The match's position in the route.
    pub position: usize,
    /// The match.
    pub matched: &'a RouteMatch,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It takes the request.
    Wins,
    /// It would take the request, but the winner goes first.
    Loses(Step),
    /// A condition does not hold.
    Misses(Missed),
    /// Its route is not served at all.
    Unusable(Invalid),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wins => f.write_str("takes the request"),
            Self::Loses(step) => write!(f, "also matches; {step}"),
            Self::Misses(missed) => write!(f, "does not match: {missed}"),
            Self::Unusable(error) => write!(f, "is not served: {error}"),
        }
    }
}

/// The verdict on every match whose host takes the request's: the winner first, then those that
/// lost, then those that missed or are unusable, each group in order of precedence.
pub fn explain<'a>(
    routes: impl IntoIterator<Item = &'a Route>,
    request: &RequestView<'_>,
) -> Vec<Verdict<'a>> {
    let request = Request::new(request);
    let mut verdicts: Vec<(Rank<'a>, Verdict<'a>)> = Vec::new();
    for route in routes {
        let Some(host) = best_host(route, &request.host) else {
            continue;
        };
        let misses = misses(route, &request);
        for (position, matched) in route.matches.iter().enumerate() {
            let outcome = match &misses {
                Ok(misses) => match misses[position] {
                    None => Outcome::Wins,
                    Some(miss) => Outcome::Misses(Missed::new(matched, miss, &request)),
                },
                Err(error) => Outcome::Unusable(error.clone()),
            };
            let verdict = Verdict {
                route,
                host,
                position,
                matched,
                outcome,
            };
            verdicts.push((Rank::new(route, host, position, matched), verdict));
        }
    }
    verdicts.sort_by_key(|(rank, verdict)| (verdict.outcome != Outcome::Wins, *rank));
    judge(&mut verdicts);
    verdicts.into_iter().map(|(_, verdict)| verdict).collect()
}

/// Of those that hold, which come first, only the first wins.
fn judge(verdicts: &mut [(Rank<'_>, Verdict<'_>)]) {
    if let Some(((winner, _), others)) = verdicts.split_first_mut() {
        for (rank, verdict) in others {
            if verdict.outcome == Outcome::Wins {
                verdict.outcome = Outcome::Loses(winner.decided_by(rank));
            }
        }
    }
}

#[cfg(test)]
mod tests;
