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
use crate::compile::{Compiled, Severity};
use crate::source::cluster::observed::{Board, FIELD_MANAGER};
use crate::world::ObjectKey;

/// Remarks that wait to be told; what is beyond is dropped.
const MAX_WAITING: usize = 1000;
/// Least time between two Events.
const SPACING: Duration = Duration::from_millis(100);
/// Time for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest note, in bytes (events.k8s.io/v1).
const MAX_NOTE: usize = 1024;

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
                .map(|compiled| remarks(compiled))
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
        }
    }
}

fn remarks(compiled: &Compiled) -> BTreeSet<Remark> {
    let wrong = compiled
        .findings
        .iter()
        .filter(|finding| finding.severity != Severity::Info);
    let remark = |finding: &crate::compile::Finding| {
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
    wrong.filter_map(remark).collect()
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
                    field_manager: Some(FIELD_MANAGER.to_owned()),
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
