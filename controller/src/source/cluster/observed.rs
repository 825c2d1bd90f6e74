//! What is seen of the statuses in the cluster, for the one who writes them.
//!
//! Kept apart from the World: a status never changes what is served.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::networking::v1::IngressLoadBalancerIngress;
use tokio::sync::Notify;

use crate::crd::status::WebSocketRouteStatus;
use crate::world::ObjectKey;

/// The name under which the API server keeps what an installation owns: that of its controller, so that two
/// installations tell their own apart (metadata.managedFields; at most 128 bytes).
pub fn field_manager(controller: &str) -> &str {
    &controller[..controller.floor_char_boundary(128)]
}

/// An object as far as its status is concerned.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Its uid, for events.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
    /// We own fields of its status.
    pub is_ours: bool,
    /// Its status.
    pub status: ObservedStatus,
}

/// A status as it stands.
#[derive(Clone, Debug, PartialEq)]
pub enum ObservedStatus {
    /// The addresses of an Ingress.
    Ingress(Vec<IngressLoadBalancerIngress>),
    /// The status of a WebSocketRoute.
    Route(Box<WebSocketRouteStatus>),
}

/// All that was observed, shared by the source and the writer.
#[derive(Clone, Debug, Default)]
pub struct Board {
    inner: Arc<Mutex<Inner>>,
    news: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Inner {
    objects: BTreeMap<ObjectKey, Arc<Observed>>,
    touched: BTreeSet<ObjectKey>,
}

impl Board {
    /// The object, if it exists.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Observed>> {
        self.lock().objects.get(key).cloned()
    }

    /// The objects of which something else was seen since the last call.
    pub fn take_touched(&self) -> BTreeSet<ObjectKey> {
        std::mem::take(&mut self.lock().touched)
    }

    /// All objects of which we own a part of the status.
    pub fn ours(&self) -> BTreeSet<ObjectKey> {
        let inner = self.lock();
        let ours = inner.objects.iter().filter(|(_, observed)| observed.is_ours);
        ours.map(|(key, _)| key.clone()).collect()
    }

    /// Waits until there is something to take.
    pub async fn touched(&self) {
        self.news.notified().await;
    }

    /// Notes what was seen; `None` when the object is gone.
    pub(super) fn note(&self, key: &ObjectKey, observed: Option<Observed>) {
        let mut inner = self.lock();
        let is_news = match observed {
            Some(new) => {
                let is_news = inner.objects.get(key).is_none_or(|known| **known != new);
                if is_news {
                    inner.objects.insert(key.clone(), Arc::new(new));
                }
                is_news
            }
            None => inner.objects.remove(key).is_some(),
        };
        if is_news {
            inner.touched.insert(key.clone());
            self.news.notify_one();
        }
    }

    /// Plain data: nothing is half done after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
