//! Least time between two starts of the same watch.
//!
//! A watch that the server ends at once, without an error, is started again at once by the client
//! library: some hundred thousand times a second. Nobody should be able to make us do that.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use tokio::time::{Instant, sleep_until};
use tower::{Layer, Service};

/// Least time between two starts of one watch.
const PAUSE: Duration = Duration::from_secs(1);
/// Most watches whose last start is remembered.
const MAX_WATCHES: usize = 4096;

/// Spaces the starts of each watch.
#[derive(Clone, Debug, Default)]
pub(super) struct PaceLayer {
    next: Arc<Mutex<BTreeMap<String, Instant>>>,
}

impl PaceLayer {
    /// When a watch of this path may start; counts as its start.
    fn slot(&self, path: &str) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if next.len() >= MAX_WATCHES {
            next.retain(|_, at| *at > now);
        }
        let at = next.get(path).copied().map_or(now, |at| at.max(now));
        next.insert(path.to_owned(), at + PAUSE);
        at
    }
}

impl<S> Layer<S> for PaceLayer {
    type Service = Paced<S>;

    fn layer(&self, inner: S) -> Paced<S> {
        Paced {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service whose watches are spaced.
#[derive(Clone, Debug)]
pub(super) struct Paced<S> {
    inner: S,
    layer: PaceLayer,
}

impl<S, B> Service<Request<B>> for Paced<S>
where
    S: Service<Request<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let is_watch = request
            .uri()
            .query()
            .is_some_and(|query| query.split('&').any(|part| part == "watch=true"));
        let at = is_watch.then(|| self.layer.slot(request.uri().path()));
        // The work begins when it is first polled.
        let work = self.inner.call(request);
        Box::pin(async move {
            if let Some(at) = at {
                sleep_until(at).await;
            }
            work.await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn watches_of_one_path_are_spaced_and_other_requests_are_not() {
        let mut paced = PaceLayer::default().layer(tower::service_fn(async |_: Request<()>| {
            Ok::<_, ()>(Instant::now())
        }));
        let mut call = async |uri: &str| {
            let request = Request::builder().uri(uri).body(()).unwrap();
            paced.call(request).await.unwrap()
        };
        let start = Instant::now();
        assert_eq!(call("/api/v1/services?watch=true&a=b").await, start);
        assert_eq!(call("/api/v1/services?limit=500").await, start);
        assert_eq!(call("/api/v1/secrets?watch=true").await, start);
        assert_eq!(call("/api/v1/services?a=b&watch=true").await, start + PAUSE);
        assert_eq!(call("/api/v1/services?watch=true").await, start + 2 * PAUSE);
    }
}
