//! One client connection: hyper carries its requests; what hyper can't answer is answered here, and
//! the socket is closed so that the last answer arrives.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::http1;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use super::service::{Answerer, Client};
use crate::error::{Reason, Refusal};
use crate::framing::{Bounds, Fault};
use crate::http::forwarded::Arrival;
use crate::http::io::{ClientIo, Speech, Turn};
use crate::http::patience::Patience;
use crate::http::record::Record;
use crate::http::respond;
use crate::http::target::MAX_TARGET;
use crate::local::{Local, Seat};
use crate::tls::stream::Stream;
use crate::upgrade::handover;

/// How long, and for how many bytes, a closing connection is still read, so that the kernel does
/// not reset it before the client has read our answer.
pub(super) const LINGER: (Duration, usize) = (Duration::from_secs(2), 1 << 20);

/// Most fields of a head; as many as hyper has room for without an allocation.
const MAX_FIELDS: usize = 100;

/// The longest method that still leaves room for the longest target.
const LINE_BESIDE_TARGET: usize = 64;

/// Serves a client until either side ends the connection, or `leaving` turns true: then after the
/// request under way, or at once if there is none.
pub async fn serve(
    local: Rc<Local>,
    stream: Stream,
    arrival: Arrival,
    mut leaving: watch::Receiver<bool>,
    seat: Seat,
) {
    let speech = Speech::new();
    let client = Rc::new(Client {
        arrival,
        speech: Rc::clone(&speech),
        unframed: Cell::new(false),
        upgrading: Cell::new(false),
        switching: RefCell::new(None),
    });
    let answerer = Answerer {
        local: Rc::clone(&local),
        client: Rc::clone(&client),
    };
    let io = ClientIo::new(stream, Rc::clone(&speech), bounds(&local));
    let mut connection = builder(&local).serve_connection(io, answerer);
    let mut patience = Patience::new(&local.shared.limits);
    let ended = tokio::select! {
        ended = poll_fn(|cx| poll(&mut connection, &speech, &mut patience, cx)) => Some(ended),
        _ = leaving.wait_for(|leaving| *leaving) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            if !client.upgrading.get() {
                // It writes `Connection: close` even into a 101, which some clients then refuse.
                Pin::new(&mut connection).graceful_shutdown();
            }
            poll_fn(|cx| poll(&mut connection, &speech, &mut patience, cx)).await
        }
    };
    let parts = connection.into_parts();
    let (mut stream, held) = parts.io.into_inner();
    let switching = client.switching.take();
    if let (Ok(()), Some((pending, record))) = (&ended, switching) {
        return handover::adopt(
            &local,
            *pending,
            record,
            (stream, join(parts.read_buf, held)),
            seat,
        );
    }
    let refusal = match (&ended, speech.fault()) {
        (_, Some(fault)) => Some(unreadable(fault)),
        (Err(ended), None) => unanswered(ended, !parts.read_buf.is_empty(), speech.kept_back()),
        (Ok(()), None) => None,
    };
    if let Some(refusal) = refusal {
        let mut record = Record::headless(&local, &speech, client.arrival.ends.0);
        let raw = respond::refuse_raw(&local, &refusal, &mut record);
        drop(record);
        // A fresh socket's buffer takes it; a full one belongs to a client that reads nothing.
        let _ = tokio::time::timeout(LINGER.0, stream.write_all(&raw)).await;
    } else if let Err(ended) = ended {
        let broke_off = matches!(&ended, Ended::Broken(error) if error.is_user()) && client.unframed.get();
        if broke_off || matches!(&ended, Ended::Unread) {
            // A FIN would look like the end of the answer that broke off, or never be read.
            let _ = SockRef::from(stream.socket()).set_linger(Some(Duration::ZERO));
        }
        return;
    }
    linger(&mut stream).await;
    drop(seat);
}

/// Drives the connection to its end, or to the end of our patience with the client.
fn poll(
    connection: &mut http1::Connection<ClientIo, Answerer>,
    speech: &Speech,
    patience: &mut Patience,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Ended>> {
    if let Poll::Ready(ended) = connection.poll_without_shutdown(cx) {
        return Poll::Ready(ended.map_err(Ended::Broken));
    }
    let turn = speech.turn();
    patience.poll(turn, cx).map(|()| match turn {
        Turn::Unread(_) => Err(Ended::Unread),
        _ => Err(Ended::TimedOut),
    })
}

/// Why a connection ended before its time.
enum Ended {
    Broken(hyper::Error),
    /// The client's head did not come.
    TimedOut,
    /// The client does not read its answer.
    Unread,
}

fn builder(local: &Local) -> http1::Builder {
    let limits = &local.shared.limits;
    let mut builder = http1::Builder::new();
    builder
        .max_buf_size(limits.max_head_size)
        .max_header_size(limits.max_head_size)
        // `respond` and `forward` write it, so that a 101 has none.
        .auto_date_header(false);
    builder
}

/// How much of a head is read.
fn bounds(local: &Local) -> Bounds {
    Bounds {
        line: MAX_TARGET + LINE_BESIDE_TARGET,
        head: local.shared.limits.max_head_size,
        fields: MAX_FIELDS,
    }
}

/// What hyper had read, and what came behind it.
fn join(read: Bytes, held: Bytes) -> Bytes {
    match (read.is_empty(), held.is_empty()) {
        (true, _) => held,
        (_, true) => read,
        _ => [read, held].concat().into(),
    }
}

/// What to say about a head that could not be read.
fn unreadable(fault: Fault) -> Refusal {
    let reason = match fault {
        Fault::Malformed(_) => Reason::BadRequest,
        Fault::Version => Reason::VersionNotSupported,
        Fault::Coding => Reason::NotImplemented,
        Fault::LineTooLong => Reason::UriTooLong,
        Fault::HeadTooLarge => Reason::HeadTooLarge,
    };
    Refusal::new(reason, fault.detail())
}

/// What to say about a head that is none; `None` when nobody asked anything, or the connection broke
/// later than that.
fn unanswered(ended: &Ended, head_begun: bool, kept_back: bool) -> Option<Refusal> {
    let (reason, detail) = match ended {
        Ended::TimedOut if head_begun => (Reason::RequestTimeout, "the request's head did not come in time"),
        Ended::Broken(error) if kept_back && error.is_parse_too_large() => {
            (Reason::HeadTooLarge, "the request's head is too large")
        }
        // Hyper says nothing to the preface of HTTP/2.
        Ended::Broken(error) if kept_back || error.is_parse() => {
            (Reason::BadRequest, "the request's head is not HTTP/1.1")
        }
        _ => return None,
    };
    Some(Refusal::new(reason, detail))
}

/// Ends our side, then reads what the client is still sending and throws it away, for a while.
pub(super) async fn linger(stream: &mut Stream) {
    let (time, mut bytes) = LINGER;
    if stream.shutdown().await.is_err() {
        return;
    }
    let drain = async {
        let mut scrap = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut scrap).await {
            bytes = bytes.saturating_sub(n);
            if bytes == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(time, drain).await;
}
