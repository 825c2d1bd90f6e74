//! The series of routes and backends, and the book that knows them all.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;
use tokio::time::Instant;

use crate::error::Reason;

/// How long series are given out after the last entry of their name is gone: a few scrapes, so that
/// their last counts are seen.
const RETAIN: Duration = Duration::from_secs(600);

/// A counter for each value of a small label.
#[derive(Debug)]
pub(super) struct Counts<K>(Mutex<BTreeMap<K, u64>>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Clone> Counts<K> {
    pub(super) fn add(&self, key: K) {
        *lock(&self.0).entry(key).or_default() += 1;
    }

    pub(super) fn read(&self) -> Vec<(K, u64)> {
        lock(&self.0)
            .iter()
            .map(|(key, count)| (key.clone(), *count))
            .collect()
    }
}

/// A histogram for requests, handshakes and connects: 1 ms to 60 s.
pub(super) fn latency() -> Histogram {
    Histogram::new([
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    ])
}

/// What is counted of one route; its label set is a namespace, a name and a rule.
#[derive(Debug)]
pub struct RouteSeries {
    /// Plain requests by status, and why it was ours.
    pub(super) requests: Counts<(u16, Option<Reason>)>,
    pub(super) request_duration: Histogram,
    /// Upgrade attempts by status and reason.
    pub(super) handshakes: Counts<(u16, Option<Reason>)>,
    /// Until the 101.
    pub(super) handshake_duration: Histogram,
    /// Sessions by backend.
    pub(super) sessions: Sessions,
    /// From the 101 to the end.
    pub(super) session_duration: Histogram,
    /// Bytes of ended sessions: to upstream, to client.
    pub(super) bytes: [AtomicU64; 2],
}

impl Default for RouteSeries {
    fn default() -> Self {
        Self {
            requests: Counts::default(),
            request_duration: latency(),
            handshakes: Counts::default(),
            handshake_duration: latency(),
            sessions: Sessions::default(),
            session_duration: Histogram::new([
                1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0, 86400.0,
            ]),
            bytes: Default::default(),
        }
    }
}

/// What is counted of one Service; its label set is a namespace and a name.
#[derive(Debug)]
pub struct BackendSeries {
    pub(super) connect_duration: Histogram,
    pub(super) failures: Counts<Reason>,
    pub(super) retries: Counts<Reason>,
}

impl Default for BackendSeries {
    fn default() -> Self {
        Self {
            connect_duration: latency(),
            failures: Counts::default(),
            retries: Counts::default(),
        }
    }
}

/// Namespace and name of a Service.
pub(super) type BackendKey = [String; 2];

/// The sessions of a route, by backend.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<BTreeMap<BackendKey, BackendSessions>>);

/// The sessions of a route to one backend.
#[derive(Clone, Debug, Default)]
pub(super) struct BackendSessions {
    pub(super) active: u64,
    pub(super) begun: u64,
    pub(super) closed: BTreeMap<CloseLabels, u64>,
}

/// How a session ended, in label values: initiator, class of the close code, reason.
pub(super) type CloseLabels = [&'static str; 3];

impl Sessions {
    pub(super) fn begin(&self, backend: BackendKey) {
        let mut backends = lock(&self.0);
        let sessions = backends.entry(backend).or_default();
        sessions.active += 1;
        sessions.begun += 1;
    }

    pub(super) fn end(&self, backend: BackendKey, how: CloseLabels) {
        let mut backends = lock(&self.0);
        let sessions = backends.entry(backend).or_default();
        sessions.active = sessions.active.saturating_sub(1);
        *sessions.closed.entry(how).or_default() += 1;
    }

    pub(super) fn read(&self) -> Vec<(BackendKey, BackendSessions)> {
        lock(&self.0)
            .iter()
            .map(|(key, sessions)| (key.clone(), sessions.clone()))
            .collect()
    }
}

/// A label set to which series belong.
pub(super) trait Labelled: Default {
    /// Names, outermost first.
    type Key: Ord + Clone;
}

impl Labelled for RouteSeries {
    type Key = [String; 3];
}

impl Labelled for BackendSeries {
    type Key = BackendKey;
}

/// All series of one kind. What nobody else holds any more is dropped after [`RETAIN`].
#[derive(Debug)]
pub(super) struct Book<S: Labelled>(Mutex<BTreeMap<S::Key, Page<S>>>);

#[derive(Debug)]
struct Page<S> {
    series: Arc<S>,
    orphaned: Option<Instant>,
}

impl<S: Labelled> Default for Book<S> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<S: Labelled> Book<S> {
    /// The series with these labels, new or still remembered.
    pub(super) fn get(&self, key: S::Key) -> Arc<S> {
        let mut pages = lock(&self.0);
        if !pages.contains_key(&key) && pages.len().is_power_of_two() {
            // Rare enough to be cheap, often enough to bound what nobody scrapes.
            prune(&mut pages, Instant::now());
        }
        let page = pages.entry(key).or_insert_with(|| Page {
            series: Arc::default(),
            orphaned: None,
        });
        page.orphaned = None;
        Arc::clone(&page.series)
    }

    /// All series in the order of their labels.
    pub(super) fn read(&self, now: Instant) -> Vec<(S::Key, Arc<S>)> {
        let mut pages = lock(&self.0);
        prune(&mut pages, now);
        pages
            .iter()
            .map(|(key, page)| (key.clone(), Arc::clone(&page.series)))
            .collect()
    }
}

fn prune<K: Ord, S>(pages: &mut BTreeMap<K, Page<S>>, now: Instant) {
    pages.retain(|_, page| {
        if Arc::strong_count(&page.series) > 1 {
            page.orphaned = None;
            return true;
        }
        now.saturating_duration_since(*page.orphaned.get_or_insert(now)) < RETAIN
    });
}

/// A panic under one of these locks leaves counters, which are never wrong by more than one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> [String; 2] {
        ["prod".into(), name.into()]
    }

    #[tokio::test(start_paused = true)]
    async fn series_outlive_their_last_holder_for_a_while() {
        let book = Book::<BackendSeries>::default();
        let held = book.get(key("chat"));
        drop(book.get(key("feed")));
        let names = |book: &Book<BackendSeries>| {
            book.read(Instant::now())
                .into_iter()
                .map(|(key, _)| key[1].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&book), ["chat", "feed"]);
        tokio::time::advance(RETAIN - Duration::from_secs(1)).await;
        assert_eq!(names(&book), ["chat", "feed"]);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(names(&book), ["chat"]);
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn series_that_return_go_on_counting() {
        let book = Book::<BackendSeries>::default();
        book.get(key("chat")).failures.add(Reason::ConnectFailed);
        book.read(Instant::now());
        tokio::time::advance(RETAIN / 2).await;
        let again = book.get(key("chat"));
        again.failures.add(Reason::ConnectFailed);
        tokio::time::advance(RETAIN).await;
        assert_eq!(again.failures.read(), [(Reason::ConnectFailed, 2)]);
        assert_eq!(book.read(Instant::now()).len(), 1);
    }

    #[test]
    fn nobody_scraping_leaves_no_heap_behind() {
        let book = Book::<BackendSeries>::default();
        for n in 0..5000 {
            // Dropped at once; RETAIN has not passed, so at most all of them stay. What counts is
            // that they are looked at at all: the orphans are marked.
            drop(book.get(key(&n.to_string())));
        }
        let marked = lock(&book.0)
            .values()
            .filter(|page| page.orphaned.is_some())
            .count();
        assert!(marked >= 4096, "{marked}");
    }
}
