//! A connection to an endpoint: HTTP/1.1 or HTTP/2, for requests one after the other or for one session.

use std::future::Future;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use http::{Method, Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use tokio::task::AbortHandle;

use super::body::RequestBody;
use super::http2::Here;
use super::socket::{EndpointIo, Watch};
use crate::framing::{Asked, Bounds};
use crate::snapshot::{Endpoint, Protocol};
use crate::tls::client::Client;
use crate::tls::stream::Stream;

/// A connection that speaks HTTP to an endpoint. Dropping it closes the socket at once, unless a session has it.
#[derive(Debug)]
pub struct Connection {
    sender: Sender,
    _driver: Driver,
    pub(super) endpoint: Weak<Endpoint>,
    /// How TLS is spoken on it.
    tls: Option<Arc<Client>>,
    /// HTTP/2 was wished for.
    http2: bool,
    pub(super) reused: bool,
    /// False for one that was asked to switch protocols, whatever it says, or that answered in HTTP/1.0.
    pub(super) reusable: bool,
    switching: bool,
}

/// How requests go out.
#[derive(Debug)]
pub(super) enum Sender {
    Http1(http1::SendRequest<RequestBody>, Rc<Watch>),
    Http2(http2::SendRequest<RequestBody>),
}

#[derive(Debug)]
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    /// Speaks HTTP on a fresh socket, HTTP/2 if `protocol` says so and the endpoint does not prefer the other over TLS; answers'
    /// heads may have up to `max_head` bytes. Must be called on a `LocalSet`.
    ///
    /// # Errors
    /// None in practice: hyper sends nothing yet.
    pub async fn open(
        stream: Stream,
        endpoint: &Arc<Endpoint>,
        protocol: &Protocol,
        max_head: usize,
    ) -> hyper::Result<Self> {
        let (sender, driver) = if protocol.speaks_http2(&stream) {
            let (sender, connection) = super::http2::handshake(stream, max_head, Here, None).await?;
            (Sender::Http2(sender), drive(endpoint, connection))
        } else {
            let (sender, connection) = handshake(stream, max_head).await?;
            (sender, drive(endpoint, connection))
        };
        let mut connection = Self::new(sender, driver, endpoint, protocol, false);
        // Its header speaks for one client.
        connection.reusable = protocol.proxy_header.is_none();
        Ok(connection)
    }

    /// `switching`: for one request, which asks for a session.
    pub(super) fn new(
        sender: Sender,
        driver: AbortHandle,
        endpoint: &Arc<Endpoint>,
        protocol: &Protocol,
        switching: bool,
    ) -> Self {
        Self {
            sender,
            _driver: Driver(driver),
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
        matches!(self.sender, Sender::Http2(_))
    }

    /// It has answered before, so that its end may cross with the next request.
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// Sends a request.
    ///
    /// # Errors
    /// The error has the request in it if nothing of it was sent.
    pub async fn send(
        &mut self,
        mut request: Box<Request<RequestBody>>,
    ) -> Result<Response<Incoming>, Box<TrySendError<Request<RequestBody>>>> {
        match &mut self.sender {
            Sender::Http1(sender, watch) => {
                watch.ask(Asked {
                    head: request.method() == Method::HEAD,
                    upgrade: self.switching,
                });
                let response = sender.try_send_request(*request).await.map_err(Box::new)?;
                // Hyper would speak HTTP/1.0 to it from now on, which has no chunks.
                self.reusable &= response.version() == Version::HTTP_11;
                Ok(response)
            }
            Sender::Http2(sender) => {
                super::http2::adapt(&mut request, self.tls.is_some());
                sender.try_send_request(*request).await.map_err(Box::new)
            }
        }
    }

    /// Something that its endpoint sent is not HTTP, or answers nothing.
    pub fn is_lost(&self) -> bool {
        match &self.sender {
            Sender::Http1(_, watch) => watch.is_lost(),
            Sender::Http2(_) => false,
        }
    }

    /// May serve at once.
    pub(super) fn is_ready(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender, watch) => sender.is_ready() && !watch.is_lost(),
            Sender::Http2(sender) => sender.is_ready(),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender, _) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }

    pub(super) async fn ready(&mut self) -> bool {
        match &mut self.sender {
            Sender::Http1(sender, _) => sender.ready().await.is_ok(),
            Sender::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    pub(super) fn key(&self) -> Key {
        (
            self.endpoint.as_ptr(),
            self.tls.as_ref().map(Arc::as_ptr),
            self.http2,
        )
    }
}

/// Drives a connection in the background; says so when it breaks.
pub(super) fn drive(
    endpoint: &Endpoint,
    connection: impl Future<Output = hyper::Result<()>> + 'static,
) -> AbortHandle {
    let address = endpoint.address;
    let driver = tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%address, %error, "upstream connection ended");
        }
    });
    driver.abort_handle()
}

/// Most fields of an answer's head; as many as hyper has room for without an allocation.
const MAX_FIELDS: usize = 100;

/// Begins to speak HTTP/1.1; answers' heads may have up to `max_head` bytes.
pub(super) async fn handshake(
    stream: Stream,
    max_head: usize,
) -> hyper::Result<(Sender, http1::Connection<EndpointIo, RequestBody>)> {
    let watch = Watch::new(Bounds {
        line: max_head,
        head: max_head,
        fields: MAX_FIELDS,
    });
    let (sender, connection) = http1::Builder::new()
        .preserve_header_case(true)
        .max_buf_size(max_head)
        .max_header_size(max_head)
        .handshake(EndpointIo::new(stream, Rc::clone(&watch)))
        .await?;
    Ok((Sender::Http1(sender, watch), connection))
}

/// An endpoint, how TLS is spoken with it, and whether HTTP/2: two routes that want other things proven share no
/// connection.
pub(super) type Key = (*const Endpoint, Option<*const Client>, bool);

/// Where connections to an endpoint are kept that speak like this.
pub(super) fn key(endpoint: &Arc<Endpoint>, protocol: &Protocol) -> Key {
    let tls = protocol.tls.as_ref().map(Arc::as_ptr);
    (Arc::as_ptr(endpoint), tls, protocol.http2)
}
