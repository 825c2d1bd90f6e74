//! The HTTP side of the admin port.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::connections::{self, Query};
use super::{View, dump};
use crate::metrics;

/// Connections at a time.
const MAX_CONNECTIONS: usize = 64;

/// Time for a request's head, and for a whole connection.
const TIMEOUTS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(120));

/// Pause after the system could not give a connection.
const PAUSE: Duration = Duration::from_millis(100);

const PATHS: &str = "\
/healthz        this process runs
/readyz         it should get connections; the body says why not
/metrics        OpenMetrics
/version        release
/config         table and settings as they serve, JSON
/connections    live sessions, JSON; ?route=NAMESPACE/NAME[/RULE]&limit=N&after=ID
";

/// A running admin port.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves `view` on its own thread until the process ends.
///
/// # Errors
/// The system grants no thread or event queue.
pub fn serve(listener: TcpListener, view: View) -> io::Result<Server> {
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new().name("admin".into()).spawn(move || {
        if let Err(error) = runtime.block_on(accept(listener, view)) {
            warn!(%error, "the admin port failed");
        }
    })?;
    Ok(Server { address })
}

async fn accept(listener: TcpListener, view: View) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return Ok(());
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let view = view.clone();
                tokio::spawn(async move {
                    connection(stream, view).await;
                    drop(permit);
                });
            }
            Err(error) => {
                debug!(%error, "cannot accept on the admin port");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, view: View) {
    let view = &view;
    let service = service_fn(|request| async move { Ok::<_, Infallible>(answer(view, &request).await) });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(TIMEOUTS.0);
    let served = timeout(
        TIMEOUTS.1,
        builder.serve_connection(TokioIo::new(stream), service),
    )
    .await;
    if let Ok(Err(error)) = served {
        debug!(%error, "admin connection ended");
    }
}

async fn answer(view: &View, request: &Request<Incoming>) -> Response<Full<Bytes>> {
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
        "/readyz" => match view.unready() {
            None => text(StatusCode::OK, "ready\n"),
            Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        },
        "/metrics" => match view.metrics.encode(view.sample().await) {
            Ok(body) => response(StatusCode::OK, metrics::CONTENT_TYPE, body),
            Err(_) => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the metrics could not be written\n",
            ),
        },
        "/version" => {
            json(&serde_json::json!({"name": "holdfast-dataplane", "version": env!("CARGO_PKG_VERSION")}))
        }
        "/config" => json(&dump::config(view)),
        "/connections" => connections(view, request.uri().query().unwrap_or_default()).await,
        _ => text(StatusCode::NOT_FOUND, format!("there is:\n{PATHS}")),
    }
}

async fn connections(view: &View, query: &str) -> Response<Full<Bytes>> {
    let page = match Query::parse(query) {
        Ok(query) => connections::page(view, &query).await,
        Err(message) => Err(message),
    };
    match page {
        Ok(page) => json(&page),
        Err(message) => text(StatusCode::BAD_REQUEST, format!("{message}\n")),
    }
}

fn json(value: &serde_json::Value) -> Response<Full<Bytes>> {
    response(StatusCode::OK, "application/json", format!("{value:#}\n"))
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", body)
}

fn response(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
