//! HTTP/1.1 towards endpoints (RFC 9112): one request at a time on a connection.
//!
//! Written here rather than taken from hyper, whose connections are tasks of their own: to hand a request and its
//! answer over costs it more than to write the one and read the other. And what [`framing`](crate::framing) allows is
//! what is read, with no second parser to agree with.

mod answer;
mod request;
mod sending;

use std::cell::RefCell;
use std::future::{Future as _, poll_fn};
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Body as _;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, ReadBuf};

use self::sending::{Sending, Sent};
use super::body::{RequestBody, Upload};
use super::error::AnswerError;
use crate::framing::{AnswerTracker, Asked, Bounds, Part};
use crate::tls::stream::Stream;

/// Most fields of an answer's head.
const MAX_FIELDS: usize = 100;
/// Room for a head, and for what comes with it.
const HEAD_ROOM: usize = 8 << 10;
/// Most that is read of a body at once.
const BODY_ROOM: usize = 32 << 10;
/// A piece of a body that is rather copied than kept with all that was read.
const SMALL: usize = 1 << 10;

/// A socket, shared by who reads and who writes.
type Socket = Rc<RefCell<Stream>>;

/// A connection that speaks HTTP/1.1.
#[derive(Debug)]
pub(super) struct Http1 {
    socket: Socket,
    tracker: AnswerTracker,
    /// Read, and not yet passed on.
    buffer: BytesMut,
    /// Room for the next bytes of a body of which nobody knows the length.
    room: usize,
    /// The part of the answer's body that came with its head.
    ahead: Option<Bytes>,
    /// The facts of the request's body.
    upload: Option<Rc<Upload>>,
    /// The request on its way.
    sending: Option<Sending>,
    /// The present answer says how long it is.
    sized: bool,
    /// It leaves the connection open for the next request.
    keeps: bool,
}

impl Http1 {
    /// Speaks on a fresh socket; answers' heads may have up to `max_head` bytes.
    pub(super) fn new(stream: Stream, max_head: usize) -> Self {
        Self {
            socket: Rc::new(RefCell::new(stream)),
            tracker: AnswerTracker::new(Bounds {
                line: max_head,
                head: max_head,
                fields: MAX_FIELDS,
            }),
            buffer: BytesMut::new(),
            room: HEAD_ROOM,
            ahead: None,
            upload: None,
            sending: None,
            sized: true,
            keeps: true,
        }
    }

    /// Sends a request, whose body is taken out of it and goes on by itself. `switching`: it asks for another protocol.
    /// If the endpoint takes none of it, its answer may say why.
    pub(super) async fn ask(&mut self, request: &mut Request<RequestBody>, switching: bool) {
        self.tracker.ask(Asked {
            head: request.method() == Method::HEAD,
            upgrade: switching,
        });
        if request.body().is_end_stream() {
            let head = request::head(request);
            // Only a failure is kept: nothing follows a head alone.
            let written = sending::write(&self.socket, &mut [IoSlice::new(&head)]).await;
            self.sending = written.is_err().then(Sending::stopped);
            return;
        }
        self.upload = Some(request.body().upload());
        let body = std::mem::replace(request.body_mut(), RequestBody::empty());
        let chunked = !request.headers().contains_key(header::CONTENT_LENGTH);
        if chunked {
            let coding = HeaderValue::from_static("chunked");
            request.headers_mut().insert(header::TRANSFER_ENCODING, coding);
        }
        let head = request::head(request);
        self.sending = Some(Sending::begin(&self.socket, head, body, chunked).await);
    }

    /// Waits for the head of the answer.
    ///
    /// # Errors
    /// The connection ended, the request's body broke off, or what came is no answer.
    pub(super) async fn answer(&mut self) -> Result<Response<()>, AnswerError> {
        let head = poll_fn(|cx| self.poll_head(cx)).await?;
        let response = answer::read(head, self.tracker.take_spelling())?;
        self.keeps = response.version() == Version::HTTP_11
            && !self.tracker.is_endless()
            && !answer::ends_connection(response.headers());
        self.sized = self.tracker.left().is_some();
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            self.ahead = self.next_data()?;
            // A fault behind it that is there already spoils all.
            self.next_data()?;
        }
        Ok(response)
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, AnswerError>> {
        // What is there has been looked at already.
        let mut seen = self.buffer.len();
        loop {
            while seen < self.buffer.len() {
                let progress = self.tracker.read(&self.buffer[seen..])?;
                seen += progress.taken;
                match progress.part {
                    Part::Head => return Poll::Ready(Ok(self.buffer.split_to(seen).freeze())),
                    Part::Interim => {
                        let interim = self.buffer.split_to(std::mem::take(&mut seen)).freeze();
                        let status = answer::read(interim, Default::default())?.status();
                        self.upload.iter().for_each(|upload| upload.heard(status));
                    }
                    Part::Content | Part::Framing => {}
                }
            }
            if ready!(self.poll_fill(HEAD_ROOM, cx))? == 0 {
                return Poll::Ready(Err(AnswerError::BrokeOff));
            }
        }
    }

    /// The next bytes of the answer's body; `None` at its end.
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, AnswerError>>> {
        if let Some(ahead) = self.ahead.take() {
            return Poll::Ready(Some(Ok(ahead)));
        }
        loop {
            match self.next_data() {
                // What is small must not keep a large buffer for as long as it waits for the client.
                Ok(Some(data)) if data.len() <= SMALL => {
                    return Poll::Ready(Some(Ok(Bytes::copy_from_slice(&data))));
                }
                Ok(None) => {}
                data => return Poll::Ready(data.transpose()),
            }
            if self.is_end() {
                return Poll::Ready(None);
            }
            let left = self.left().and_then(|left| usize::try_from(left).ok());
            let room = left.unwrap_or(self.room).min(BODY_ROOM);
            match ready!(self.poll_fill(room, cx)) {
                Ok(0) if self.ends_here(cx) => return Poll::Ready(None),
                Ok(0) => return Poll::Ready(Some(Err(AnswerError::BrokeOff))),
                // More comes than was thought.
                Ok(read) if read >= self.room => self.room = BODY_ROOM.min(2 * self.room),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    /// Whether the end of the connection is that of the answer. It is none if it was a reset, which who writes may have
    /// met first.
    fn ends_here(&mut self, cx: &mut Context<'_>) -> bool {
        let sent = self.sending.as_mut().map(|sending| sending.poll(cx));
        sent != Some(Poll::Ready(Sent::Stopped)) && self.tracker.finish()
    }

    /// All content that was read; what frames it is read along, so that the end is known with the last of it.
    fn next_data(&mut self) -> Result<Option<Bytes>, AnswerError> {
        let mut data = BytesMut::new();
        while !self.buffer.is_empty() && !self.tracker.is_idle() {
            let progress = match self.tracker.read(&self.buffer) {
                Ok(progress) => progress,
                // What came before it is good; the fault stays.
                Err(_) if !data.is_empty() => break,
                Err(fault) => return Err(fault.into()),
            };
            let part = self.buffer.split_to(progress.taken);
            if progress.part == Part::Content {
                data.unsplit(part);
            }
        }
        Ok((!data.is_empty()).then(|| data.freeze()))
    }

    /// The answer has come to its end.
    pub(super) fn is_end(&self) -> bool {
        self.tracker.is_idle() && self.ahead.is_none()
    }

    /// Bytes of content that are still to come, if the answer says how many.
    pub(super) fn left(&self) -> Option<u64> {
        let ahead = self.ahead.as_ref().map_or(0, |data| data.len() as u64);
        let left = self.tracker.left().filter(|_| self.sized);
        left.map(|left| left + ahead)
    }

    /// Reads into the buffer; 0 bytes at the end of the connection. Fails once the request's body has broken off, too.
    fn poll_fill(&mut self, room: usize, cx: &mut Context<'_>) -> Poll<Result<usize, AnswerError>> {
        // What is begun mostly ends in the room that is left.
        if self.buffer.is_empty() || self.buffer.spare_capacity_mut().len() < SMALL {
            self.buffer.reserve(room);
        }
        let mut socket = self.socket.borrow_mut();
        if let Poll::Ready(read) = pin!(socket.read_buf(&mut self.buffer)).poll(cx) {
            return Poll::Ready(read.map_err(AnswerError::from));
        }
        drop(socket);
        let sent = self.sending.as_mut().map(|sending| sending.poll(cx));
        match sent {
            Some(Poll::Ready(Sent::BodyBroke)) => Poll::Ready(Err(AnswerError::Request)),
            _ => Poll::Pending,
        }
    }

    /// Whether it may serve another request: the present one is over on both sides and the endpoint has said nothing
    /// since. The task is woken when it does.
    pub(super) fn stands(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.keeps || !self.is_end() || !self.buffer.is_empty() {
            return false;
        }
        if let Some(sending) = &mut self.sending {
            if sending.poll(cx) != Poll::Ready(Sent::Whole) {
                return false;
            }
            self.sending = None;
        }
        let mut room = [0; 1];
        let socket = &mut *self.socket.borrow_mut();
        Pin::new(socket)
            .poll_read(cx, &mut ReadBuf::new(&mut room))
            .is_pending()
    }

    /// The request is not known to be with the system.
    pub(super) fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    /// Waits for that; false if it never comes.
    pub(super) async fn sent(&mut self) -> bool {
        match &mut self.sending {
            Some(sending) => poll_fn(|cx| sending.poll(cx)).await == Sent::Whole,
            None => true,
        }
    }

    /// Gives back what a rest needs no more.
    pub(super) fn rest(&mut self) {
        self.buffer = BytesMut::new();
        self.room = HEAD_ROOM;
        self.upload = None;
    }

    /// The socket, and what came behind the 101.
    pub(super) fn into_switched(self) -> Option<(Stream, Bytes)> {
        let socket = Rc::try_unwrap(self.socket).ok()?;
        Some((socket.into_inner(), self.buffer.freeze()))
    }
}
