//! The handshake with a client (RFC 8446 section 4): bounded in time, and in how much of it is done at once.
//!
//! A signature takes the processor longer than hundreds of messages of a session. So few of them are made before
//! the worker looks at its tunnels again, however many clients knock.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use routetable::TlsVersion;
use rustls::server::Acceptor;
use rustls::{AlertDescription, Error, ProtocolVersion};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use crate::local::{Local, Secured};
use crate::metrics::TlsFailure;
use crate::snapshot::names::NameEntry;
use crate::tls::stream::Stream;

/// Lets a client know that nobody here has the name it asks for (RFC 6066 section 3, RFC 8446 section 6.2): a fatal
/// alert in a record of its own.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// What those get who speak HTTP here.
const NOT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nHoldfast-Reason: NotTls\r\nContent-Type: text/plain; charset=utf-8\r\n\
Content-Length: 71\r\nConnection: close\r\n\r\n400 Bad Request\nNotTls: this port speaks TLS; write https:// or wss://\n";

/// Does the handshake; `None` when it came to nothing, which is counted by its cause.
pub(super) async fn accept(local: &Local, socket: TcpStream) -> Option<(Stream, Secured)> {
    let begun = Instant::now();
    let deadline = begun + local.shared.limits.tls_timeout;
    let done = timeout_at(deadline, shake(local, socket)).await;
    match done.unwrap_or(Err(TlsFailure::Timeout)) {
        Ok(secured) => {
            local.shared.metrics.tls_handshake(begun.elapsed());
            Some(secured)
        }
        Err(failure) => {
            tracing::debug!(?failure, "no TLS");
            local.shared.metrics.tls_failed(failure);
            None
        }
    }
}

async fn shake(local: &Local, mut socket: TcpStream) -> Result<(Stream, Secured), TlsFailure> {
    let mut first = [0];
    match socket.peek(&mut first).await {
        Ok(0) | Err(_) => return Err(TlsFailure::Closed),
        // A method's first letter. TLS begins with 22.
        Ok(_) if first[0].is_ascii_uppercase() => {
            // Who is not served need not hear it.
            let _ = socket.write_all(NOT_TLS).await;
            let _ = socket.shutdown().await;
            return Err(TlsFailure::NotTls);
        }
        Ok(_) => {}
    }
    let start = LazyConfigAcceptor::new(Acceptor::default(), socket).await;
    let mut start = start.map_err(|error| failure(&error))?;
    let name = start.client_hello().server_name().map(str::to_ascii_lowercase);
    let Some(entry) = entry(local, name.as_deref()) else {
        let _ = start.io.write_all(&UNRECOGNIZED_NAME).await;
        return Err(TlsFailure::UnknownName);
    };
    let stream = in_turn(local, start, &entry)
        .await
        .map_err(|error| failure(&error))?;
    let version = match stream.get_ref().1.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => TlsVersion::V13,
        _ => TlsVersion::V12,
    };
    let stream = Stream::Tls(Box::new(stream.into()));
    let secured = Secured {
        entry,
        http2: stream.speaks_http2(),
        version,
    };
    Ok((stream, secured))
}

/// Who answers to the name. One without a certificate does not.
fn entry(local: &Local, name: Option<&str>) -> Option<Arc<NameEntry>> {
    let snapshot = local.shared.snapshot.load();
    let entry = snapshot.server_name(name)?;
    let can_answer = entry.certificates.iter().any(|slot| slot.shown().is_some());
    can_answer.then(|| Arc::clone(entry))
}

/// The costly part. The turn is given back before the client answers, but not before everybody else had theirs.
async fn in_turn(
    local: &Local,
    start: StartHandshake<TcpStream>,
    entry: &NameEntry,
) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    let turn = local.tls_turns.acquire().await;
    let mut accept = start.into_stream(Arc::clone(&entry.config));
    let first = poll_fn(|cx| Poll::Ready(Pin::new(&mut accept).poll(cx))).await;
    tokio::task::yield_now().await;
    drop(turn);
    match first {
        Poll::Ready(done) => done,
        Poll::Pending => accept.await,
    }
}

fn failure(error: &io::Error) -> TlsFailure {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match cause {
        None => TlsFailure::Closed,
        Some(Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::UnsupportedCertificate,
        )) => TlsFailure::CertificateRefused,
        Some(Error::AlertReceived(_)) => TlsFailure::Alert,
        Some(Error::NoCertificatesPresented | Error::InvalidCertificate(_)) => TlsFailure::ClientCertificate,
        Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => TlsFailure::Incompatible,
        Some(_) => TlsFailure::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_http_is_as_long_as_it_says() {
        let text = std::str::from_utf8(NOT_TLS).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}\r\n", body.len())),
            "{}",
            body.len()
        );
    }
}
