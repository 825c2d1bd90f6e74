//! One watch of one kind: guarded, paced, and told as [`Tidings`].
//!
//! An object that can't be decoded is told as such and harms no other. Errors are said once each and
//! retried with growing pauses; what was told before stays true meanwhile.

mod kinds;

use std::collections::BTreeSet;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::watcher::{self, Event, InitialListStrategy};
use kube::{Api, Client, ResourceExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use super::Scope;
use super::observed::Observed;
use super::refusal::{self, Refusal};
use super::watching;
use crate::world::{Kind, Object, ObjectKey};

use kinds::Watched;
pub(super) use kinds::{CLUSTER_SCOPED, NAMESPACED};

/// Time that one watch lasts. Also bounds how long a connection may be dead unnoticed.
const WATCH_SECONDS: u32 = 90;
/// Objects of one page of a list.
const PAGE: u32 = 500;
/// Pauses between attempts that fail.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Time after which an error is news again, and the first of a row.
const NEWS: Duration = Duration::from_secs(60);
/// Time for the server to say its version.
const VERSION_PATIENCE: Duration = Duration::from_secs(5);
/// The first minor version of Kubernetes 1 that lists by watching.
const STREAMING_SINCE: u32 = 34;

/// Names one watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FeedId(u32);

#[cfg(test)]
impl FeedId {
    pub(super) const fn for_test(number: u32) -> Self {
        Self(number)
    }
}

/// What a watch tells.
#[derive(Clone, Debug)]
pub(super) enum Tidings {
    /// A complete list begins.
    Begin,
    /// An object exists, in this form.
    Object(ObjectKey, Item),
    /// It does not exist any more.
    Gone(ObjectKey),
    /// The list is complete: what was not in it does not exist.
    Done,
    /// A permission is missing.
    Forbidden,
    /// The cluster has no such kind.
    UnknownKind,
}

/// An object as it came.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// It could be read.
    Readable(Object, Option<Box<Observed>>),
    /// It could not, for this reason.
    Unreadable(String),
}

/// What comes to the index.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// From a watch of objects.
    Feed(FeedId, Tidings),
    /// From the watch of namespaces: those that fit.
    Namespaces(BTreeSet<String>),
    /// From a look-up: an object, or that there is none.
    Answer(ObjectKey, Option<Object>),
    /// From DNS: the addresses of a host.
    Resolved(String, BTreeSet<std::net::IpAddr>),
}

/// A watch, to be run as a task.
pub(super) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Makes the watch of one kind in a namespace (or everywhere); `None` if it is not wanted.
pub(super) type Starts = fn(&mut Starter, Option<&str>) -> Option<(FeedId, Kind, Work)>;

/// Makes watches.
pub(super) struct Starter {
    client: Client,
    strategy: InitialListStrategy,
    manager: Arc<str>,
    secrets: bool,
    gate: watch::Receiver<bool>,
    next: u32,
    out: mpsc::Sender<Change>,
}

impl Starter {
    /// Asks the server for its version, which decides how to list. Secrets wait for the gate.
    pub(super) async fn new(
        client: Client,
        scope: &Scope,
        gate: watch::Receiver<bool>,
        out: mpsc::Sender<Change>,
    ) -> Self {
        let version = timeout(VERSION_PATIENCE, client.apiserver_version()).await;
        let streams = match &version {
            Ok(Ok(version)) => {
                info!(version = %version.git_version, "the API server answers");
                let minor = version.minor.trim_end_matches(|c: char| !c.is_ascii_digit());
                version.major == "1" && minor.parse::<u32>().is_ok_and(|minor| minor >= STREAMING_SINCE)
            }
            Ok(Err(error)) => {
                warn!(%error, "the API server does not say its version; trying on");
                false
            }
            Err(_) => {
                warn!("the API server does not answer; trying on");
                false
            }
        };
        let strategy = if streams {
            InitialListStrategy::StreamingList
        } else {
            InitialListStrategy::ListWatch
        };
        Self {
            client,
            strategy,
            manager: Arc::from(scope.manager.as_str()),
            secrets: scope.secrets,
            gate,
            next: 0,
            out,
        }
    }

    fn config(&self) -> watcher::Config {
        watcher::Config {
            timeout: Some(WATCH_SECONDS),
            page_size: Some(PAGE),
            initial_list_strategy: self.strategy.clone(),
            ..watcher::Config::default()
        }
    }

    fn watch<K: Watched>(
        &mut self,
        api: Api<DeserializeGuard<K>>,
        namespace: Option<&str>,
    ) -> (FeedId, Kind, Work) {
        let id = FeedId(self.next);
        self.next += 1;
        let mut config = self.config();
        config.field_selector = K::FIELDS.map(str::to_owned);
        let trouble = Trouble::new::<K>(namespace);
        let manager = Arc::clone(&self.manager);
        let work = follow(api, config, trouble, (id, manager), self.out.clone());
        let mut gate = self.gate.clone();
        let gated = async move {
            // A gate that is gone means the end of the process.
            if K::KIND != Kind::Secret || gate.wait_for(|open| *open).await.is_ok() {
                work.await;
            }
        };
        (id, K::KIND, Box::pin(gated))
    }

    /// The watch of the namespaces whose labels fit.
    pub(super) fn namespaces(&self, selector: &str) -> Work {
        let config = self.config().labels(selector);
        let api: Api<PartialObjectMeta<Namespace>> = Api::all(self.client.clone());
        Box::pin(follow_namespaces(api, config, self.out.clone()))
    }
}

/// Tells what the watch brings, until nobody listens.
async fn follow<K: Watched>(
    api: Api<DeserializeGuard<K>>,
    mut config: watcher::Config,
    mut trouble: Trouble,
    (id, manager): (FeedId, Arc<str>),
    out: mpsc::Sender<Change>,
) {
    loop {
        let mut events = pin!(watching::follow(api.clone(), config.clone()));
        while let Some(event) = events.next().await {
            let tidings = match event {
                Ok(event) => {
                    // Beginning to list is not yet being answered.
                    if !matches!(event, Event::Init) {
                        trouble.is_over();
                    }
                    tell(event, &manager)
                }
                Err(error) => match trouble.meet(&error) {
                    Refusal::UnknownWay
                        if config.initial_list_strategy == InitialListStrategy::StreamingList =>
                    {
                        info!("the API server does not list by watching; asking for pages");
                        config.initial_list_strategy = InitialListStrategy::ListWatch;
                        break;
                    }
                    Refusal::Forbidden => Tidings::Forbidden,
                    Refusal::UnknownKind => Tidings::UnknownKind,
                    Refusal::Expired => continue,
                    Refusal::UnknownWay | Refusal::Unreachable => {
                        trouble.pause().await;
                        continue;
                    }
                },
            };
            let pause = matches!(tidings, Tidings::Forbidden | Tidings::UnknownKind);
            if out.send(Change::Feed(id, tidings)).await.is_err() {
                return;
            }
            if pause {
                trouble.pause().await;
            }
        }
    }
}

fn tell<K: Watched>(event: Event<DeserializeGuard<K>>, manager: &str) -> Tidings {
    match event {
        Event::Init => Tidings::Begin,
        Event::InitDone => Tidings::Done,
        Event::Delete(object) => Tidings::Gone(key(K::KIND, &object)),
        Event::InitApply(object) | Event::Apply(object) => {
            let key = key(K::KIND, &object);
            let item = match object.0 {
                Ok(object) => {
                    let observed = object.observed(manager).map(Box::new);
                    Item::Readable(object.into(), observed)
                }
                Err(invalid) => Item::Unreadable(invalid.error),
            };
            Tidings::Object(key, item)
        }
    }
}

fn key(kind: Kind, object: &impl ResourceExt) -> ObjectKey {
    ObjectKey {
        kind,
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
    }
}

async fn follow_namespaces(
    api: Api<PartialObjectMeta<Namespace>>,
    config: watcher::Config,
    out: mpsc::Sender<Change>,
) {
    let mut trouble = Trouble::named("namespaces".to_owned(), None);
    let mut fit = BTreeSet::new();
    let mut listed = BTreeSet::new();
    let mut events = pin!(watching::follow(api, config));
    while let Some(event) = events.next().await {
        match event {
            Err(error) => {
                trouble.meet(&error);
                trouble.pause().await;
                continue;
            }
            Ok(Event::Init) => {
                listed.clear();
                continue;
            }
            Ok(Event::InitApply(object)) => {
                listed.insert(object.name_any());
                continue;
            }
            Ok(Event::InitDone) => fit = std::mem::take(&mut listed),
            Ok(Event::Apply(object)) => drop(fit.insert(object.name_any())),
            Ok(Event::Delete(object)) => drop(fit.remove(&object.name_any())),
        }
        trouble.is_over();
        if out.send(Change::Namespaces(fit.clone())).await.is_err() {
            return;
        }
    }
}

/// The troubles of one watch: each is said once, and that it is over.
#[derive(Debug)]
struct Trouble {
    plural: String,
    namespace: Option<String>,
    /// What is wrong now.
    said: Option<String>,
    /// What was said last, and when: the same again within a minute is no news.
    last: Option<(String, Instant)>,
    met: Instant,
    pause: Duration,
}

impl Trouble {
    fn new<K: Watched>(namespace: Option<&str>) -> Self {
        let (plural, group) = (K::plural(&()), K::group(&()));
        let plural = match &*group {
            "" | "networking.k8s.io" | "discovery.k8s.io" => plural.into_owned(),
            group => format!("{plural}.{group}"),
        };
        Self::named(plural, namespace)
    }

    fn named(plural: String, namespace: Option<&str>) -> Self {
        Self {
            plural,
            namespace: namespace.map(str::to_owned),
            said: None,
            last: None,
            met: Instant::now(),
            pause: FIRST_PAUSE,
        }
    }

    fn meet(&mut self, error: &watcher::Error) -> Refusal {
        let (refusal, text) = refusal::judge(error, &self.plural, self.namespace.as_deref());
        // A list that succeeds between two errors does not mean that all is well.
        if self.met.elapsed() > NEWS {
            self.pause = FIRST_PAUSE;
        }
        self.met = Instant::now();
        let is_repeated = |(said, at): &(String, Instant)| *said == text && at.elapsed() < NEWS;
        if self.last.as_ref().is_some_and(is_repeated) {
            debug!("{text}");
        } else if self.said.as_ref() != Some(&text) {
            self.last = Some((text.clone(), Instant::now()));
            match refusal {
                Refusal::Expired => debug!("{text}"),
                // Gateway API is often not installed, and nobody misses it.
                Refusal::UnknownKind if self.plural.starts_with("referencegrants") => debug!("{text}"),
                Refusal::UnknownKind => {
                    warn!("{text}; install it with 'holdfast crds print | kubectl apply --server-side -f -'");
                }
                _ => warn!("{text}"),
            }
            self.said = Some(text);
        }
        refusal
    }

    fn is_over(&mut self) {
        if let Some(text) = self.said.take() {
            info!("over: {text}");
        }
    }

    async fn pause(&mut self) {
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}
