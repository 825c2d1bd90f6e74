//! A request with a body on its way to the socket: what is there at once, the rest in a task of its own, because the answer
//! may begin before it ends.

use std::cell::Cell;
use std::future::{Future as _, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::io::AsyncWrite as _;
use tokio::task::JoinHandle;

use super::Socket;
use crate::upstream::body::{RequestBody, UploadError};

/// What follows a chunk, and its size (RFC 9112 section 7.1).
const CRLF: &str = "\r\n";
/// The end of a body in chunks; trailers are not sent.
const LAST_CHUNK: &str = "0\r\n\r\n";
/// Both.
const LAST_CHUNK_END: &str = "\r\n0\r\n\r\n";

/// A request on its way. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Sending {
    sent: Rc<Cell<Option<Sent>>>,
    /// Absent if it went at once.
    task: Option<JoinHandle<()>>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// All of it is with the system.
    Whole,
    /// The endpoint takes no more. Its answer may say why.
    Stopped,
    /// The body broke off, which is the client's doing.
    BodyBroke,
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Sending {
    /// Writes the head, and of the body what is there.
    pub(super) async fn begin(socket: &Socket, head: Vec<u8>, body: RequestBody, chunked: bool) -> Self {
        let (sent, socket) = (Rc::<Cell<_>>::default(), Rc::clone(socket));
        let told = Rc::clone(&sent);
        let mut sending = Box::pin(async move {
            told.set(Some(match send(&socket, head, body, chunked).await {
                Ok(()) => Sent::Whole,
                Err(Failure::Socket) => Sent::Stopped,
                Err(Failure::Body) => Sent::BodyBroke,
            }));
        });
        let begun = poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx))).await;
        let task = begun.is_pending().then(|| tokio::task::spawn_local(sending));
        Self { sent, task }
    }

    /// One of which nothing arrives.
    pub(super) fn stopped() -> Self {
        Self {
            sent: Rc::new(Cell::new(Some(Sent::Stopped))),
            task: None,
        }
    }

    /// How it ended, once it has.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Sent> {
        if self.sent.get().is_none()
            && let Some(task) = &mut self.task
        {
            // It has told, or panicked.
            let _ = ready!(Pin::new(task).poll(cx));
        }
        Poll::Ready(self.sent.get().unwrap_or(Sent::Stopped))
    }
}

enum Failure {
    Socket,
    Body,
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Socket
    }
}

impl From<UploadError> for Failure {
    fn from(_: UploadError) -> Self {
        Self::Body
    }
}

async fn send(socket: &Socket, head: Vec<u8>, mut body: RequestBody, chunked: bool) -> Result<(), Failure> {
    let mut ahead = head;
    loop {
        // The head goes with the beginning of the body if that is there already.
        let there = poll_fn(|cx| Poll::Ready(Pin::new(&mut body).poll_frame(cx))).await;
        let frame = match there {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                write(socket, &mut [IoSlice::new(&ahead)]).await?;
                ahead.clear();
                body.frame().await
            }
        };
        let Some(frame) = frame else { break };
        let data = frame?.into_data().unwrap_or_default();
        if data.is_empty() {
            continue;
        }
        let last = body.is_end_stream();
        let behind = match (chunked, last) {
            (false, _) => "",
            (true, false) => CRLF,
            (true, true) => LAST_CHUNK_END,
        };
        if chunked {
            ahead.extend_from_slice(format!("{:x}{CRLF}", data.len()).as_bytes());
        }
        let parts = [&ahead, &*data, behind.as_bytes()];
        write(socket, &mut parts.map(IoSlice::new)).await?;
        if last {
            return Ok(());
        }
        ahead.clear();
    }
    if chunked {
        ahead.extend_from_slice(LAST_CHUNK.as_bytes());
    }
    Ok(write(socket, &mut [IoSlice::new(&ahead)]).await?)
}

/// Writes all of it, and sees it off.
pub(super) async fn write(socket: &Socket, mut bytes: &mut [IoSlice<'_>]) -> io::Result<()> {
    poll_fn(|cx| {
        let socket = &mut *socket.borrow_mut();
        loop {
            // What is empty is passed over.
            IoSlice::advance_slices(&mut bytes, 0);
            if bytes.is_empty() {
                return Pin::new(socket).poll_flush(cx);
            }
            match ready!(Pin::new(&mut *socket).poll_write_vectored(cx, bytes))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => IoSlice::advance_slices(&mut bytes, written),
            }
        }
    })
    .await
}
