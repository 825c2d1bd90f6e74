//! The data plane's end of the local channel, against a controller that the test plays.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "fake/controller.rs"]
mod fake;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use dataplane::control::{ChannelStatus, Client, Identity, LastGood, Pace, Workers};
use dataplane::metrics::Metrics;
use dataplane::snapshot::Snapshot;
use dataplane::snapshot::build::Builder;
use fake::*;
use routetable::RouteTable;
use routetable::matching::RequestView;
use routetable::wire::{
    Command, DrainScope, Nack, ResourceId, Stats, ToController, ToDataplane, encode_frame, snapshot_frames,
};
use routetable::{
    BackendTls, Certificate, CertificateId, HostPattern, PrivateKey, ServerName, ServerNameId, TlsVersion,
    Verify,
};
use tokio::sync::{Semaphore, watch};

/// Workers that take note when the test lets them.
#[derive(Clone)]
struct Crew {
    told: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
    commands: Arc<Mutex<Vec<Command>>>,
}

impl Workers for Crew {
    async fn changed(&self) {
        self.gate.acquire().await.unwrap().forget();
        self.told.fetch_add(1, Ordering::SeqCst);
    }

    async fn command(&self, command: Command) {
        self.commands.lock().unwrap().push(command);
    }

    async fn stats(&self) -> Stats {
        Stats {
            sessions_active: 3,
            ..Stats::default()
        }
    }
}

/// A running client and what it feeds.
struct Plane {
    snapshot: Arc<ArcSwap<Snapshot>>,
    crew: Crew,
    status: watch::Receiver<ChannelStatus>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Plane {
    fn start(fake: &Fake) -> Self {
        Self::build(fake, Pace::default(), None, Semaphore::MAX_PERMITS)
    }

    fn build(fake: &Fake, pace: Pace, file: Option<LastGood>, permits: usize) -> Self {
        let snapshot = Arc::<ArcSwap<Snapshot>>::default();
        let crew = Crew {
            told: Arc::default(),
            gate: Arc::new(Semaphore::new(permits)),
            commands: Arc::default(),
        };
        let identity = Identity {
            socket: fake.socket(),
            boot_id: 5,
            seed: 1,
        };
        let metrics = Arc::new(Metrics::default());
        let mut client = Client::new(
            identity,
            pace,
            Builder::new(Arc::clone(&snapshot)),
            crew.clone(),
            metrics,
        );
        if let Some(file) = file {
            client.load(file);
        }
        let status = client.status();
        let task = tokio::spawn(async move { client.run().await });
        Self {
            snapshot,
            crew,
            status,
            task,
        }
    }

    /// The port that `host` is served by at the moment.
    fn port(&self, host: &str) -> Option<u16> {
        let headers = http::HeaderMap::new();
        let request = RequestView {
            host,
            path: "/",
            query: None,
            headers: &headers,
        };
        let snapshot = self.snapshot.load();
        let entry = snapshot.find(&request)?;
        Some(
            entry.backends[0]
                .slot
                .endpoints
                .load()
                .first()?
                .endpoint
                .address
                .port(),
        )
    }
}

#[tokio::test]
async fn a_snapshot_in_parts_serves_and_is_acknowledged() {
    let fake = Fake::new();
    let plane = Plane::start(&fake);
    let (mut link, hello) = fake.accept().await;
    assert_eq!(
        (hello.boot_id, hello.have, hello.digest),
        (5, None, RouteTable::default().digest())
    );

    // Large enough for several parts.
    let names: Vec<String> = (0..20_000).map(|n| format!("n{n}")).collect();
    let table = simple(&names.iter().map(|n| (n.as_str(), 1)).collect::<Vec<_>>());
    assert!(snapshot_frames(&table, version(1)).unwrap().len() > 4);
    link.send_snapshot(&table, version(1)).await;
    link.expect(ToController::Ack(version(1))).await;
    assert_eq!(plane.port("n19999.example.com"), Some(1));
    assert!(plane.status.borrow().connected && plane.status.borrow().table_received);
}

#[tokio::test]
async fn an_ack_waits_until_every_worker_knows() {
    let fake = Fake::new();
    let plane = Plane::build(
        &fake,
        Pace {
            stats: Duration::from_millis(5),
            ..Pace::default()
        },
        None,
        0,
    );
    let (mut link, _) = fake.accept().await;
    link.send_snapshot(&simple(&[("chat", 1)]), version(1)).await;
    until("a snapshot that serves", || {
        plane.port("chat.example.com") == Some(1)
    })
    .await;
    assert_eq!(plane.crew.told.load(Ordering::SeqCst), 0);
    plane.crew.gate.add_permits(1);
    link.expect(ToController::Ack(version(1))).await;
    assert_eq!(plane.crew.told.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn deltas_apply_on_their_base_only() {
    let fake = Fake::new();
    let plane = Plane::start(&fake);
    let (mut link, _) = fake.accept().await;
    let (v1, v2, v3) = (
        simple(&[("chat", 1)]),
        simple(&[("chat", 2), ("feed", 3)]),
        simple(&[("feed", 4)]),
    );
    link.send_snapshot(&v1, version(1)).await;
    link.expect(ToController::Ack(version(1))).await;

    link.send(delta((&v1, 1), (&v2, 2))).await;
    link.expect(ToController::Ack(version(2))).await;
    assert_eq!(
        (plane.port("chat.example.com"), plane.port("feed.example.com")),
        (Some(2), Some(3))
    );

    // Twice at once: one Resync is enough.
    link.send(delta((&v1, 1), (&v3, 3))).await;
    link.send(delta((&v3, 3), (&v1, 4))).await;
    link.expect(ToController::Resync).await;
    assert_eq!(plane.port("chat.example.com"), Some(2), "nothing of it applies");
    link.send_snapshot(&v3, version(5)).await;
    link.expect(ToController::Ack(version(5))).await;
    assert_eq!(
        (plane.port("chat.example.com"), plane.port("feed.example.com")),
        (None, Some(4))
    );
}

#[tokio::test]
async fn a_delta_whose_result_is_another_asks_for_a_snapshot() {
    let fake = Fake::new();
    let plane = Plane::start(&fake);
    let (mut link, _) = fake.accept().await;
    let (v1, v2) = (simple(&[("chat", 1)]), simple(&[("chat", 2)]));
    link.send_snapshot(&v1, version(1)).await;
    link.expect(ToController::Ack(version(1))).await;
    let ToDataplane::Delta(mut wrong) = delta((&v1, 1), (&v2, 2)) else {
        unreachable!()
    };
    wrong.digest = v1.digest();
    link.send(ToDataplane::Delta(wrong)).await;
    link.expect(ToController::Resync).await;
    assert_eq!(plane.port("chat.example.com"), Some(1));
}

#[tokio::test]
async fn a_flipped_bit_ends_the_connection_and_nothing_else() {
    let fake = Fake::new();
    let plane = Plane::start(&fake);
    let (mut link, _) = fake.accept().await;
    let (v1, v2) = (simple(&[("chat", 1)]), simple(&[("chat", 2)]));
    link.send_snapshot(&v1, version(1)).await;
    link.expect(ToController::Ack(version(1))).await;

    let mut frame = encode_frame(&delta((&v1, 1), (&v2, 2))).unwrap();
    let last = frame.len() - 1;
    frame[last] ^= 0x10;
    link.send_bytes(&frame).await;
    link.expect_hang_up().await;
    let (mut link, hello) = fake.accept().await;
    assert_eq!((hello.have, hello.digest), (Some(version(1)), v1.digest()));
    assert_eq!(plane.port("chat.example.com"), Some(1));
    link.send(delta((&v1, 1), (&v2, 2))).await;
    link.expect(ToController::Ack(version(2))).await;
}

#[tokio::test]
async fn a_controller_that_dies_within_a_snapshot_changes_nothing() {
    let fake = Fake::new();
    let plane = Plane::start(&fake);
    let (mut link, _) = fake.accept().await;
    let v1 = simple(&[("chat", 1)]);
    link.send_snapshot(&v1, version(1)).await;
    link.expect(ToController::Ack(version(1))).await;

    let frames = snapshot_frames(&simple(&[("feed", 2)]), version(2)).unwrap();
    for frame in &frames[..frames.len() - 1] {
        link.send_bytes(frame).await;
    }
    drop(link);
    let (mut link, hello) = fake.accept().await;
    assert_eq!((hello.have, hello.digest), (Some(version(1)), v1.digest()));
    assert_eq!(
        (plane.port("chat.example.com"), plane.port("feed.example.com")),
        (Some(1), None)
    );

    // The next run of the controller has compiled the same: nothing is sent again.
    link.send(ToDataplane::Current(version(9))).await;
    link.expect(ToController::Ack(version(9))).await;
    link.send(delta((&v1, 9), (&simple(&[("chat", 4)]), 10))).await;
    link.expect(ToController::Ack(version(10))).await;
    assert_eq!(plane.port("chat.example.com"), Some(4));
}

#[tokio::test]
async fn a_stall_within_a_frame_or_snapshot_is_not_waited_out() {
    let fake = Fake::new();
    let pace = Pace {
        stall: Duration::from_millis(300),
        stats: Duration::from_millis(50),
        ..Pace::default()
    };
    let _plane = Plane::build(&fake, pace, None, Semaphore::MAX_PERMITS);
    let frames = snapshot_frames(&simple(&[("chat", 1)]), version(1)).unwrap();

    let (mut link, _) = fake.accept().await;
    link.send_bytes(&frames[0][..frames[0].len() - 1]).await;
    link.expect_hang_up().await;
    let (mut link, _) = fake.accept().await;
    link.send_bytes(&frames[0]).await;
    link.expect_hang_up().await;
    // Silence where nothing is promised is fine: the heartbeat outlasts the limit.
    let (mut link, _) = fake.accept().await;
    for _ in 0..12 {
        assert!(matches!(link.receive().await, ToController::Stats(stats) if stats.sessions_active == 3));
    }
}

#[tokio::test]
async fn the_controllers_absence_is_sat_out() {
    let fake = Fake::new();
    let plane = Plane::start(&fake);
    let (mut link, _) = fake.accept().await;
    link.send_snapshot(&simple(&[("chat", 1)]), version(1)).await;
    link.expect(ToController::Ack(version(1))).await;

    drop(link);
    std::fs::remove_file(fake.socket()).unwrap();
    until("a lost connection", || !plane.status.borrow().connected).await;
    assert!(plane.status.borrow().table_received);
    assert_eq!(plane.port("chat.example.com"), Some(1));

    let fake = fake.returns();
    let (_link, hello) = fake.accept().await;
    assert_eq!(hello.have, Some(version(1)));
}

#[tokio::test]
async fn an_empty_table_must_be_meant() {
    let fake = Fake::new();
    let pace = Pace {
        refused: Duration::from_millis(20),
        ..Pace::default()
    };
    let plane = Plane::build(&fake, pace, None, Semaphore::MAX_PERMITS);
    let (mut link, _) = fake.accept().await;
    link.send_snapshot(&simple(&[("chat", 1)]), version(1)).await;
    link.expect(ToController::Ack(version(1))).await;

    let empty = RouteTable::default();
    let meant = snapshot_frames(&empty, version(2)).unwrap();
    let (message, _) = routetable::wire::decode_frame(&meant[0]).unwrap();
    let ToDataplane::SnapshotBegin(mut begin) = message else {
        unreachable!()
    };
    assert!(begin.deliberately_empty);
    begin.deliberately_empty = false;
    link.send(ToDataplane::SnapshotBegin(begin)).await;
    link.send(ToDataplane::SnapshotEnd(version(2))).await;
    link.expect_hang_up().await;
    assert_eq!(plane.port("chat.example.com"), Some(1));

    let (mut link, hello) = fake.accept().await;
    assert_eq!(hello.have, Some(version(1)));
    link.send_snapshot(&empty, version(3)).await;
    link.expect(ToController::Ack(version(3))).await;
    assert_eq!(plane.port("chat.example.com"), None);
}

#[tokio::test]
async fn a_bad_item_is_named_and_the_good_rest_serves() {
    let fake = Fake::new();
    let plane = Plane::start(&fake);
    let (mut link, _) = fake.accept().await;
    let v1 = simple(&[("chat", 1)]);
    link.send_snapshot(&v1, version(1)).await;
    link.expect(ToController::Ack(version(1))).await;

    let bad = with_bad_regex(route("chat"));
    let v2 = table(
        [bad.clone(), route("feed")],
        [set("chat", &[address(5)]), set("feed", &[address(2)])],
    );
    link.send(delta((&v1, 1), (&v2, 2))).await;
    let ToController::Nack(Nack { version: v, items }) = link.answer().await else {
        panic!("no Nack")
    };
    assert_eq!((v, items.len()), (version(2), 1));
    assert_eq!(items[0].resource, ResourceId::Route(bad.id));
    assert!(items[0].message.contains("'('"), "{}", items[0].message);
    assert_eq!(
        plane.port("chat.example.com"),
        Some(5),
        "the last good version, with its present endpoints"
    );
    assert_eq!(plane.port("feed.example.com"), Some(2));

    // The base of the next change is what was sent, bad items included.
    let v3 = simple(&[("chat", 6), ("feed", 2)]);
    link.send(delta((&v2, 2), (&v3, 3))).await;
    link.expect(ToController::Ack(version(3))).await;
}

#[tokio::test]
async fn another_protocol_is_retried_slowly_with_the_last_state_serving() {
    let fake = Fake::new();
    let pace = Pace {
        refused: Duration::from_millis(600),
        ..Pace::default()
    };
    let plane = Plane::build(&fake, pace, None, Semaphore::MAX_PERMITS);
    let (mut link, _) = fake.accept().await;
    link.send_snapshot(&simple(&[("chat", 1)]), version(1)).await;
    link.expect(ToController::Ack(version(1))).await;
    let before = tokio::time::Instant::now();
    link.send(ToDataplane::Refused { protocol: 99 }).await;
    link.expect_hang_up().await;
    let _again = fake.accept().await;
    assert!(
        before.elapsed() >= Duration::from_millis(300),
        "half of the wait at least"
    );
    assert_eq!(plane.port("chat.example.com"), Some(1));
}

#[tokio::test]
async fn commands_reach_the_workers() {
    let fake = Fake::new();
    let plane = Plane::start(&fake);
    let (mut link, _) = fake.accept().await;
    let command = Command::Drain {
        scope: DrainScope::All,
        window_ms: 1,
        deadline_ms: 2,
        close_code: 1012,
    };
    link.send(ToDataplane::Command(command.clone())).await;
    until("the command", || {
        *plane.crew.commands.lock().unwrap() == [command.clone()]
    })
    .await;
}

#[tokio::test]
async fn no_key_goes_to_the_disk() {
    let fake = Fake::new();
    let dir = tempfile::tempdir().unwrap();
    let pace = Pace {
        save: Duration::ZERO,
        ..Pace::default()
    };
    let file = LastGood::new(dir.path());
    let plane = Plane::build(&fake, pace, Some(file.clone()), Semaphore::MAX_PERMITS);
    let mut table = simple(&[("chat", 1), ("feed", 2)]);
    let key = rcgen::KeyPair::generate().unwrap();
    let pair = rcgen::CertificateParams::new(vec![])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let certificate = Certificate {
        id: CertificateId::new("prod", "tls"),
        namespace: "prod".into(),
        secret: "tls".into(),
        chain: vec![pair.der().to_vec()],
        key: PrivateKey(key.serialize_der()),
    };
    let host = HostPattern::Exact("chat.example.com".into());
    let name = ServerName {
        id: ServerNameId::new(&host),
        host,
        certificates: vec![certificate.id],
        min_version: TlsVersion::V12,
        client: None,
    };
    // One route shows the key to its backend: without it, it must not be spoken to.
    let mut shows = fake::route("feed");
    shows.backends[0].protocol.tls = Some(BackendTls {
        server_name: String::new(),
        verify: Verify::Nothing,
        certificate: Some(certificate.id),
    });
    table.routes.insert(shows.id, Arc::new(shows));
    table.server_names.insert(name.id, Arc::new(name));
    table.certificates.insert(certificate.id, Arc::new(certificate));
    let (mut link, _) = fake.accept().await;
    link.send_snapshot(&table, version(1)).await;
    link.expect(ToController::Ack(version(1))).await;
    assert!(
        plane
            .snapshot
            .load()
            .server_name(Some("chat.example.com"))
            .is_some_and(|entry| entry.name.is_some())
    );
    until("the file", || file.path().exists()).await;
    let bytes = std::fs::read(file.path()).unwrap();
    let secret = key.serialize_der();
    assert!(
        !bytes
            .windows(16)
            .any(|part| secret.windows(16).any(|key| key == part))
    );
    let (saved, _) = file.load().unwrap().unwrap();
    let saved = saved.into_table();
    assert!(saved.certificates.is_empty() && saved.server_names.is_empty());
    let backends: Vec<usize> = saved.routes.values().map(|route| route.backends.len()).collect();
    assert_eq!(backends.iter().sum::<usize>(), 1, "{backends:?}");
}

#[tokio::test]
async fn messages_out_of_turn_end_the_connection() {
    let fake = Fake::new();
    let _plane = Plane::start(&fake);
    for message in [
        ToDataplane::SnapshotEnd(version(1)),
        ToDataplane::SnapshotRoutes(vec![]),
    ] {
        let (mut link, _) = fake.accept().await;
        link.send(message).await;
        link.expect_hang_up().await;
    }
}
