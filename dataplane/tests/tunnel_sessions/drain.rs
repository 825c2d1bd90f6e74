//! Planned ends over sockets: windows, pace, deadlines, and who is left alone.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use dataplane::session::{EndedBy, Outcome, ProxyCause};
use dataplane::tunnel::{DrainPlan, Filter, Standing, TableSettings, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::rig::{
    Options, close_frame, close_of, echo, endpoint, frame, read_close, read_frame, settings, worker,
};

fn shutdown(window: Duration, deadline: Duration) -> DrainPlan {
    DrainPlan {
        cause: ProxyCause::Shutdown,
        close: close_of(1012, "going away for a moment"),
        window,
        deadline,
    }
}

/// Talks until a Close comes, answers it, and expects the end of the stream and nothing else.
/// Returns when the Close came.
async fn talk_until_close(mut client: TcpStream, code: u16) -> Instant {
    let (mut sent, mut received) = (0u64, 0u64);
    loop {
        client
            .write_all(&frame(0x02, &sent.to_be_bytes(), true))
            .await
            .unwrap();
        client.write_all(&frame(0x80, &[7; 300], true)).await.unwrap();
        sent += 1;
        let mut open = false;
        loop {
            let (first, payload) = read_frame(&mut client).await.unwrap().expect("a Close first");
            if first == 0x88 {
                let at = Instant::now();
                assert!(!open, "a Close between the fragments of a message");
                assert_eq!(u16::from_be_bytes([payload[0], payload[1]]), code);
                client.write_all(&close_frame(code, true)).await.unwrap();
                assert_eq!(read_frame(&mut client).await.unwrap(), None);
                return at;
            }
            open = first & 0x80 == 0;
            if !open {
                break;
            }
            assert_eq!(payload, received.to_be_bytes());
            received += 1;
        }
    }
}

#[test]
fn a_drain_spreads_polite_ends_over_its_window() {
    worker(settings(), |rig| async move {
        const SESSIONS: u32 = 200;
        let window = Duration::from_secs(2);
        let closes = Rc::new(RefCell::new(Vec::new()));
        let mut tasks = Vec::new();
        for _ in 0..SESSIONS {
            let (client, backend) = rig.plain().await;
            tokio::task::spawn_local(echo(backend));
            let closes = Rc::clone(&closes);
            tasks.push(tokio::task::spawn_local(async move {
                let at = talk_until_close(client, 1012).await;
                closes.borrow_mut().push(at);
            }));
        }
        let began = Instant::now();
        let plan = shutdown(window, Duration::from_secs(50));
        assert_eq!(rig.table.drain(Filter::All, plan, began), SESSIONS as usize);
        let ends = rig.all_ends().await;
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(ends.len(), SESSIONS as usize);
        for end in &ends {
            let by = EndedBy::Proxy(ProxyCause::Shutdown);
            assert_eq!((end.ended_by, end.outcome), (by, Outcome::Closed));
            assert_eq!(end.codes.to_client, Some(1012));
            assert_eq!(end.codes.to_upstream, Some(1001));
        }
        // Evenly: no turn comes early, so at most a quarter (and one) in each quarter so far.
        let closes = closes.borrow();
        for quarter in 1..4 {
            let until = began + window / 4 * quarter;
            let so_far = closes.iter().filter(|at| **at < until).count() as u32;
            assert!(
                so_far <= SESSIONS / 4 * quarter + 1,
                "{so_far} in {quarter} quarters"
            );
        }
        let last = closes.iter().max().unwrap();
        assert!(*last >= began + window * 9 / 10);
    });
}

#[test]
fn a_close_waits_for_the_end_of_a_large_message() {
    worker(settings(), |rig| async move {
        let (mut client, mut backend) = rig.plain().await;
        let message = frame(0x82, &[3; 3 << 20], false);
        backend.write_all(&message[..1 << 20]).await.unwrap();
        let mut seen = vec![0; 1 << 20];
        client.read_exact(&mut seen).await.unwrap();
        let plan = shutdown(Duration::ZERO, Duration::from_secs(50));
        rig.table.drain(Filter::All, plan, Instant::now());
        assert_eq!(read_close(&mut backend).await.0, 1001);
        let (_, client) = tokio::join!(
            async {
                backend.write_all(&message[1 << 20..]).await.unwrap();
                backend
                    .write_all(&frame(0x81, b"one too many", false))
                    .await
                    .unwrap();
            },
            async {
                let mut rest = vec![0; message.len() - seen.len()];
                client.read_exact(&mut rest).await.unwrap();
                assert!([seen, rest].concat() == message);
                let (first, _) = read_frame(&mut client).await.unwrap().unwrap();
                assert_eq!(first, 0x88);
                client
            }
        );
        drop((client, backend));
        rig.end().await;
    });
}

#[test]
fn a_message_that_does_not_end_is_left_between_its_fragments() {
    worker(settings(), |rig| async move {
        let (mut client, mut backend) = rig.plain().await;
        let part = frame(0x01, b"to be continued", false);
        backend.write_all(&part).await.unwrap();
        read_frame(&mut client).await.unwrap();
        let began = Instant::now();
        let deadline = Duration::from_secs(3);
        rig.table
            .drain(Filter::All, shutdown(Duration::ZERO, deadline), began);
        assert_eq!(read_close(&mut client).await.0, 1012);
        let waited = began.elapsed();
        assert!(deadline / 2 <= waited, "{waited:?}");
        client.write_all(&close_frame(1012, true)).await.unwrap();
        assert_eq!(read_close(&mut backend).await.0, 1001);
        backend.write_all(&close_frame(1001, false)).await.unwrap();
        assert_eq!(rig.end().await.outcome, Outcome::Closed);
    });
}

#[test]
fn what_still_stands_at_the_deadline_is_reset() {
    worker(settings(), |rig| async move {
        let (mut client, mut backend) = rig.plain().await;
        backend.write_all(b"\x82\x7e\x10\x00half a frame").await.unwrap();
        let mut seen = [0; 16];
        client.read_exact(&mut seen).await.unwrap();
        let began = Instant::now();
        let plan = shutdown(Duration::ZERO, Duration::from_millis(300));
        rig.table.drain(Filter::All, plan, began);
        assert!(client.read_u8().await.is_err(), "nothing may land inside a frame");
        assert!(began.elapsed() >= Duration::from_millis(290));
        let end = rig.end().await;
        assert_eq!(end.outcome, Outcome::DeadlineForced);
        assert_eq!(
            rig.table.totals().cut_by_config,
            0,
            "no configuration was changed"
        );
        drop(backend);
    });
}

/// Ends the other side's part of a planned end.
async fn answer(client: &mut TcpStream, code: u16) {
    assert_eq!(read_close(client).await.0, code);
    client.write_all(&close_frame(code, true)).await.unwrap();
    assert_eq!(read_frame(client).await.unwrap(), None);
}

#[test]
fn a_removed_route_or_endpoint_ends_its_own_sessions_only() {
    worker(settings(), |rig| async move {
        let mut clients = Vec::new();
        for (route, port) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            let options = Options {
                route,
                endpoint: endpoint(port),
                ..Options::default()
            };
            let (client, backend) = rig.session(options).await;
            tokio::task::spawn_local(echo(backend));
            clients.push(client);
        }
        let judge = |target: &Target| match (target.route.0, target.endpoint.port()) {
            (1, _) => Standing::RouteGone,
            (_, 2) => Standing::EndpointGone,
            _ => Standing::Stands,
        };
        assert_eq!(rig.table.retain_standing(judge, Instant::now()), 3);
        assert_eq!(rig.table.retain_standing(judge, Instant::now()), 0);
        answer(&mut clients[0], 1001).await;
        answer(&mut clients[1], 1001).await;
        answer(&mut clients[3], 1012).await;
        while rig.table.len() > 1 {
            tokio::task::yield_now().await;
        }
        let stays = &mut clients[2];
        stays.write_all(&frame(0x81, b"still here", true)).await.unwrap();
        let seen = read_frame(stays).await.unwrap().unwrap();
        assert_eq!(seen, (0x81, b"still here".to_vec()));
        assert_eq!(rig.table.totals().cut_by_config, 0);
    });
}

#[test]
fn what_stands_again_before_its_turn_stays() {
    let slow = TableSettings {
        config_pace: 1,
        ..settings()
    };
    worker(slow, |rig| async move {
        let mut clients = Vec::new();
        for _ in 0..3 {
            let (client, backend) = rig.plain().await;
            tokio::task::spawn_local(echo(backend));
            clients.push(client);
        }
        let gone = |_: &Target| Standing::RouteGone;
        assert_eq!(rig.table.retain_standing(gone, Instant::now()), 3);
        rig.table.retain_standing(|_| Standing::Stands, Instant::now());
        // All of them would have had their turn by now.
        tokio::time::sleep(Duration::from_millis(2500)).await;
        for client in &mut clients {
            client.write_all(&frame(0x81, b"here", true)).await.unwrap();
            let seen = read_frame(client).await.unwrap().unwrap();
            assert_eq!(seen, (0x81, b"here".to_vec()));
        }
        assert_eq!(rig.table.totals().cut_by_config, 0);
    });
}

#[test]
fn a_share_of_the_sessions_can_be_drained() {
    worker(settings(), |rig| async move {
        for _ in 0..20 {
            let (mut client, backend) = rig.plain().await;
            tokio::task::spawn_local(echo(backend));
            tokio::task::spawn_local(async move { answer(&mut client, 1012).await });
        }
        let plan = DrainPlan {
            cause: ProxyCause::Command,
            ..shutdown(Duration::from_millis(10), Duration::from_secs(10))
        };
        assert_eq!(rig.table.drain(Filter::Share(25), plan, Instant::now()), 5);
        while rig.table.len() > 15 {
            tokio::task::yield_now().await;
        }
        assert_eq!(rig.ends.borrow().len(), 5);
    });
}

#[test]
fn a_change_that_ends_a_session_without_its_close_is_counted() {
    worker(settings(), |rig| async move {
        let (mut client, mut backend) = rig.plain().await;
        backend.write_all(b"\x82\x7e\x10\x00half a frame").await.unwrap();
        let mut seen = [0; 16];
        client.read_exact(&mut seen).await.unwrap();
        rig.table
            .retain_standing(|_| Standing::EndpointGone, Instant::now());
        let end = rig.end().await;
        let by = EndedBy::Proxy(ProxyCause::EndpointRemoved);
        assert_eq!((end.ended_by, end.outcome), (by, Outcome::DeadlineForced));
        assert_eq!(rig.table.totals().cut_by_config, 1);
    });
}

#[test]
fn a_shutdown_takes_late_arrivals_and_overlaps_a_drain() {
    worker(settings(), |rig| async move {
        let (mut early, backend) = rig.plain().await;
        tokio::task::spawn_local(echo(backend));
        let long = Duration::from_secs(100);
        rig.table.drain(
            Filter::Endpoint(endpoint(1)),
            shutdown(long, long),
            Instant::now(),
        );
        let plan = shutdown(Duration::from_millis(300), Duration::from_secs(10));
        rig.table.drain(Filter::All, plan, Instant::now());
        let (mut late, backend) = rig.plain().await;
        tokio::task::spawn_local(echo(backend));
        tokio::join!(answer(&mut early, 1012), answer(&mut late, 1012));
        assert_eq!(rig.all_ends().await.len(), 2);
    });
}
