//! One HTTP/2 connection (RFC 9113): hyper carries its streams, each a request or, by an extended CONNECT, a
//! WebSocket (RFC 8441).
//!
//! Owns the connection's limits and its end: GOAWAY first, streams under way live on; a client that floods, reads
//! nothing or says nothing is not waited for. What one client can make us hold: `CONNECTION_WINDOW` bytes of
//! requests' bodies, and for each of `MAX_STREAMS` that it does not read, a piece of the answer.

mod head;
mod meter;
mod service;
mod socket;
mod tasks;

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use self::service::Answerer;
use self::socket::{Socket, Watched};
use self::tasks::Tasks;
use super::connection::{LINGER, linger};
use crate::http::forwarded::Arrival;
use crate::http::io::Speech;
use crate::local::{Carrier, Limits, Local, Seat};
use crate::tls::stream::Stream;

/// Streams that one connection may have open.
const MAX_STREAMS: u32 = 250;
/// Bytes that a client may send ahead on one stream. Far less than the connection's, or a few backends that read
/// nothing would block the streams of all others. h2 ends a connection whose unread frames waste more than half of its
/// window, at 256 bytes less their length each: small messages to a backend that has stopped reading must not.
const STREAM_WINDOW: u32 = 64 << 10;
/// Bytes that a client may send ahead in all.
const CONNECTION_WINDOW: u32 = 8 << 20;
/// Bytes of an answer that h2 takes before the client does.
const SEND_BUFFER: usize = 64 << 10;
/// Requests that may be reset before they are begun (CVE-2023-44487).
const RESETS_PENDING: usize = 64;
/// Streams that may be reset for mistakes of the client, as long as the connection lasts: many, because it may last
/// for days. The meter is sooner with a client that makes nothing else.
const RESETS_FOR_MISTAKES: usize = 16 << 10;
/// How long a client may take to answer a PING. The kernel finds out who is gone, and sooner; a client that only
/// sleeps for a while must not lose its WebSockets.
const PONG: Duration = Duration::from_secs(180);
/// How long a connection without streams stays for a client that does not close it after GOAWAY.
const GRACE: Duration = Duration::from_secs(5);

type Connection = http2::Connection<TokioIo<Socket>, Answerer, Tasks>;

/// Serves a client until either side ends the connection, or `leaving` turns true: then until its streams have
/// ended.
pub async fn serve(
    local: Rc<Local>,
    stream: Stream,
    arrival: Arrival,
    mut leaving: watch::Receiver<bool>,
    seat: Seat,
) {
    let limits = local.shared.limits;
    let (carrier, watched) = (Carrier::new(seat), Watched::new());
    let tasks = Tasks::new(Rc::clone(&watched), limits.write_timeout);
    let answerer = Answerer {
        local,
        arrival: Rc::new(arrival),
        carrier: Rc::clone(&carrier),
        tasks: tasks.clone(),
        speech: Speech::new(),
    };
    let socket = TokioIo::new(Socket::new(stream, Rc::clone(&watched)));
    let ended = {
        let mut connection = pin!(builder(&limits, tasks).serve_connection(socket, answerer));
        let mut vigil = Vigil::new(&limits, Rc::clone(&carrier), Rc::clone(&watched));
        let ended = tokio::select! {
            ended = poll_fn(|cx| vigil.poll(connection.as_mut(), cx)) => Some(ended),
            _ = leaving.wait_for(|leaving| *leaving) => None,
        };
        match ended {
            Some(ended) => ended,
            None => {
                vigil.leave(connection.as_mut());
                poll_fn(|cx| vigil.poll(connection.as_mut(), cx)).await
            }
        }
    };
    if let Some(stream) = watched.take() {
        close(stream, ended, &watched).await;
    }
    // Its place is taken until then.
    drop(carrier);
}

fn builder(limits: &Limits, tasks: Tasks) -> http2::Builder<Tasks> {
    let mut builder = http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(limits.max_head_size).unwrap_or(u32::MAX))
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(RESETS_PENDING)
        .max_local_error_reset_streams(RESETS_FOR_MISTAKES)
        .keep_alive_interval(limits.silence.keepalive)
        .keep_alive_timeout(PONG)
        .enable_connect_protocol()
        // `respond` and `forward` write it.
        .auto_date_header(false);
    builder
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Hyper is done with it: it was closed, broke, or all was said after a GOAWAY.
    Over,
    /// It did not close after a GOAWAY, with nothing under way.
    Quiet,
    /// It sent too much that carries nothing.
    Flood,
    /// It reads nothing.
    Unread,
}

/// Watches over one connection.
struct Vigil {
    limits: Limits,
    carrier: Rc<Carrier>,
    watched: Rc<Watched>,
    /// When GOAWAY was said.
    leaving: Option<Instant>,
    clock: Pin<Box<Sleep>>,
}

impl Vigil {
    fn new(limits: &Limits, carrier: Rc<Carrier>, watched: Rc<Watched>) -> Self {
        Self {
            limits: *limits,
            carrier,
            watched,
            leaving: None,
            clock: Box::pin(sleep_until(Instant::now() + limits.header_timeout)),
        }
    }

    /// Says GOAWAY.
    fn leave(&mut self, connection: Pin<&mut Connection>) {
        connection.graceful_shutdown();
        self.leaving = Some(Instant::now());
    }

    /// Drives the connection to its end, or to the end of our patience.
    fn poll(&mut self, mut connection: Pin<&mut Connection>, cx: &mut Context<'_>) -> Poll<Ended> {
        self.carrier.set_task(cx.waker());
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                if let Err(error) = ended {
                    tracing::debug!(%error, "client connection ended");
                }
                return Poll::Ready(Ended::Over);
            }
            if self.watched.meter.borrow().is_spent() {
                return Poll::Ready(Ended::Flood);
            }
            let Some((deadline, then)) = self.deadline() else {
                return Poll::Pending;
            };
            if self.clock.deadline() != deadline {
                self.clock.as_mut().reset(deadline);
            }
            if self.clock.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            match then {
                Some(ended) => return Poll::Ready(ended),
                None => self.leave(connection.as_mut()),
            }
        }
    }

    /// When our patience ends, and with what; `None` is a GOAWAY.
    fn deadline(&self) -> Option<(Instant, Option<Ended>)> {
        let stalled = self.watched.stalled.get();
        let unread = stalled.map(|since| (since + self.limits.write_timeout, Some(Ended::Unread)));
        let quiet = self.carrier.quiet_since().map(|since| match self.leaving {
            Some(left) => (left.max(since) + GRACE, Some(Ended::Quiet)),
            None if self.carrier.begun() == 0 => (since + self.limits.header_timeout, None),
            None => (since + self.limits.keepalive_timeout, None),
        });
        [unread, quiet].into_iter().flatten().min_by_key(|end| end.0)
    }
}

/// Closes the connection so that the client gets to read what was said last.
async fn close(mut stream: Stream, ended: Ended, watched: &Watched) {
    if ended == Ended::Unread {
        // It would wait in the kernel for a client that does not come.
        let _ = SockRef::from(stream.socket()).set_linger(Some(Duration::ZERO));
        return;
    }
    if ended == Ended::Flood && !watched.torn.get() {
        let goaway = watched.meter.borrow().goaway();
        let _ = timeout(LINGER.0, stream.write_all(&goaway)).await;
    }
    linger(&mut stream).await;
}
