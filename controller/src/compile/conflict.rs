//! Rules that take the same requests.
//!
//! One precedence over all objects: the older, then by namespace and name, then the earlier rule.
//! The loser's match leaves the table and its object is told who won.

use std::collections::BTreeMap;
use std::sync::Arc;

use routetable::{HostPattern, Route, RouteMatch};

use super::draft::Draft;
use super::field::FieldPath;
use super::finding::{Finding, Reason};
use super::path;

/// One match on one host that another rule takes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Loss {
    /// The loser's place among the drafts of its part.
    pub(super) draft: usize,
    host: usize,
    of: usize,
    pub(super) finding: Arc<Finding>,
}

/// Where a claim was made: place among the sorted drafts, host, match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Claim {
    draft: usize,
    host: usize,
    of: usize,
}

/// What each draft loses to another, with the place of its part. Each draft comes with its part's place
/// and its own in there.
pub(super) fn find(mut drafts: Vec<((usize, usize), &Draft)>) -> Vec<(usize, Loss)> {
    drafts.sort_by(|a, b| precedence(&a.1.route).cmp(&precedence(&b.1.route)));
    let mut winners: BTreeMap<(&HostPattern, bool, &RouteMatch), Claim> = BTreeMap::new();
    let mut losses = Vec::new();
    for (index, ((part, place), draft)) in drafts.iter().enumerate() {
        let route = &draft.route;
        for (host, pattern) in route.hosts.iter().enumerate() {
            for (of, wanted) in route.matches.iter().enumerate() {
                let claim = Claim {
                    draft: index,
                    host,
                    of,
                };
                let winner = *winners.entry((pattern, route.fallback, wanted)).or_insert(claim);
                if winner != claim {
                    let finding = finding((draft, claim), (drafts[winner.draft].1, winner));
                    let loss = Loss {
                        draft: *place,
                        host,
                        of,
                        finding: Arc::new(finding),
                    };
                    losses.push((*part, loss));
                }
            }
        }
    }
    losses
}

/// Sorts before what it beats.
fn precedence(route: &Route) -> impl Ord + use<'_> {
    (
        route.created,
        &route.source.namespace,
        &route.source.name,
        route.source.kind,
        route.order,
    )
}

/// What is left of a draft: without the matches that lost on every host, then without the hosts
/// on which every match lost. A match that lost on some of its hosts stays in the table for the
/// others; where it lost, the same precedence keeps it from ever being picked.
pub(super) fn leave<'a>(draft: &Draft, losses: impl Iterator<Item = &'a Loss>) -> Option<Route> {
    let lost: Vec<(usize, usize)> = losses.map(|loss| (loss.host, loss.of)).collect();
    let mut route = draft.route.clone();
    if !lost.is_empty() {
        let is_left = |host, of| !lost.contains(&(host, of));
        let (hosts, matches) = (route.hosts.len(), route.matches.len());
        let left_hosts: Vec<bool> = (0..hosts).map(|h| (0..matches).any(|m| is_left(h, m))).collect();
        let left_matches: Vec<bool> = (0..matches).map(|m| (0..hosts).any(|h| is_left(h, m))).collect();
        keep(&mut route.hosts, &left_hosts);
        keep(&mut route.matches, &left_matches);
    }
    (!route.hosts.is_empty() && !route.matches.is_empty()).then_some(route)
}

fn keep<T>(items: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    items.retain(|_| kept.next().copied().unwrap_or(true));
}

fn finding((lost, loser): (&Draft, Claim), (won, winner): (&Draft, Claim)) -> Finding {
    let field = match lost.match_fields[loser.of].as_str() {
        // A rule without matches has no such field to point at.
        field if field.ends_with(".matches") => FieldPath::new(field).parent().unwrap_or_default(),
        field => FieldPath::new(field),
    };
    let (route, winning) = (&lost.route, &won.route);
    let by = if winning.source == route.source {
        format!("`{}` of this object", won.match_fields[winner.of])
    } else if winning.created < route.created {
        format!("{} {} (older)", winning.source.kind.as_str(), display(winning))
    } else {
        format!(
            "{} {} (first by name)",
            winning.source.kind.as_str(),
            display(winning)
        )
    };
    let host = match &route.hosts[loser.host] {
        HostPattern::Any => "any host".to_owned(),
        host => format!("'{host}'"),
    };
    if route.fallback {
        // Its own rules, and the rest of its own hosts, are served all the same.
        let message =
            format!("the default backend on {host} is already served by {by}; this one is inactive there");
        return Finding::warning(&lost.key(), &field, Reason::Conflicted, message);
    }
    let what = {
        let wanted = &route.matches[loser.of];
        let conditions = if *wanted == RouteMatch::path(wanted.path.clone()) {
            ""
        } else {
            " with the same conditions"
        };
        format!("'{}'{conditions} on {host}", path::display(&wanted.path))
    };
    let message = format!("{what} is already served by {by}; this rule is inactive");
    Finding::error(&lost.key(), &field, Reason::Conflicted, message)
}

fn display(route: &Route) -> String {
    format!("{}/{}", route.source.namespace, route.source.name)
}
