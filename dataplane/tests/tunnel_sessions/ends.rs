//! How sessions end: half-close, resets, violations, timeouts.

use std::io::ErrorKind;
use std::time::Duration;

use dataplane::session::frame::Violation;
use dataplane::session::{EndedBy, Outcome, ProxyCause, Side};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::rig::{
    CLOSE_TIMEOUT, Options, close_frame, frame, read_close, read_frame, reset, settings, worker,
};
use crate::scenes;

#[test]
fn half_close_is_kept_both_ways() {
    for first in Side::BOTH {
        worker(settings(), |rig| async move {
            scenes::half_close(&rig, rig.plain().await, first).await;
        });
    }
}

#[test]
fn a_reset_is_passed_on_both_ways() {
    for first in Side::BOTH {
        worker(settings(), |rig| async move {
            scenes::reset_of_one(&rig, rig.plain().await, first, reset).await;
        });
    }
}

#[test]
fn a_lost_peer_does_not_wait_for_one_that_never_reads() {
    for first in Side::BOTH {
        worker(settings(), |rig| async move {
            let (client, backend) = rig.plain().await;
            let (mut ender, mut other) = match first {
                Side::Client => (client, backend),
                Side::Upstream => (backend, client),
            };
            let endless = match first {
                Side::Client => &b"\x82\xff\0\xff\0\0\0\0\0\0\0\0\0\0"[..],
                Side::Upstream => b"\x82\x7f\0\xff\0\0\0\0\0\0",
            };
            ender.write_all(endless).await.unwrap();
            // Until every buffer on the way is full.
            let full = Duration::from_millis(500);
            while let Ok(wrote) = tokio::time::timeout(full, ender.write(&[0; 65_536])).await {
                wrote.unwrap();
            }
            reset(ender);
            let end = rig.end().await;
            assert_eq!((end.ended_by, end.outcome), (first.into(), Outcome::Reset));
            let mut sink = Vec::new();
            let error = other.read_to_end(&mut sink).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        });
    }
}

#[test]
fn a_close_is_not_lost_when_its_sender_is_already_gone() {
    worker(settings(), |rig| async move {
        let (mut client, mut backend) = rig.plain().await;
        let chatter = frame(0x82, &[1; 100_000], false);
        backend.write_all(&chatter).await.unwrap();
        // Unread bytes turn the close of this socket into a reset.
        client.readable().await.unwrap();
        client.write_all(&close_frame(4000, true)).await.unwrap();
        drop(client);
        let seen = read_frame(&mut backend).await.unwrap().unwrap();
        assert_eq!(seen, (0x88, 4000u16.to_be_bytes().to_vec()));
        drop(backend);
        let end = rig.end().await;
        assert_eq!(
            (end.ended_by, end.codes.from_client),
            (EndedBy::Client, Some(4000))
        );
    });
}

#[test]
fn a_violation_ends_both_sides_with_a_word() {
    worker(settings(), |rig| async move {
        let (mut client, mut backend) = rig.plain().await;
        let fine = frame(0x81, b"fine", false);
        backend
            .write_all(&[&fine[..], b"\x83\x01x"].concat())
            .await
            .unwrap();
        let seen = read_frame(&mut client).await.unwrap().unwrap();
        assert_eq!(seen, (0x81, b"fine".to_vec()));
        let (code, _) = read_close(&mut client).await;
        assert_eq!(code, 1001);
        client.write_all(&close_frame(1001, true)).await.unwrap();
        assert_eq!(read_frame(&mut client).await.unwrap(), None);
        let (code, reason) = read_close(&mut backend).await;
        assert_eq!((code, reason), (1002, Violation::Opcode.to_string()));
        assert_eq!(read_frame(&mut backend).await.unwrap(), None);
        drop(backend);
        let end = rig.end().await;
        let side = Side::Upstream;
        assert_eq!(end.outcome, Outcome::ProtocolError { side });
        let cause = ProxyCause::Protocol(Violation::Opcode);
        assert_eq!(end.ended_by, EndedBy::Proxy(cause));
        assert_eq!(end.codes.to_upstream, Some(1002));
    });
}

#[test]
fn silence_ends_a_session_politely_and_traffic_keeps_it() {
    worker(settings(), |rig| async move {
        let idle = Duration::from_millis(600);
        let options = Options {
            idle: Some(idle),
            ..Options::default()
        };
        let (mut client, mut backend) = rig.session(options).await;
        let started = Instant::now();
        while started.elapsed() < 3 * idle {
            tokio::time::sleep(idle / 10).await;
            client.write_all(&frame(0x81, b"awake", true)).await.unwrap();
            assert!(read_frame(&mut backend).await.unwrap().is_some());
        }
        assert_eq!(rig.table.len(), 1);
        let quiet = Instant::now();
        let (code, reason) = read_close(&mut client).await;
        assert_eq!((code, reason.as_str()), (1001, "idle timeout"));
        assert!(quiet.elapsed() >= idle / 2);
        assert_eq!(read_close(&mut backend).await.0, 1001);
        client.write_all(&close_frame(1001, true)).await.unwrap();
        backend.write_all(&close_frame(1001, false)).await.unwrap();
        let end = rig.end().await;
        let by = EndedBy::Proxy(ProxyCause::IdleTimeout);
        assert_eq!((end.ended_by, end.outcome), (by, Outcome::Closed));
        assert_eq!(read_frame(&mut client).await.unwrap(), None);
    });
}

#[test]
fn a_session_has_an_end_even_with_traffic() {
    worker(settings(), |rig| async move {
        let options = Options {
            max_duration: Some(Duration::from_millis(200)),
            ..Options::default()
        };
        let (mut client, backend) = rig.session(options).await;
        tokio::task::spawn_local(crate::rig::echo(backend));
        let mut count = 0;
        let code = loop {
            client.write_all(&frame(0x81, b"x", true)).await.unwrap();
            let (first, payload) = read_frame(&mut client).await.unwrap().unwrap();
            if first == 0x88 {
                break u16::from_be_bytes([payload[0], payload[1]]);
            }
            count += 1;
        };
        assert!(code == 1001 && count > 0);
        client.write_all(&close_frame(1001, true)).await.unwrap();
        let end = rig.end().await;
        let by = EndedBy::Proxy(ProxyCause::MaxDuration);
        assert_eq!((end.ended_by, end.outcome), (by, Outcome::Closed));
        assert!(end.from_client.messages >= count);
    });
}

#[test]
fn a_peer_that_never_answers_is_reset_at_the_deadline() {
    worker(settings(), |rig| async move {
        let (mut client, mut backend) = rig.plain().await;
        assert!(
            rig.table
                .close(1, crate::rig::close_of(4001, "go"), Instant::now())
        );
        assert_eq!(read_close(&mut client).await, (4001, "go".to_owned()));
        assert_eq!(read_close(&mut backend).await, (1001, "go".to_owned()));
        let told = Instant::now();
        let error = client.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(told.elapsed() >= CLOSE_TIMEOUT / 2);
        assert_eq!(rig.end().await.outcome, Outcome::DeadlineForced);
    });
}

#[test]
fn a_client_that_closed_does_not_wait_for_a_dead_backend() {
    worker(settings(), |rig| async move {
        let (mut client, backend) = rig.plain().await;
        client.write_all(&close_frame(1000, true)).await.unwrap();
        let (code, reason) = read_close(&mut client).await;
        assert_eq!((code, reason.as_str()), (1001, "closing handshake timed out"));
        let end = rig.end().await;
        assert_eq!(
            (end.ended_by, end.outcome),
            (EndedBy::Client, Outcome::DeadlineForced)
        );
        drop(backend);
    });
}
