//! Looks up Secrets that are named and no watch has brought.
//!
//! The watch brings only Secrets of type `kubernetes.io/tls`, and only those that are named are kept. One
//! that is named later, or is of another type, is asked for by itself; one that does not exist is asked
//! for again at a slow pace, and one that no watch can bring at a slower one, because it may change.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use super::feed::Change;
use crate::world::{Name, Object};

/// Most questions under way; what is beyond waits for the next round.
const MAX_QUESTIONS: usize = 16;
/// Pace of asking again for what does not exist.
const AGAIN: Duration = Duration::from_secs(10);
/// How many of these rounds pass until what no watch brings is asked for again.
const ROUNDS: u32 = 6;
/// Time for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks for Secrets one by one.
pub(super) struct Lookup {
    client: Client,
    out: mpsc::Sender<Change>,
    waiting: BTreeSet<Name>,
    asked: JoinSet<Name>,
    under_way: BTreeSet<Name>,
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
            under_way: BTreeSet::new(),
            again: Instant::now() + AGAIN,
            round: 0,
        }
    }

    /// Asks for these, as soon as there is room.
    pub(super) fn ask(&mut self, names: impl IntoIterator<Item = Name>) {
        if Instant::now() >= self.again {
            self.again = Instant::now() + AGAIN;
        }
        self.waiting.extend(names);
        self.fill();
    }

    /// Waits until the missing ones are to be asked for again; true when all that no watch brings are. Answers free room
    /// meanwhile.
    pub(super) async fn due(&mut self) -> bool {
        loop {
            tokio::select! {
                () = sleep_until(self.again) => {
                    self.round = (self.round + 1) % ROUNDS;
                    return self.round == 0;
                }
                Some(answered) = self.asked.join_next() => {
                    if let Ok(name) = answered {
                        self.under_way.remove(&name);
                    }
                    self.fill();
                }
            }
        }
    }

    fn fill(&mut self) {
        while self.under_way.len() < MAX_QUESTIONS {
            let Some(name) = self.waiting.pop_first() else {
                return;
            };
            if self.under_way.insert(name.clone()) {
                self.asked.spawn(ask(self.client.clone(), name, self.out.clone()));
            }
        }
    }
}

async fn ask(client: Client, name: Name, out: mpsc::Sender<Change>) -> Name {
    let api: Api<Secret> = Api::namespaced(client, &name.namespace);
    match timeout(PATIENCE, api.get_opt(&name.name)).await {
        Ok(Ok(secret)) => {
            // Nobody listening means the end of the process.
            let _ = out
                .send(Change::Secret(name.clone(), secret.map(Object::from)))
                .await;
        }
        // The watch says what is missing; here it is only one Secret that stays unknown.
        Ok(Err(error)) => {
            debug!(namespace = %name.namespace, name = %name.name, %error, "can't read a Secret")
        }
        Err(_) => debug!(namespace = %name.namespace, name = %name.name, "no answer about a Secret"),
    }
    name
}
