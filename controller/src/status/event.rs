//! Events about the objects that are ours: one for each thing that is wrong, when it begins.
//!
//! The name of an Event comes from the object and what it says, so that the same thing said again, even by
//! another replica, counts up the one that is there.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::Identity;
use super::lead::Leadership;
use crate::compile::{Compiled, Finding, Reason, Severity};
use crate::source::cluster::observed::{Board, field_manager};
use crate::world::ObjectKey;

/// Remarks that wait to be told; what is beyond is dropped.
const MAX_WAITING: usize = 1000;
/// Least time between two Events.
const SPACING: Duration = Duration::from_millis(100);
/// Time for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest note, in bytes (events.k8s.io/v1).
const MAX_NOTE: usize = 1024;
/// Time after which certificates are held against the clock again.
const CLOCK: Duration = Duration::from_secs(600);

/// Something to tell about an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Remark {
    object: ObjectKey,
    reason: &'static str,
    note: String,
}

/// Tells what is wrong while this replica leads.
pub(super) async fn report(
    client: Client,
    identity: &Identity,
    mut compiled: watch::Receiver<Option<Arc<Compiled>>>,
    board: Board,
    mut leadership: watch::Receiver<Leadership>,
) {
    let mut standing = BTreeSet::new();
    let mut waiting = VecDeque::new();
    let mut trouble = false;
    loop {
        if leadership.borrow_and_update().holds() {
            let now = compiled
                .borrow_and_update()
                .as_ref()
                .map(|compiled| remarks(compiled, Timestamp::now().as_second()))
                .unwrap_or_default();
            let news = now
                .difference(&standing)
                .take(MAX_WAITING.saturating_sub(waiting.len()));
            waiting.extend(news.cloned());
            standing = now;
        } else {
            // Whoever leads next tells what stands then.
            waiting.clear();
            standing.clear();
        }
        if let Some(remark) = waiting.pop_front() {
            match timeout(PATIENCE, tell(&client, identity, &board, &remark)).await {
                Ok(Ok(())) => trouble = false,
                Ok(Err(error)) if !trouble => {
                    warn!(%error, "can't write Events; they are only in this log");
                    trouble = true;
                }
                Ok(Err(_)) | Err(_) => debug!("can't write an Event"),
            }
            sleep(SPACING).await;
            continue;
        }
        tokio::select! {
            changed = compiled.changed() => if changed.is_err() { return },
            changed = leadership.changed() => if changed.is_err() { return },
            () = sleep(CLOCK) => {}
        }
    }
}

/// What is wrong `now`, in Unix seconds.
fn remarks(compiled: &Compiled, now: i64) -> BTreeSet<Remark> {
    let wrong = compiled
        .findings
        .iter()
        .filter(|finding| finding.severity != Severity::Info);
    let remark = |finding: &Arc<Finding>| {
        let object = finding
            .object
            .clone()
            .filter(|object| compiled.statuses.contains_key(object))?;
        let mut note = finding.text();
        note.truncate(note.floor_char_boundary(MAX_NOTE));
        Some(Remark {
            object,
            reason: finding.reason.as_str(),
            note,
        })
    };
    wrong.filter_map(remark).chain(expiring(compiled, now)).collect()
}

/// The certificates that should have been renewed; each is told once a day, in its last hours once an hour.
fn expiring(compiled: &Compiled, now: i64) -> impl Iterator<Item = Remark> {
    let certificates = compiled.statuses.iter().flat_map(|(object, status)| {
        let certificates = status.certificates.iter();
        certificates.map(move |(secret, validity)| (object, secret, validity))
    });
    let late = certificates.filter(move |(_, _, validity)| validity.is_late_at() <= now);
    late.map(move |(object, secret, validity)| {
        let hours = validity.not_after.saturating_sub(now) / 3600;
        let when = match hours {
            _ if validity.not_after <= now => "has expired".to_owned(),
            0 => "expires in less than an hour".to_owned(),
            1..24 => format!("expires in {hours}h"),
            _ => format!("expires in {}d", hours / 24),
        };
        Remark {
            object: object.clone(),
            reason: Reason::CertificateExpiring.as_str(),
            note: format!("'{secret}' {when}; renew it, or look why nothing did"),
        }
    })
}

async fn tell(
    client: &Client,
    identity: &Identity,
    board: &Board,
    remark: &Remark,
) -> Result<(), kube::Error> {
    let Some(observed) = board.get(&remark.object) else {
        return Ok(());
    };
    let Remark { object, reason, note } = remark;
    let api: Api<Event> = Api::namespaced(client.clone(), &object.namespace);
    let now = MicroTime(Timestamp::now());
    // Not kept anywhere but in names: any hash that is the same for the same release will do.
    let mut hasher = DefaultHasher::new();
    (&observed.uid, reason, note).hash(&mut hasher);
    let name = format!("{}.{:016x}", object.name, hasher.finish());
    let event = Event {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: Some(object.namespace.clone()),
            ..ObjectMeta::default()
        },
        event_time: Some(now.clone()),
        action: Some("Compile".to_owned()),
        reason: Some((*reason).to_owned()),
        note: Some(note.clone()),
        type_: Some("Warning".to_owned()),
        reporting_controller: Some(identity.controller.clone()),
        reporting_instance: Some(identity.pod.clone()),
        regarding: Some(ObjectReference {
            api_version: Some(object.kind.api_version().to_owned()),
            kind: Some(object.kind.as_str().to_owned()),
            name: Some(object.name.clone()),
            namespace: Some(object.namespace.clone()),
            uid: Some(observed.uid.clone()),
            ..ObjectReference::default()
        }),
        ..Event::default()
    };
    match api.create(&PostParams::default(), &event).await {
        Err(kube::Error::Api(status)) if status.code == 409 => {
            let series = EventSeries {
                count: 2,
                last_observed_time: now,
            };
            let again = json!({"series": series});
            api.patch(
                &name,
                &PatchParams {
                    field_manager: Some(field_manager(&identity.controller).to_owned()),
                    ..PatchParams::default()
                },
                &Patch::Merge(again),
            )
            .await?;
            Ok(())
        }
        created => created.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::ObjectStatus;
    use crate::world::{Kind, Validity};

    #[test]
    fn a_certificate_is_told_of_when_it_is_late_and_then_daily() {
        const DAY: i64 = 24 * 3600;
        let object = ObjectKey {
            kind: Kind::Ingress,
            namespace: "shop".to_owned(),
            name: "chat".to_owned(),
        };
        let validity = Validity {
            not_before: 0,
            not_after: 90 * DAY,
        };
        let status = ObjectStatus {
            certificates: [("chat-tls".to_owned(), validity)].into(),
            ..ObjectStatus::default()
        };
        let compiled = Compiled {
            statuses: [(object, Arc::new(status))].into_iter().collect(),
            ..Compiled::default()
        };
        let said = |now: i64| -> Vec<String> {
            let remarks = remarks(&compiled, now).into_iter();
            remarks
                .map(|remark| remark.note.split(';').next().unwrap_or_default().to_owned())
                .collect()
        };
        assert!(said(82 * DAY).is_empty());
        assert_eq!(said(83 * DAY), ["'chat-tls' expires in 7d"]);
        assert_eq!(said(83 * DAY + 3600), said(84 * DAY - 3600));
        assert_eq!(said(90 * DAY - 7200), ["'chat-tls' expires in 2h"]);
        assert_eq!(said(90 * DAY - 60), ["'chat-tls' expires in less than an hour"]);
        assert_eq!(said(90 * DAY), ["'chat-tls' has expired"]);
    }
}
