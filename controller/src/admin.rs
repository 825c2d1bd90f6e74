//! The controller's admin port: probes and metrics, read-only.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, info};

use crate::metrics::Metrics;
use crate::publish::Published;
use crate::publish::peers::Peers;

/// Connections at a time.
const MAX_CONNECTIONS: usize = 32;
/// Time for a request's head, and for a whole connection.
const TIMEOUTS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(120));
/// Pause after the system could not give a connection.
const PAUSE: Duration = Duration::from_millis(100);

const PATHS: &str = "\
/healthz        this process runs
/readyz         every kind was listed once, and a table was published
/metrics        OpenMetrics
/version        release
";

/// What the port shows.
#[derive(Clone, Debug)]
pub struct View {
    /// The controller's counters.
    pub metrics: Arc<Metrics>,
    /// The newest table.
    pub published: watch::Receiver<Option<Arc<Published>>>,
    /// The data planes.
    pub peers: Peers,
}

/// Serves `view` on `address` for as long as it is polled.
///
/// # Errors
/// The address is taken, or none of this machine.
pub async fn serve(address: SocketAddr, view: View) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("can't listen on '{address}'; choose another address with `--admin`"))?;
    info!(address = %listener.local_addr()?, "admin port");
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection(stream, view.clone()))),
                Err(error) => {
                    debug!(%error, "can't accept on the admin port");
                    sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, view: View) {
    let view = &view;
    let service = service_fn(|request| async move { Ok::<_, Infallible>(answer(view, &request)) });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(TIMEOUTS.0);
    if let Ok(Err(error)) = timeout(
        TIMEOUTS.1,
        builder.serve_connection(TokioIo::new(stream), service),
    )
    .await
    {
        debug!(%error, "admin connection ended");
    }
}

fn answer<B>(view: &View, request: &Request<B>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(
            StatusCode::METHOD_NOT_ALLOWED,
            "the admin port is read-only: use GET\n",
        );
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" if view.published.borrow().is_some() => text(StatusCode::OK, "ok\n"),
        "/readyz" => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "not every kind was listed yet; the log says which is missing\n",
        ),
        "/metrics" => {
            let number = view
                .published
                .borrow()
                .as_ref()
                .map_or(0, |published| published.version.number);
            view.metrics.published(number);
            view.metrics.connected(view.peers.list().len());
            let mut response = text(StatusCode::OK, view.metrics.page());
            let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        "/version" => text(
            StatusCode::OK,
            concat!("holdfast-controller ", env!("CARGO_PKG_VERSION"), "\n"),
        ),
        _ => text(StatusCode::NOT_FOUND, PATHS),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
