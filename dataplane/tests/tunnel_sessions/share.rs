//! Sessions share a worker: a stopped reader or a saturated row is nobody else's trouble.

use std::time::Duration;

use dataplane::session::ProxyCause;
use dataplane::tunnel::Filter;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::rig::{Options, echo, frame, read_frame, settings, worker};

/// Sends and awaits echoes; returns the time that the slowest took.
async fn ping_pong(client: &mut TcpStream, rounds: usize) -> Duration {
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let payload = round.to_be_bytes();
        let sent = Instant::now();
        client.write_all(&frame(0x82, &payload, true)).await.unwrap();
        let back = read_frame(client).await.unwrap().unwrap();
        assert_eq!(back.1, payload);
        slowest = slowest.max(sent.elapsed());
    }
    slowest
}

#[test]
fn a_reader_that_stops_holds_little_and_nobody_else() {
    worker(settings(), |rig| async move {
        let kernel_buffer = 64 * 1024;
        let options = Options {
            kernel_buffer: Some(kernel_buffer),
            ..Options::default()
        };
        let (mut lazy, mut flooding) = rig.session(options).await;
        let chunk = frame(0x82, &[5; 32 * 1024], false);
        let mut sent = 0;
        while let Ok(result) = timeout(Duration::from_millis(300), flooding.write_all(&chunk)).await {
            result.unwrap();
            sent += chunk.len();
        }
        // Two buffers in the kernel each way, which it doubles, and one in the table.
        assert!(sent <= 2 * 2 * 2 * kernel_buffer + 2 * 64 * 1024, "{sent}");
        assert!(sent >= 64 * 1024);

        let (mut client, backend) = rig.plain().await;
        tokio::task::spawn_local(echo(backend));
        ping_pong(&mut client, 500).await;

        // The other direction of the same session goes on as well.
        lazy.write_all(&frame(0x81, b"stop", true)).await.unwrap();
        let seen = read_frame(&mut flooding).await.unwrap().unwrap();
        assert_eq!(seen, (0x81, b"stop".to_vec()));

        // And it wakes up when the reader does.
        let whole = sent / chunk.len();
        for _ in 0..whole {
            let (_, payload) = read_frame(&mut lazy).await.unwrap().unwrap();
            assert!(payload == [5; 32 * 1024]);
        }
    });
}

async fn flood(mut from: TcpStream, mut to: TcpStream, masked: bool) {
    let (chunk, mut room) = (frame(0x82, &[5; 200_000], masked), vec![0; 1 << 18]);
    let write = async { while from.write_all(&chunk).await.is_ok() {} };
    let read = async { while to.read(&mut room).await.is_ok_and(|len| len > 0) {} };
    tokio::join!(write, read);
}

#[test]
fn saturated_rows_leave_the_others_their_turns() {
    worker(settings(), |rig| async move {
        for _ in 0..4 {
            let (client, backend) = rig.plain().await;
            // The peers have a thread of their own, so that the table has always something to do.
            let streams = (client.into_std().unwrap(), backend.into_std().unwrap());
            std::thread::spawn(move || {
                let mut builder = tokio::runtime::Builder::new_current_thread();
                let runtime = builder.enable_all().build().unwrap();
                runtime.block_on(async {
                    let client = TcpStream::from_std(streams.0).unwrap();
                    let backend = TcpStream::from_std(streams.1).unwrap();
                    flood(client, backend, true).await;
                });
            });
        }
        let (mut client, backend) = rig.plain().await;
        tokio::task::spawn_local(echo(backend));
        let before = rig.table.totals().from_client.bytes;
        let slowest = ping_pong(&mut client, 300).await;
        let flooded = rig.table.totals().from_client.bytes - before;
        assert!(flooded > 10 << 20, "the floods ran: {flooded}");
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
        rig.table.abort_all(ProxyCause::Command, Instant::now());
        assert_eq!(rig.all_ends().await.len(), 5);
    });
}

#[test]
fn a_saturated_direction_leaves_the_other_its_share() {
    worker(settings(), |rig| async move {
        let (client, backend) = rig.plain().await;
        let (mut client_read, mut client_write) = client.into_split();
        let (mut backend_read, mut backend_write) = backend.into_split();
        let up = tokio::task::spawn_local(async move {
            let chunk = frame(0x82, &[1; 200_000], true);
            while client_write.write_all(&chunk).await.is_ok() {}
        });
        tokio::task::spawn_local(async move {
            let mut room = vec![0; 1 << 18];
            while backend_read.read(&mut room).await.is_ok_and(|len| len > 0) {}
        });
        for round in 0..200u32 {
            let sent = frame(0x82, &round.to_be_bytes(), false);
            backend_write.write_all(&sent).await.unwrap();
            let mut back = vec![0; sent.len()];
            client_read.read_exact(&mut back).await.unwrap();
            assert_eq!(back, sent);
        }
        assert!(rig.table.totals().from_client.bytes > 1 << 20);
        up.abort();
    });
}

#[test]
fn listings_are_pages_in_order() {
    worker(settings(), |rig| async move {
        let mut peers = Vec::new();
        for index in 0..25 {
            let options = Options {
                route: 1 + index % 2,
                ..Options::default()
            };
            peers.push(rig.session(options).await);
        }
        let page = |after, limit, filter| {
            let page = rig.table.list(after, limit, filter, Instant::now());
            page.iter().map(|info| info.id).collect::<Vec<_>>()
        };
        assert_eq!(page(None, 10, Filter::All), (1..=10).collect::<Vec<_>>());
        assert_eq!(page(Some(20), 10, Filter::All), (21..=25).collect::<Vec<_>>());
        let odd = Filter::Route(routetable::RouteId(1));
        assert_eq!(page(Some(3), 4, odd), [5, 7, 9, 11]);
        assert!(page(Some(25), 4, Filter::All).is_empty());
        let client = &mut peers[2].0;
        client.write_all(&frame(0x81, b"hello", true)).await.unwrap();
        read_frame(&mut peers[2].1).await.unwrap();
        let info = rig.table.list(Some(2), 1, Filter::All, Instant::now());
        assert_eq!((info[0].id, info[0].from_client.messages), (3, 1));
        assert_eq!((info[0].from_client.bytes, info[0].ending), (11, false));
    });
}
