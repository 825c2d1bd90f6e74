//! HTTP/2 towards endpoints (RFC 9113): one request at a time on a connection, as with HTTP/1.1, so that both are
//! counted, kept and lost alike.

pub(super) mod session;

use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header;
use http::uri::{Authority, Scheme, Uri};
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http2::{self, Connection, SendRequest};
use hyper::rt::Executor;
use hyper::rt::bounds::Http2ClientConnExec;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::AbortHandle;

use super::body::{RequestBody, ends_by_reset};
use super::error::{AnswerError, SendError};
use crate::snapshot::Endpoint;
use crate::tls::stream::Stream;

/// What an endpoint may send of one answer before it is taken, and of all; one answer is all there is. h2 ends a
/// connection whose unread frames waste more than half of the latter, at 256 bytes less their length each: a client
/// that reads slowly what comes in small messages must not lose it.
const WINDOWS: (u32, u32) = (64 << 10, 8 << 20);
/// Bytes of a request or of a session that h2 takes before the endpoint does.
const SEND_BUFFER: usize = 64 << 10;

/// A connection that speaks HTTP/2.
#[derive(Debug)]
pub(super) struct Http2 {
    pub(super) sender: SendRequest<RequestBody>,
    _driver: Driver,
    /// The present answer's body.
    answer: Option<Incoming>,
}

#[derive(Debug)]
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Http2 {
    /// Speaks through `sender`; `connection` is driven in the background.
    pub(super) fn new(
        sender: SendRequest<RequestBody>,
        endpoint: &Endpoint,
        connection: impl Future<Output = hyper::Result<()>> + 'static,
    ) -> Self {
        let address = endpoint.address;
        let driver = tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%address, %error, "upstream connection ended");
            }
        });
        Self {
            sender,
            _driver: Driver(driver.abort_handle()),
            answer: None,
        }
    }

    /// Sends a request, and waits for the head of the answer. `spare`: to be sent again if it is lost; what was not sent at
    /// all comes back itself.
    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
        spare: Option<Box<Request<RequestBody>>>,
    ) -> Result<Response<()>, SendError> {
        match self.sender.try_send_request(request).await {
            Ok(response) => {
                let (head, body) = response.into_parts();
                self.answer = Some(body);
                Ok(Response::from_parts(head, ()))
            }
            Err(mut error) => Err(match error.take_message() {
                Some(mut request) => {
                    restore(&mut request);
                    SendError::Lost(Some(Box::new(request)))
                }
                None if error.error().is_parse() => SendError::Malformed,
                None if wants_http1(error.error()) => SendError::WantsHttp1,
                None => SendError::Lost(spare),
            }),
        }
    }

    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, AnswerError>>> {
        let Some(answer) = &mut self.answer else {
            return Poll::Ready(None);
        };
        match ready!(Pin::new(&mut *answer).poll_frame(cx)) {
            Some(Ok(frame)) => {
                let data = frame.into_data().ok();
                if data.is_none() {
                    self.answer = None;
                }
                Poll::Ready(data.map(Ok))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            None if ends_by_reset(answer) => Poll::Ready(Some(Err(AnswerError::Reset))),
            None => {
                self.answer = None;
                Poll::Ready(None)
            }
        }
    }

    pub(super) fn is_end(&self) -> bool {
        self.answer.as_ref().is_none_or(Incoming::is_end_stream)
    }

    pub(super) fn left(&self) -> Option<u64> {
        match &self.answer {
            Some(answer) => answer.size_hint().exact(),
            None => Some(0),
        }
    }

    pub(super) fn rest(&mut self) {
        self.answer = None;
    }
}

fn wants_http1(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.and_then(h2::Error::reason) == Some(h2::Reason::HTTP_1_1_REQUIRED)
}

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
    for name in [header::CONNECTION, header::UPGRADE] {
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

/// Undoes [`adapt`], for a request that may go to an endpoint of HTTP/1.1 instead.
fn restore(request: &mut Request<RequestBody>) {
    let host = request.uri().authority();
    if let Some(host) = host.and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        request.headers_mut().insert(header::HOST, host);
    }
    if let Some(path) = request.uri().path_and_query().cloned() {
        *request.uri_mut() = Uri::from(path);
    }
    *request.version_mut() = Version::HTTP_11;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_sent_is_again_what_it_was() {
        for tls in [false, true] {
            let mut request = Request::post("/a%20b?c=d").header(header::HOST, "test.example:8080");
            request = request.header("x", "y");
            let mut request = request.body(RequestBody::empty()).unwrap();
            let (uri, headers) = (request.uri().clone(), request.headers().clone());
            adapt(&mut request, tls);
            assert!(!request.headers().contains_key(header::HOST));
            assert_eq!(request.uri().authority().unwrap(), "test.example:8080");
            restore(&mut request);
            assert_eq!((request.uri(), request.version()), (&uri, Version::HTTP_11));
            assert_eq!(*request.headers(), headers);
        }
    }
}
