//! Several objects that want TLS to be spoken for one name.
//!
//! One precedence, as for rules: the default certificate (which only stands for names that nobody asks for by name), then
//! the older object, then the first by namespace and name. All that is spoken for a name comes from the winner: a version or a
//! demand of another object would change what the winner's clients meet. Routes with other demands on clients are
//! refused by the data plane, so that nobody comes in unchecked.

use std::sync::Arc;

use routetable::{Certificate, HostPattern, ServerName, ServerNameId};

use super::Claim;
use crate::compile::finding::{Finding, Reason};
use crate::world::ObjectKey;

/// An object with a claim.
#[derive(Clone, Copy, Debug)]
pub(in crate::compile) struct Contestant<'a> {
    pub(in crate::compile) object: &'a ObjectKey,
    pub(in crate::compile) created: i64,
    pub(in crate::compile) claim: &'a Claim,
}

/// What is spoken for a name, with the certificates it refers to.
#[derive(Clone, Debug)]
pub(in crate::compile) struct Winner {
    pub(in crate::compile) name: ServerName,
    pub(in crate::compile) certificates: Vec<Arc<Certificate>>,
}

/// How a contest ended.
#[derive(Debug)]
pub(in crate::compile) struct Contest {
    pub(in crate::compile) winner: Option<Winner>,
    /// What each contestant is told.
    pub(in crate::compile) told: Vec<(ObjectKey, Option<Arc<Finding>>)>,
}

impl Contest {
    /// Decides who speaks for `host`; `default` is the claim of the controller's settings.
    pub(in crate::compile) fn new(
        host: &HostPattern,
        mut contestants: Vec<Contestant<'_>>,
        default: Option<&Claim>,
    ) -> Self {
        contestants.sort_by_key(|one| {
            let ObjectKey {
                kind,
                namespace,
                name,
            } = one.object;
            (one.created, namespace, name, *kind)
        });
        let first = contestants.first().copied();
        let Some(winning) = default.or(first.map(|first| first.claim)) else {
            return Self {
                winner: None,
                told: vec![],
            };
        };
        let told = contestants.iter().map(|one| {
            let is_winner = default.is_none() && first.is_some_and(|first| first.object == one.object);
            let lost = (!is_winner).then(|| lost(one.claim, winning)).flatten();
            let by = match first.filter(|_| default.is_none()) {
                None => "the default certificate".to_owned(),
                Some(first) if first.created < one.created => format!("{} (older)", first.object),
                Some(first) => format!("{} (first by name)", first.object),
            };
            let finding = lost.map(|lost| {
                let message = format!("TLS for {} is already spoken as {by} says; {lost}", display(host));
                Arc::new(Finding::warning(
                    one.object,
                    &one.claim.field,
                    Reason::Conflicted,
                    message,
                ))
            });
            (one.object.clone(), finding)
        });
        Self {
            winner: Some(Winner {
                name: ServerName {
                    id: ServerNameId::new(host),
                    host: host.clone(),
                    certificates: winning.ids(),
                    min_version: winning.min_version.unwrap_or_default(),
                    client: winning.client.clone(),
                },
                certificates: winning.certificates.clone(),
            }),
            told: told.collect(),
        }
    }
}

/// What of a claim does not come true beside the winning one.
fn lost(claim: &Claim, winning: &Claim) -> Option<String> {
    let unknown: Vec<String> = claim
        .certificates
        .iter()
        .filter(|mine| winning.certificates.iter().all(|shown| shown.id != mine.id))
        .map(|certificate| format!("'{}'", certificate.secret))
        .collect();
    let demands = |claim: &Claim| claim.client.as_ref().is_some_and(|client| !client.optional);
    if !unknown.is_empty() {
        Some(format!("Secret {} is not used there", unknown.join(", ")))
    } else if claim.min_version > Some(winning.min_version.unwrap_or_default()) {
        Some("the `minVersion` of this object is not in effect there".to_owned())
    } else if claim.client.is_some() && claim.client != winning.client {
        Some(
            "clients are not asked for the certificates of this object, and its requests there are refused"
                .to_owned(),
        )
    } else if demands(winning) && claim.client.is_none() {
        Some("clients must show the certificates that it demands".to_owned())
    } else {
        None
    }
}

fn display(host: &HostPattern) -> String {
    match host {
        HostPattern::Any => "any other host".to_owned(),
        host => format!("'{host}'"),
    }
}
