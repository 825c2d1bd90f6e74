//! What the built-in backends (`demo`, `echo`) share: a small HTTP/1 server whose requests may become
//! WebSockets. Knows no paths and holds no state of its own.

pub(super) mod websocket;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Connections of one listener.
const CONNECTIONS: usize = 4096;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// After a failed accept, usually for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The place of a connection; a WebSocket keeps it until it ends.
pub(super) type Place = Arc<OwnedSemaphorePermit>;

/// What a backend answers.
pub(super) type Answer = Response<Full<Bytes>>;

/// Serves every connection of `listener` with `answer`, for as long as it is polled.
pub(super) async fn serve<F>(
    listener: TcpListener,
    answer: impl Fn(Request<Incoming>, Place) -> F + Clone + Send + Sync + 'static,
) where
    F: Future<Output = Answer> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Messages are small and wanted at once; without this they may wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let answer = answer.clone();
        while connections.try_join_next().is_some() {}
        connections.spawn(async move {
            let place = Arc::new(place);
            let service = service_fn(|request| {
                let answer = answer(request, place.clone());
                async { Ok::<_, Infallible>(answer.await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            // A client that goes away is no news.
            let _ = connection.await;
        });
    }
}

/// An answer in plain text.
pub(super) fn plain(status: StatusCode, text: String) -> Answer {
    typed(status, "text/plain; charset=utf-8", text.into())
}

/// An answer that nobody keeps.
pub(super) fn typed(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The request's head as text, which shows the proxy's work.
pub(super) fn head(request: &Request<Incoming>) -> String {
    let mut text = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        text.push_str(&format!(
            "{}: {}\n",
            HeaderName::as_str(name),
            String::from_utf8_lossy(value.as_bytes())
        ));
    }
    text
}
