//! HTTP/2 towards endpoints (RFC 9113): one request at a time on a connection, as with HTTP/1.1, so that both are
//! counted, kept and lost alike.

pub(super) mod session;

use std::future::Future;

use http::header;
use http::uri::{Authority, Scheme, Uri};
use http::{HeaderMap, Request, Version};
use hyper::client::conn::http2::{self, Connection, SendRequest};
use hyper::rt::Executor;
use hyper::rt::bounds::Http2ClientConnExec;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::body::RequestBody;
use crate::tls::stream::Stream;

/// What an endpoint may send of one answer before it is taken, and of all; one answer is all there is. h2 ends a
/// connection whose unread frames waste more than half of the latter, at 256 bytes less their length each: a client
/// that reads slowly what comes in small messages must not lose it.
const WINDOWS: (u32, u32) = (64 << 10, 8 << 20);
/// Bytes of a request or of a session that h2 takes before the endpoint does.
const SEND_BUFFER: usize = 64 << 10;

/// Starts tasks on the worker's own thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Here;

impl<F: Future<Output = ()> + 'static> Executor<F> for Here {
    fn execute(&self, task: F) {
        drop(tokio::task::spawn_local(task));
    }
}

/// Begins to speak; answers' heads may have up to `max_head` bytes. So many `streams` may begin before the endpoint's
/// settings have come; `None` is as many as usual.
pub(super) async fn handshake<E>(
    stream: Stream,
    max_head: usize,
    tasks: E,
    streams: Option<usize>,
) -> hyper::Result<(
    SendRequest<RequestBody>,
    Connection<TokioIo<Stream>, RequestBody, E>,
)>
where
    E: Http2ClientConnExec<RequestBody, TokioIo<Stream>> + Unpin + Clone,
{
    http2::Builder::new(tasks)
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .initial_max_send_streams(streams)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(max_head).unwrap_or(u32::MAX))
        .handshake(TokioIo::new(stream))
        .await
}

/// Writes the request as HTTP/2 has it: the host is in the target, and nothing speaks of the connection (RFC 9113
/// section 8.2.2).
pub(super) fn adapt(request: &mut Request<RequestBody>, tls: bool) {
    let headers: &mut HeaderMap = request.headers_mut();
    let host = headers.remove(header::HOST);
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
        headers.remove(name);
    }
    *request.version_mut() = Version::HTTP_2;
    let Some(authority) = host.and_then(|host| Authority::try_from(host.as_bytes()).ok()) else {
        return;
    };
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(if tls { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(authority);
    // A path was there before.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
}
