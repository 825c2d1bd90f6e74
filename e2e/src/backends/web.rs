//! A plain HTTP server: says what it got, and sends bodies of any size both ways.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;

use super::{ANYWHERE, Server};
use crate::pattern::Pattern;

/// A running one.
///
/// - `/bytes/N` answers N bytes of the pattern with a Content-Length, `/chunks/N` the same in chunks;
/// - `/mirror` sends the request's body back as it comes;
/// - everything else answers JSON: `method`, `path`, `version`, `headers`, `body` (its length), `port` of the
///   proxy's connection, `at` (the server's own address).
#[derive(Debug)]
pub struct Web {
    /// Where it listens.
    pub addr: SocketAddr,
    _server: Server,
}

impl Web {
    /// Starts one.
    ///
    /// # Errors
    /// When it can't listen.
    pub async fn start() -> Result<Self> {
        Self::start_at(ANYWHERE).await
    }

    /// The same at an address.
    ///
    /// # Errors
    /// When it can't listen there.
    pub async fn start_at(at: SocketAddr) -> Result<Self> {
        let server = Server::start_at(at, |stream| async move {
            let ends = (stream.peer_addr()?, stream.local_addr()?);
            let service = service_fn(move |request| answer(request, ends));
            Ok(hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await?)
        })
        .await?;
        Ok(Self {
            addr: server.addr,
            _server: server,
        })
    }
}

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

async fn answer(
    request: Request<Incoming>,
    (peer, at): (SocketAddr, SocketAddr),
) -> Result<Answer, hyper::Error> {
    let (head, body) = request.into_parts();
    let size = |prefix: &str| {
        head.uri
            .path()
            .strip_prefix(prefix)
            .and_then(|size| size.parse().ok())
    };
    if let Some(size) = size("/bytes/") {
        return Ok(Response::new(whole(Pattern::binary(size).payload().into())));
    }
    if let Some(size) = size("/chunks/") {
        let left = Pattern::binary(size).payload().into();
        return Ok(Response::new(
            Chunks { left }.map_err(|never| match never {}).boxed(),
        ));
    }
    if head.uri.path() == "/mirror" {
        return Ok(Response::new(body.boxed()));
    }
    let length = body.collect().await?.to_bytes().len();
    let headers: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let seen = json!({
        "method": head.method.as_str(),
        "path": head.uri.to_string(),
        "version": format!("{:?}", head.version),
        "headers": headers,
        "body": length,
        "port": peer.port(),
        "at": at.to_string(),
    });
    let mut response = Response::new(whole(seen.to_string().into()));
    response
        .headers_mut()
        .insert("content-type", http::HeaderValue::from_static("application/json"));
    Ok(response)
}

fn whole(bytes: Bytes) -> BoxBody<Bytes, hyper::Error> {
    Full::new(bytes)
        .map_err(|never: Infallible| match never {})
        .boxed()
}

/// A body of unknown length, which hyper therefore sends in chunks.
struct Chunks {
    left: Bytes,
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let size = self.left.len().min(10_007);
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(size)))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
