//! Looks up Secrets and ConfigMaps that are named and no watch has brought.
//!
//! The watch brings only Secrets of type `kubernetes.io/tls`, and only those that are named are kept. One
//! that is named later, or is of another type, and every ConfigMap is asked for by itself; what does not exist,
//! or got no answer, is asked for again at a slow pace, and what no watch can bring at a slower one, because it may change.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::warn;

use super::feed::Change;
use crate::world::{Kind, Object, ObjectKey};

/// Most questions under way; what is beyond waits for the next round.
const MAX_QUESTIONS: usize = 16;
/// Most objects of which it is remembered that they were said to be unknown.
const MAX_SAID: usize = 1000;
/// Pace of asking again for what does not exist, or got no answer.
const AGAIN: Duration = Duration::from_secs(10);
/// How many of these rounds pass until what no watch brings is asked for again.
const ROUNDS: u32 = 6;
/// Time for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks for objects one by one.
pub(super) struct Lookup {
    client: Client,
    out: mpsc::Sender<Change>,
    waiting: BTreeSet<ObjectKey>,
    asked: JoinSet<(ObjectKey, Option<String>)>,
    /// Of what is still unknown, that was said.
    said: BTreeSet<ObjectKey>,
    under_way: BTreeSet<ObjectKey>,
    again: Instant,
    round: u32,
}

impl Lookup {
    pub(super) fn new(client: Client, out: mpsc::Sender<Change>) -> Self {
        Self {
            client,
            out,
            waiting: BTreeSet::new(),
            asked: JoinSet::new(),
            said: BTreeSet::new(),
            under_way: BTreeSet::new(),
            again: Instant::now() + AGAIN,
            round: 0,
        }
    }

    /// Asks for these, as soon as there is room.
    pub(super) fn ask(&mut self, keys: impl IntoIterator<Item = ObjectKey>) {
        self.waiting.extend(keys);
        self.fill();
    }

    /// Forgets what was said of objects that nobody `names` any more.
    pub(super) fn forget(&mut self, names: impl Fn(&ObjectKey) -> bool) {
        self.said.retain(names);
    }

    /// Waits until the missing ones are to be asked for again; true when all that no watch brings are. Answers free room
    /// meanwhile.
    pub(super) async fn due(&mut self) -> bool {
        loop {
            tokio::select! {
                () = sleep_until(self.again) => {
                    self.again = Instant::now() + AGAIN;
                    self.round = (self.round + 1) % ROUNDS;
                    return self.round == 0;
                }
                Some(answered) = self.asked.join_next() => {
                    if let Ok((key, problem)) = answered {
                        self.under_way.remove(&key);
                        self.tell(key, problem);
                    }
                    self.fill();
                }
            }
        }
    }

    /// Says once what keeps an object unknown.
    fn tell(&mut self, key: ObjectKey, problem: Option<String>) {
        let Some(problem) = problem else {
            self.said.remove(&key);
            return;
        };
        if self.said.len() < MAX_SAID && self.said.insert(key.clone()) {
            warn!("{key} is named and can't be read; what was read of it before counts meanwhile: {problem}");
        }
    }

    fn fill(&mut self) {
        while self.under_way.len() < MAX_QUESTIONS {
            let Some(key) = self.waiting.pop_first() else {
                return;
            };
            if self.under_way.insert(key.clone()) {
                self.asked.spawn(ask(self.client.clone(), key, self.out.clone()));
            }
        }
    }
}

/// Passes the answer on; what comes back is why there is none.
async fn ask(client: Client, key: ObjectKey, out: mpsc::Sender<Change>) -> (ObjectKey, Option<String>) {
    let asked = async {
        match key.kind {
            Kind::ConfigMap => get::<ConfigMap>(client, &key).await,
            _ => get::<Secret>(client, &key).await,
        }
    };
    let problem = match timeout(PATIENCE, asked).await {
        Ok(Ok(object)) => {
            // Nobody listening means the end of the process.
            let _ = out.send(Change::Answer(key.clone(), object)).await;
            None
        }
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("no answer in time".to_owned()),
    };
    (key, problem)
}

async fn get<K>(client: Client, key: &ObjectKey) -> kube::Result<Option<Object>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Into<Object>,
{
    let api: Api<K> = Api::namespaced(client, &key.namespace);
    Ok(api.get_opt(&key.name).await?.map(Into::into))
}
