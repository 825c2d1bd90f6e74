//! A watch that lists anew after an error.
//!
//! A server that comes back may have lost its data, or part of it: an old snapshot of its database counts its
//! versions from before. A watch that goes on from the last version it saw would be told nothing until the
//! count has caught up, however much changes meanwhile.

use std::fmt::Debug;

use futures_util::stream::{BoxStream, unfold};
use futures_util::{Stream, StreamExt};
use kube::runtime::watcher::{Config, Error, Event, Result, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

/// The events of a watch, without end. After an error it begins again; pauses are the caller's.
pub(crate) fn follow<K>(api: Api<K>, config: Config) -> impl Stream<Item = Result<Event<K>>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    anew_after_errors(move || watcher(api.clone(), config.clone()).boxed())
}

fn anew_after_errors<K: Send + 'static>(
    begin: impl Fn() -> BoxStream<'static, Result<Event<K>>> + Send,
) -> impl Stream<Item = Result<Event<K>>> + Send {
    let events = begin();
    unfold((begin, events), |(begin, mut events)| async move {
        let event = events.next().await?;
        // After a history that is gone, a list is what comes next anyway.
        let is_expired = |error: &Error| matches!(error, Error::WatchError(status) if status.code == 410);
        if event.as_ref().is_err_and(|error| !is_expired(error)) {
            events = begin();
        }
        Some((event, (begin, events)))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::stream::iter;
    use kube::core::Status;

    use super::*;

    /// How often a watch is begun that first tells this.
    async fn begun(first: impl Fn() -> Result<Event<()>> + Send + Sync + 'static) -> u32 {
        let count = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&count);
        let begin = move || match counter.fetch_add(1, Ordering::Relaxed) {
            0 => iter(vec![first(), Ok(Event::Apply(()))]).boxed(),
            _ => iter(vec![Ok(Event::Init), Ok(Event::InitDone)]).boxed(),
        };
        assert!(anew_after_errors(begin).count().await > 0);
        count.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn after_an_error_everything_is_listed() {
        assert_eq!(begun(|| Ok(Event::Apply(()))).await, 1);
        assert_eq!(begun(|| Err(Error::NoResourceVersion)).await, 2);
        let expired = || Status::failure("too old", "Expired").with_code(410).boxed();
        assert_eq!(begun(move || Err(Error::WatchError(expired()))).await, 1);
    }
}
