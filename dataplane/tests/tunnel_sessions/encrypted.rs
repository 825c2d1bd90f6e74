//! Sessions whose sides are encrypted: the same as without, and nothing of TLS in their way.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dataplane::session::{EndedBy, Outcome, ProxyCause, Side};
use dataplane::tls::stream::Stream;
use dataplane::tls::wire::Wire;
use dataplane::tunnel::{DrainPlan, Filter};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::pki::Authority;
use crate::rig::{
    Options, PATIENCE, Rig, close_frame, close_of, frame, pair, read_close, read_frame, settings, worker,
};
use crate::scenes;

type Peer = TlsStream<TcpStream>;

/// A session that is encrypted on both sides; returns the two peers' ends.
async fn session(rig: &Rc<Rig>, options: Options) -> (Peer, Peer) {
    let authority = Authority::new("test");
    let own = authority.sign(&["peer.test"]);
    let acceptor = TlsAcceptor::from(Arc::new(authority.server(&own, false)));
    let connector = TlsConnector::from(Arc::new(authority.client(None)));
    let mut wires = Vec::new();
    let mut peers = Vec::new();
    for side in Side::BOTH {
        let (ours, theirs) = pair(options.kernel_buffer).await;
        let (served, connecting) = if side == Side::Client {
            (theirs, ours)
        } else {
            (ours, theirs)
        };
        let connect = connector.connect("peer.test".try_into().unwrap(), connecting);
        let (server, client) = tokio::join!(acceptor.accept(served), connect);
        let (server, client) = (TlsStream::from(server.unwrap()), TlsStream::from(client.unwrap()));
        let (peer, wire) = if side == Side::Client {
            (client, server)
        } else {
            (server, client)
        };
        let (socket, tls) = Stream::Tls(Box::new(wire)).into_parts();
        wires.push(Wire::new(socket.into_std().unwrap(), tls));
        peers.push(peer);
    }
    rig.adopt(options, wires.try_into().unwrap());
    let backend = peers.pop().unwrap();
    (peers.pop().unwrap(), backend)
}

#[test]
fn messages_of_any_size_pass_both_ways() {
    worker(settings(), |rig| async move {
        let (client, backend) = session(&rig, Options::default()).await;
        let (mut client, mut backend) = (tokio::io::split(client), tokio::io::split(backend));
        for size in [0, 1, 125, 126, 4096, 16_384, 16_385, 65_536, 1 << 20, 8 << 20] {
            let payload: Vec<u8> = (0..size).map(|index| (index * 7 % 251) as u8).collect();
            let (up, down) = (frame(0x82, &payload, true), frame(0x82, &payload, false));
            let send = async {
                client.1.write_all(&up).await.unwrap();
                client.1.flush().await.unwrap();
            };
            let back = async {
                backend.1.write_all(&down).await.unwrap();
                backend.1.flush().await.unwrap();
            };
            let all =
                async { tokio::join!(send, back, read_frame(&mut backend.0), read_frame(&mut client.0)) };
            let (_, _, at_backend, at_client) = timeout(PATIENCE, all).await.expect("all of it in time");
            assert!(at_backend.unwrap().unwrap() == (0x82, payload.clone()), "{size}");
            assert!(at_client.unwrap().unwrap() == (0x82, payload), "{size}");
        }
        drop((client, backend));
        rig.end().await;
    });
}

#[test]
fn what_came_with_the_handshake_goes_first() {
    worker(settings(), |rig| async move {
        let options = Options {
            client_bytes: frame(0x81, b"one", true),
            backend_bytes: frame(0x81, b"two", false),
            ..Options::default()
        };
        let (mut client, mut backend) = session(&rig, options).await;
        assert_eq!(read_frame(&mut backend).await.unwrap().unwrap().1, b"one");
        assert_eq!(read_frame(&mut client).await.unwrap().unwrap().1, b"two");
    });
}

#[test]
fn half_close_is_kept_both_ways_and_said_in_tls() {
    for first in Side::BOTH {
        worker(settings(), |rig| async move {
            scenes::half_close(&rig, session(&rig, Options::default()).await, first).await;
        });
    }
}

#[test]
fn a_reset_is_passed_on_both_ways() {
    for first in Side::BOTH {
        worker(settings(), |rig| async move {
            let peers = session(&rig, Options::default()).await;
            let reset = |peer: Peer| {
                let socket = SockRef::from(peer.get_ref().0);
                socket.set_linger(Some(Duration::ZERO)).unwrap();
            };
            scenes::reset_of_one(&rig, peers, first, reset).await;
        });
    }
}

#[test]
fn damage_ends_the_session_at_once() {
    worker(settings(), |rig| async move {
        let (client, mut backend) = session(&rig, Options::default()).await;
        let TlsStream::Client(client) = client else {
            unreachable!()
        };
        // A record that nobody sealed.
        let (mut socket, _) = client.into_inner();
        socket.write_all(&[23, 3, 3, 0, 32]).await.unwrap();
        socket.write_all(&[7; 32]).await.unwrap();
        let mut seen = Vec::new();
        assert!(
            timeout(PATIENCE, backend.read_to_end(&mut seen))
                .await
                .expect("an end in time")
                .is_err()
        );
        assert_eq!(seen, b"");
        let end = rig.end().await;
        assert_eq!((end.ended_by, end.outcome), (EndedBy::Client, Outcome::Reset));
    });
}

#[test]
fn a_receiver_that_does_not_read_stops_the_sender() {
    worker(settings(), |rig| async move {
        let options = Options {
            kernel_buffer: Some(16 << 10),
            ..Options::default()
        };
        let (mut client, mut backend) = session(&rig, options).await;
        let total = 4 << 20;
        let payload = vec![5; total];
        let mut sent = 0;
        let whole = frame(0x82, &payload, false);
        // Nobody reads: the sender must stop, and what waits stays within bounds.
        while sent < whole.len() {
            let write = backend.write(&whole[sent..(sent + 65_536).min(whole.len())]);
            match timeout(Duration::from_millis(300), write).await {
                Ok(wrote) => sent += wrote.unwrap(),
                Err(_) => break,
            }
        }
        assert!(sent < 1 << 20, "{sent} bytes were taken");
        assert!(
            rig.table.buffer_bytes() <= 6 * 65_536,
            "{}",
            rig.table.buffer_bytes()
        );
        let rest = async {
            backend.write_all(&whole[sent..]).await.unwrap();
            backend.flush().await.unwrap();
        };
        let (_, read) = tokio::join!(rest, read_frame(&mut client));
        assert!(read.unwrap().unwrap().1 == payload);
        drop((client, backend));
        rig.end().await;
    });
}

#[test]
fn a_drain_says_close_and_then_ends_tls() {
    worker(settings(), |rig| async move {
        let (mut client, mut backend) = session(&rig, Options::default()).await;
        let plan = DrainPlan {
            cause: ProxyCause::Command,
            close: close_of(1012, "moved"),
            window: Duration::ZERO,
            deadline: PATIENCE,
        };
        assert_eq!(rig.table.drain(Filter::All, plan, Instant::now()), 1);
        assert_eq!(read_close(&mut client).await, (1012, "moved".to_owned()));
        client.write_all(&close_frame(1012, true)).await.unwrap();
        client.flush().await.unwrap();
        let (code, _) = read_close(&mut backend).await;
        backend.write_all(&close_frame(code, false)).await.unwrap();
        backend.flush().await.unwrap();
        for peer in [&mut client, &mut backend] {
            assert_eq!(
                timeout(PATIENCE, read_frame(peer))
                    .await
                    .expect("an end in time")
                    .unwrap(),
                None
            );
        }
        let end = rig.end().await;
        assert_eq!(end.outcome, Outcome::Closed);
    });
}

#[test]
fn new_keys_change_nothing() {
    worker(settings(), |rig| async move {
        let (mut client, mut backend) = session(&rig, Options::default()).await;
        for round in 0..3_u8 {
            match &mut client {
                TlsStream::Client(client) => client.get_mut().1.refresh_traffic_keys().unwrap(),
                TlsStream::Server(_) => unreachable!(),
            }
            client.write_all(&frame(0x82, &[round], true)).await.unwrap();
            client.flush().await.unwrap();
            assert_eq!(read_frame(&mut backend).await.unwrap().unwrap().1, [round]);
            backend.write_all(&frame(0x82, &[round], false)).await.unwrap();
            backend.flush().await.unwrap();
            assert_eq!(read_frame(&mut client).await.unwrap().unwrap().1, [round]);
        }
    });
}
