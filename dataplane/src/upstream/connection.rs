//! A connection to an endpoint: HTTP/1.1 or HTTP/2, for requests one after the other or for one session.

use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Body as _;

use super::body::RequestBody;
use super::error::{AnswerError, SendError};
use super::http1::Http1;
use super::http2::{Here, Http2};
use crate::snapshot::{Endpoint, Protocol};
use crate::tls::client::Client;
use crate::tls::stream::Stream;

/// A connection that speaks HTTP to an endpoint. Dropping it closes the socket at once, unless a session has it.
#[derive(Debug)]
pub struct Connection {
    speaker: Speaker,
    pub(super) endpoint: Weak<Endpoint>,
    /// How TLS is spoken on it.
    tls: Option<Arc<Client>>,
    /// HTTP/2 was wished for.
    http2: bool,
    pub(super) reused: bool,
    /// False for one that was asked to switch protocols, whatever it says, or that began with one client's PROXY header.
    pub(super) reusable: bool,
    switching: bool,
}

/// How it speaks.
#[derive(Debug)]
pub(super) enum Speaker {
    Http1(Box<Http1>),
    Http2(Http2),
}

impl Connection {
    /// Speaks HTTP on a fresh socket, HTTP/2 if `protocol` says so and the endpoint does not prefer the other over TLS; answers'
    /// heads may have up to `max_head` bytes. Must be called on a `LocalSet`.
    ///
    /// # Errors
    /// An endpoint of HTTP/2 broke off before the preface was written.
    pub async fn open(
        stream: Stream,
        endpoint: &Arc<Endpoint>,
        protocol: &Protocol,
        max_head: usize,
    ) -> hyper::Result<Self> {
        let speaker = if protocol.speaks_http2(&stream) {
            let (sender, connection) = super::http2::handshake(stream, max_head, Here, None).await?;
            Speaker::Http2(Http2::new(sender, endpoint, connection))
        } else {
            Speaker::Http1(Box::new(Http1::new(stream, max_head)))
        };
        let mut connection = Self::new(speaker, endpoint, protocol, false);
        // Its header speaks for one client.
        connection.reusable = protocol.proxy_header.is_none();
        Ok(connection)
    }

    /// `switching`: for one request, which asks for a session.
    pub(super) fn new(
        speaker: Speaker,
        endpoint: &Arc<Endpoint>,
        protocol: &Protocol,
        switching: bool,
    ) -> Self {
        Self {
            speaker,
            endpoint: Arc::downgrade(endpoint),
            tls: protocol.tls.clone(),
            http2: protocol.http2,
            reused: false,
            reusable: !switching,
            switching,
        }
    }

    /// True when it speaks HTTP/2.
    pub fn speaks_http2(&self) -> bool {
        matches!(self.speaker, Speaker::Http2(_))
    }

    /// It has answered before, so that its end may cross with the next request.
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// Sends a request, and waits for the head of the answer. The request's body goes on beside the answer's.
    ///
    /// # Errors
    /// The error has the request in it if it may be sent again.
    pub async fn send(&mut self, mut request: Box<Request<RequestBody>>) -> Result<Response<()>, SendError> {
        let repeatable = self.reused && is_repeatable(&request);
        match &mut self.speaker {
            Speaker::Http1(http1) => {
                http1.ask(&mut request, self.switching).await;
                // A long wait needs no head.
                let spare = repeatable.then_some(request);
                http1.answer().await.map_err(|error| {
                    let address = self.endpoint.upgrade().map(|endpoint| endpoint.address);
                    tracing::debug!(?address, %error, "no answer");
                    match error {
                        AnswerError::Malformed(_) => SendError::Malformed,
                        _ => SendError::Lost(spare),
                    }
                })
            }
            Speaker::Http2(http2) => {
                let spare = repeatable.then(|| Box::new(copy(&request)));
                super::http2::adapt(&mut request, self.tls.is_some());
                http2.send(*request, spare).await
            }
        }
    }

    /// The next bytes of the answer's body; `None` at its end. Trailers end here; see [`http::header`](crate::http::header).
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, AnswerError>>> {
        match &mut self.speaker {
            Speaker::Http1(http1) => http1.poll_data(cx),
            Speaker::Http2(http2) => http2.poll_data(cx),
        }
    }

    /// The answer is known to have come to its end.
    pub fn is_end(&self) -> bool {
        match &self.speaker {
            Speaker::Http1(http1) => http1.is_end(),
            Speaker::Http2(http2) => http2.is_end(),
        }
    }

    /// Bytes of the answer's body that are still to come, if it says how many.
    pub fn left(&self) -> Option<u64> {
        match &self.speaker {
            Speaker::Http1(http1) => http1.left(),
            Speaker::Http2(http2) => http2.left(),
        }
    }

    /// May serve another request at once. Over HTTP/1.1 the task is woken when it no longer may; the end of one of HTTP/2
    /// is found at the next look.
    pub(super) fn stands(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.speaker {
            Speaker::Http1(http1) => http1.stands(cx),
            Speaker::Http2(http2) => http2.sender.is_ready(),
        }
    }

    /// The end of its exchange may still be on its way through a task.
    pub(super) fn lingers(&self) -> bool {
        match &self.speaker {
            Speaker::Http1(http1) => http1.is_sending(),
            Speaker::Http2(http2) => !http2.sender.is_closed(),
        }
    }

    /// Waits for that; false if it breaks off.
    pub(super) async fn ready(&mut self) -> bool {
        match &mut self.speaker {
            Speaker::Http1(http1) => http1.sent().await,
            Speaker::Http2(http2) => http2.sender.ready().await.is_ok(),
        }
    }

    /// Nobody asks anything of it for a while.
    pub(super) fn rest(&mut self) {
        match &mut self.speaker {
            Speaker::Http1(http1) => http1.rest(),
            Speaker::Http2(http2) => http2.rest(),
        }
    }

    pub(super) fn into_speaker(self) -> Speaker {
        self.speaker
    }

    pub(super) fn key(&self) -> Key {
        (
            self.endpoint.as_ptr(),
            self.tls.as_ref().map(Arc::as_ptr),
            self.http2,
        )
    }
}

/// Whether a request may be sent again though it may have arrived: only one that changes nothing (RFC 9110 section
/// 9.2.2), and that is still whole.
fn is_repeatable(request: &Request<RequestBody>) -> bool {
    request.method().is_safe() && request.body().is_end_stream()
}

/// A copy of a request without a body.
pub fn copy(request: &Request<RequestBody>) -> Request<RequestBody> {
    let mut copy = Request::new(RequestBody::empty());
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    copy.extensions_mut().clone_from(request.extensions());
    copy
}

/// An endpoint, how TLS is spoken with it, and whether HTTP/2: two routes that want other things proven share no
/// connection.
pub(super) type Key = (*const Endpoint, Option<*const Client>, bool);

/// Where connections to an endpoint are kept that speak like this.
pub(super) fn key(endpoint: &Arc<Endpoint>, protocol: &Protocol) -> Key {
    let tls = protocol.tls.as_ref().map(Arc::as_ptr);
    (Arc::as_ptr(endpoint), tls, protocol.http2)
}
