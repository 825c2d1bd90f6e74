//! One client connection: hyper carries its requests; what hyper can't answer is answered here, and
//! the socket is closed so that the last answer arrives.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::io::{ClientIo, Speech};
use super::record::Record;
use super::respond;
use super::service::{Answerer, Client};
use crate::error::{Reason, Refusal};
use crate::upgrade::handover;
use crate::worker::Local;

/// How long, and for how many bytes, a closing connection is still read, so that the kernel does
/// not reset it before the client has read our answer.
const LINGER: (Duration, usize) = (Duration::from_secs(2), 1 << 20);

/// Serves a client until either side ends the connection, or `leaving` turns true: then after the
/// request under way, or at once if there is none.
pub async fn serve(
    local: Rc<Local>,
    stream: TcpStream,
    peer: SocketAddr,
    mut leaving: watch::Receiver<bool>,
    permit: OwnedSemaphorePermit,
) {
    let Ok(address) = stream.local_addr() else { return };
    let speech = Speech::new();
    let client = Rc::new(Client {
        peer,
        local: address,
        speech: Rc::clone(&speech),
        unframed: Cell::new(false),
        switching: RefCell::new(None),
    });
    let answerer = Answerer {
        local: Rc::clone(&local),
        client: Rc::clone(&client),
    };
    let io = ClientIo::new(stream, Rc::clone(&speech));
    let mut connection = builder(&local).serve_connection(io, answerer);
    let ended = tokio::select! {
        ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => Some(ended),
        _ = leaving.wait_for(|leaving| *leaving) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|cx| connection.poll_without_shutdown(cx)).await
        }
    };
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner();
    let switching = client.switching.take();
    if let (Ok(()), Some((pending, record))) = (&ended, switching) {
        return handover::adopt(&local, *pending, record, (stream, parts.read_buf), permit);
    }
    if let Err(error) = ended {
        let Some(refusal) = unanswered(&error, !parts.read_buf.is_empty(), speech.kept_back()) else {
            tracing::debug!(%peer, %error, "client connection ended");
            if error.is_user() && client.unframed.get() {
                // A FIN would look like the end of the answer that broke off.
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            }
            return;
        };
        let mut record = Record::headless(&local, &speech, peer);
        let raw = respond::refuse_raw(&local, &refusal, &mut record);
        drop(record);
        // A fresh socket's buffer takes it; a full one belongs to a client that reads nothing.
        let _ = stream.try_write(&raw);
    }
    linger(&mut stream).await;
    drop(permit);
}

fn builder(local: &Local) -> http1::Builder {
    let limits = &local.shared.limits;
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.max_head_size)
        .max_header_size(limits.max_head_size)
        .preserve_header_case(true)
        // `respond` and `forward` write it, so that a 101 has none.
        .auto_date_header(false);
    builder
}

/// What to say about a head that hyper gave up on; `None` when nobody asked anything, or the
/// connection broke later than that.
fn unanswered(error: &hyper::Error, head_begun: bool, kept_back: bool) -> Option<Refusal> {
    if error.is_timeout() && head_begun {
        let detail = "the request's head did not come in time";
        return Some(Refusal::new(Reason::RequestTimeout, detail));
    }
    if !kept_back {
        return None;
    }
    Some(if error.is_parse_too_large() {
        Refusal::new(Reason::HeadTooLarge, "the request's head is too large")
    } else {
        Refusal::new(Reason::BadRequest, "the request's head is not HTTP/1.1")
    })
}

/// Ends our side, then reads what the client is still sending and throws it away, for a while.
async fn linger(stream: &mut TcpStream) {
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
