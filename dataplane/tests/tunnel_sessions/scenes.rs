//! What happens alike whatever a session's sides are made of.

use std::io::ErrorKind;

use dataplane::session::{Outcome, Side};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::rig::{Rig, frame, read_frame};

/// The peer on this side, and the other one.
fn in_order<S>((client, backend): (S, S), first: Side) -> (S, S) {
    match first {
        Side::Client => (client, backend),
        Side::Upstream => (backend, client),
    }
}

/// The first ends its side, and still hears the other out.
pub(crate) async fn half_close<S>(rig: &Rig, peers: (S, S), first: Side)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut ender, mut other) = in_order(peers, first);
    ender.shutdown().await.unwrap();
    // With TLS an end that it vouches for: rustls reports any other as an error.
    assert_eq!(read_frame(&mut other).await.unwrap(), None);
    let last = frame(0x81, b"last words", first == Side::Upstream);
    other.write_all(&last).await.unwrap();
    let seen = read_frame(&mut ender).await.unwrap().unwrap();
    assert_eq!(seen, (0x81, b"last words".to_vec()));
    other.shutdown().await.unwrap();
    assert_eq!(read_frame(&mut ender).await.unwrap(), None);
    let end = rig.end().await;
    assert_eq!((end.ended_by, end.outcome), (first.into(), Outcome::Finished));
}

/// The first resets its connection, and so is the other's.
pub(crate) async fn reset_of_one<S>(rig: &Rig, peers: (S, S), first: Side, reset: impl FnOnce(S))
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (ender, mut other) = in_order(peers, first);
    reset(ender);
    let error = other.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let end = rig.end().await;
    assert_eq!((end.ended_by, end.outcome), (first.into(), Outcome::Reset));
}
