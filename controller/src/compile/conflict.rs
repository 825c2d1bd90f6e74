//! Rules that take the same requests.
//!
//! One precedence over all objects: the older, then by namespace and name, then the earlier rule.
//! The loser's match leaves the table and its object is told who won.

use std::collections::{BTreeMap, BTreeSet};

use routetable::{HostPattern, Route, RouteMatch};

use super::draft::Draft;
use super::field::FieldPath;
use super::finding::{Finding, Reason};
use super::path;

/// Where a claim was made: draft, host, match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    draft: usize,
    host: usize,
    of: usize,
}

/// Removes from the drafts what another of them already takes.
pub(super) fn resolve(drafts: &mut Vec<Draft>) -> Vec<Finding> {
    drafts.sort_by(|a, b| precedence(&a.route).cmp(&precedence(&b.route)));
    let (lost, findings) = find(drafts);
    for (index, draft) in drafts.iter_mut().enumerate() {
        remove(draft, |host, of| {
            lost.contains(&Claim {
                draft: index,
                host,
                of,
            })
        });
    }
    drafts.retain(|draft| !draft.route.hosts.is_empty() && !draft.route.matches.is_empty());
    findings
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

fn find(drafts: &[Draft]) -> (BTreeSet<Claim>, Vec<Finding>) {
    let mut winners: BTreeMap<(&HostPattern, bool, &RouteMatch), Claim> = BTreeMap::new();
    let mut lost = BTreeSet::new();
    let mut findings = Vec::new();
    for (index, draft) in drafts.iter().enumerate() {
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
                    lost.insert(claim);
                    findings.push(finding(drafts, claim, winner));
                }
            }
        }
    }
    (lost, findings)
}

/// Leaves out matches that lost on every host, then hosts on which every match lost. A match that
/// lost on some of its hosts stays in the table for the others; where it lost, the same precedence
/// keeps it from ever being picked.
fn remove(draft: &mut Draft, is_lost: impl Fn(usize, usize) -> bool) {
    let Draft {
        route,
        host_fields,
        match_fields,
        ..
    } = draft;
    let hosts: Vec<bool> = (0..route.hosts.len())
        .map(|host| (0..route.matches.len()).any(|of| !is_lost(host, of)))
        .collect();
    let matches: Vec<bool> = (0..route.matches.len())
        .map(|of| (0..route.hosts.len()).any(|host| !is_lost(host, of)))
        .collect();
    keep(&mut route.hosts, &hosts);
    keep(host_fields, &hosts);
    keep(&mut route.matches, &matches);
    keep(match_fields, &matches);
}

fn keep<T>(items: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    items.retain(|_| kept.next().copied().unwrap_or(true));
}

fn finding(drafts: &[Draft], loser: Claim, winner: Claim) -> Finding {
    let (lost, won) = (&drafts[loser.draft], &drafts[winner.draft]);
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
