//! The controller's end of the channel, over a real Unix socket, against a data plane played here.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use controller::publish::Published;
use controller::publish::listener::{ListenError, Listener};
use controller::publish::peers::Peers;
use routetable::canonical::Tracked;
use routetable::wire::assembly::SnapshotAssembly;
use routetable::wire::{
    Decoder, Delta, Hello, ItemError, Nack, PROTOCOL, ResourceId, Stats, ToController, ToDataplane, Version,
    encode_frame,
};
use routetable::{
    EndpointSet, EndpointSetId, HostPattern, ObjectKind, ObjectRef, PathMatch, Route, RouteId, RouteMatch,
    RouteTable, Timeouts, WeightedBackend,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Bound on everything that must happen.
const SOON: Duration = Duration::from_secs(10);
const EPOCH: u64 = 42;

/// A controller's publishing half.
struct Controller {
    folder: tempfile::TempDir,
    published: watch::Sender<Option<Arc<Published>>>,
    peers: Peers,
    server: JoinHandle<()>,
}

impl Controller {
    fn start(patience: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (published, receiver) = watch::channel(None);
        let peers = Peers::default();
        let listener = Listener::bind(&folder.path().join("sock")).unwrap();
        let listed = peers.clone();
        let server = tokio::spawn(async move { listener.serve(receiver, listed, patience).await });
        Self {
            folder,
            published,
            peers,
            server,
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("sock")
    }

    fn publish(&self, number: u64, table: &RouteTable) {
        let version = Version { epoch: EPOCH, number };
        self.published
            .send_replace(Some(Arc::new(Published::new(version, table.clone()))));
    }

    /// Waits until what is known of the data planes fits.
    async fn peers(&self, fits: impl Fn(&[controller::publish::peers::Peer]) -> bool) {
        let wait = async {
            while !fits(&self.peers.list()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = timeout(SOON, wait).await;
        assert!(waited.is_ok(), "{:?}", self.peers.list());
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A data plane that does what a test says.
struct Dataplane {
    stream: UnixStream,
    decoder: Decoder,
}

impl Dataplane {
    async fn connect(controller: &Controller) -> Self {
        Self {
            stream: UnixStream::connect(controller.socket()).await.unwrap(),
            decoder: Decoder::default(),
        }
    }

    async fn greet(controller: &Controller, have: Option<Version>, table: &RouteTable) -> Self {
        let mut dataplane = Self::connect(controller).await;
        let hello = Hello {
            protocol: PROTOCOL,
            boot_id: 9,
            have,
            digest: table.digest(),
        };
        dataplane.send(&ToController::Hello(hello)).await;
        dataplane
    }

    async fn send(&mut self, message: &ToController) {
        self.stream
            .write_all(&encode_frame(message).unwrap())
            .await
            .unwrap();
    }

    async fn ack(&mut self, number: u64) {
        self.send(&ToController::Ack(Version { epoch: EPOCH, number }))
            .await;
    }

    /// The next message; `None` at the end of the connection.
    async fn receive(&mut self) -> Option<ToDataplane> {
        let receive = async {
            loop {
                if let Some(message) = self.decoder.next_message().unwrap() {
                    return Some(message);
                }
                let mut chunk = vec![0; 64 << 10];
                match self.stream.read(&mut chunk).await {
                    Ok(0) | Err(_) => return None,
                    Ok(len) => self.decoder.push(&chunk[..len]).unwrap(),
                }
            }
        };
        timeout(SOON, receive)
            .await
            .expect("the controller sends nothing")
    }

    async fn snapshot(&mut self) -> (Version, Tracked) {
        let Some(ToDataplane::SnapshotBegin(begin)) = self.receive().await else {
            panic!("no snapshot")
        };
        let mut assembly = SnapshotAssembly::new(begin).unwrap();
        loop {
            match self.receive().await.unwrap() {
                ToDataplane::SnapshotEnd(version) => return (version, assembly.finish(version).unwrap().1),
                part => assembly.add(part).unwrap(),
            }
        }
    }

    async fn delta(&mut self) -> Delta {
        match self.receive().await.unwrap() {
            ToDataplane::Delta(delta) => delta,
            other => panic!("{other:?} instead of a delta"),
        }
    }

    async fn is_quiet(&mut self) -> bool {
        timeout(Duration::from_millis(150), self.stream.readable())
            .await
            .is_err()
    }
}

/// A table with these services, a route to each.
fn table(services: &[&str]) -> RouteTable {
    let mut table = RouteTable::default();
    for service in services {
        let set = EndpointSet {
            id: EndpointSetId::new("default", service, "80"),
            namespace: "default".into(),
            service: (*service).into(),
            port: "80".into(),
            endpoints: vec![],
        };
        let source = ObjectRef {
            kind: ObjectKind::Ingress,
            namespace: "default".into(),
            name: (*service).into(),
        };
        let route = Route {
            id: RouteId::new(&source, ""),
            source,
            rule: "rule-0".into(),
            created: 0,
            order: 0,
            fallback: false,
            hosts: vec![HostPattern::Exact(format!("{service}.example.com"))],
            matches: vec![RouteMatch::path(PathMatch::Prefix(String::new()))],
            backends: vec![WeightedBackend {
                endpoint_set: set.id,
                weight: 1,
                protocol: routetable::BackendProtocol::default(),
            }],
            timeouts: Timeouts::default(),
            tls: routetable::RouteTls::default(),
        };
        table.endpoint_sets.insert(set.id, Arc::new(set));
        table.routes.insert(route.id, Arc::new(route));
    }
    table
}

#[tokio::test]
async fn a_fresh_data_plane_waits_for_the_first_table_then_gets_all_of_it_then_changes() {
    let controller = Controller::start(SOON);
    let mut dataplane = Dataplane::greet(&controller, None, &RouteTable::default()).await;
    assert!(
        dataplane.is_quiet().await,
        "something was sent before the first table"
    );
    controller.publish(1, &table(&["a", "b"]));
    let (version, mut held) = dataplane.snapshot().await;
    assert_eq!((version.number, held.table()), (1, &table(&["a", "b"])));
    dataplane.ack(1).await;
    controller
        .peers(|peers| peers.iter().any(|peer| peer.serves == Some(version)))
        .await;

    controller.publish(2, &table(&["a", "c"]));
    let delta = dataplane.delta().await;
    assert_eq!((delta.base.number, delta.next.number, delta.ops.len()), (1, 2, 4));
    held.apply(&delta.ops);
    assert_eq!((held.table(), held.digest()), (&table(&["a", "c"]), delta.digest));
}

#[tokio::test]
async fn one_version_is_under_way_at_a_time_and_the_newest_follows() {
    let controller = Controller::start(SOON);
    controller.publish(1, &table(&["a"]));
    let mut dataplane = Dataplane::greet(&controller, None, &RouteTable::default()).await;
    let (_, mut held) = dataplane.snapshot().await;
    for number in 2..50 {
        let extra = format!("x{number}");
        controller.publish(number, &table(&["a", &extra]));
    }
    assert!(
        dataplane.is_quiet().await,
        "a second version was sent before the first was answered"
    );
    dataplane.ack(1).await;
    let delta = dataplane.delta().await;
    assert_eq!((delta.base.number, delta.next.number), (1, 49));
    held.apply(&delta.ops);
    assert_eq!(held.table(), &table(&["a", "x49"]));
}

#[tokio::test]
async fn after_a_restart_of_the_controller_an_equal_table_is_not_sent_again() {
    let controller = Controller::start(SOON);
    controller.publish(1, &table(&["a"]));
    let before = Version { epoch: 1, number: 77 };
    let mut dataplane = Dataplane::greet(&controller, Some(before), &table(&["a"])).await;
    let current = Version {
        epoch: EPOCH,
        number: 1,
    };
    assert_eq!(dataplane.receive().await, Some(ToDataplane::Current(current)));
    dataplane.ack(1).await;
    controller.publish(2, &table(&["a", "b"]));
    assert_eq!(dataplane.delta().await.base, current);

    // With another table it gets all of it.
    let mut other = Dataplane::greet(&controller, Some(before), &table(&["z"])).await;
    assert_eq!(other.snapshot().await.1.table(), &table(&["a", "b"]));
}

#[tokio::test]
async fn an_empty_table_is_sent_as_meant() {
    let controller = Controller::start(SOON);
    controller.publish(1, &RouteTable::default());
    let mut dataplane = Dataplane::greet(&controller, None, &RouteTable::default()).await;
    match dataplane.receive().await {
        Some(ToDataplane::SnapshotBegin(begin)) => assert!(begin.deliberately_empty),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn resync_brings_a_snapshot_but_not_in_a_hot_loop() {
    let controller = Controller::start(SOON);
    controller.publish(1, &table(&["a"]));
    let mut dataplane = Dataplane::greet(&controller, None, &RouteTable::default()).await;
    dataplane.snapshot().await;
    dataplane.ack(1).await;
    let start = tokio::time::Instant::now();
    for _ in 0..3 {
        dataplane.send(&ToController::Resync).await;
        assert_eq!(dataplane.snapshot().await.1.table(), &table(&["a"]));
    }
    assert!(
        start.elapsed() >= Duration::from_millis(500),
        "{:?}",
        start.elapsed()
    );
    dataplane.ack(1).await;
    controller.publish(2, &table(&["a", "b"]));
    assert_eq!(dataplane.delta().await.next.number, 2);
}

#[tokio::test]
async fn what_is_refused_is_known_and_the_next_change_is_sent_all_the_same() {
    let controller = Controller::start(SOON);
    controller.publish(1, &table(&["a"]));
    let mut dataplane = Dataplane::greet(&controller, None, &RouteTable::default()).await;
    let (version, held) = dataplane.snapshot().await;
    let resource = ResourceId::Route(*held.table().routes.keys().next().unwrap());
    let refused = ItemError {
        resource,
        message: "no".into(),
    };
    dataplane
        .send(&ToController::Nack(Nack::new(version, [refused.clone()])))
        .await;
    controller
        .peers(|peers| peers.iter().any(|peer| peer.refused == [refused.clone()]))
        .await;
    controller.publish(2, &table(&["a", "b"]));
    assert_eq!(dataplane.delta().await.base, version);
    dataplane.ack(2).await;
    controller
        .peers(|peers| peers.iter().any(|peer| peer.refused.is_empty()))
        .await;

    let stats = Stats {
        sessions_active: 3,
        ..Stats::default()
    };
    dataplane.send(&ToController::Stats(stats)).await;
    controller
        .peers(|peers| peers.iter().any(|peer| peer.stats == stats))
        .await;
    drop(dataplane);
    controller.peers(<[_]>::is_empty).await;
}

#[tokio::test]
async fn a_data_plane_that_reads_nothing_holds_up_no_other_and_is_given_up() {
    let controller = Controller::start(Duration::from_secs(2));
    // Larger than what the kernel buffers for the one that does not read.
    let names: Vec<String> = (0..20_000).map(|n| format!("service-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let large = table(&names);
    controller.publish(1, &large);
    let stuck = Dataplane::greet(&controller, None, &RouteTable::default()).await;
    stuck.stream.readable().await.unwrap();
    let mut quick = Dataplane::greet(&controller, None, &RouteTable::default()).await;
    assert_eq!(quick.snapshot().await.1.table().routes.len(), 20_000);
    quick.ack(1).await;
    controller
        .peers(|peers| peers.len() == 1 && peers[0].serves.is_some())
        .await;
}

#[tokio::test]
async fn no_answer_and_no_greeting_end_the_connection() {
    let controller = Controller::start(Duration::from_secs(1));
    controller.publish(1, &table(&["a"]));
    let mut silent = Dataplane::connect(&controller).await;
    assert_eq!(silent.receive().await, None);
    let mut mute = Dataplane::greet(&controller, None, &RouteTable::default()).await;
    mute.snapshot().await;
    assert_eq!(mute.receive().await, None);
    let mut wrong = Dataplane::connect(&controller).await;
    wrong.send(&ToController::Resync).await;
    assert_eq!(wrong.receive().await, None);
    let mut garbage = Dataplane::connect(&controller).await;
    garbage.stream.write_all(&[0xff; 64]).await.unwrap();
    assert_eq!(garbage.receive().await, None);
    // One that is up to date is left alone, however long nothing changes.
    let mut current = Dataplane::greet(&controller, None, &RouteTable::default()).await;
    current.snapshot().await;
    current.ack(1).await;
    assert!(
        timeout(Duration::from_millis(1500), current.receive())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn another_protocol_is_refused_with_ours() {
    let controller = Controller::start(SOON);
    let mut dataplane = Dataplane::connect(&controller).await;
    let hello = Hello {
        protocol: PROTOCOL + 1,
        boot_id: 9,
        have: None,
        digest: RouteTable::default().digest(),
    };
    dataplane.send(&ToController::Hello(hello)).await;
    assert_eq!(
        dataplane.receive().await,
        Some(ToDataplane::Refused { protocol: PROTOCOL })
    );
    assert_eq!(dataplane.receive().await, None);
}

#[tokio::test]
async fn the_socket_is_private_and_belongs_to_one_controller() {
    let controller = Controller::start(SOON);
    let socket = controller.socket();
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(Listener::bind(&socket), Err(ListenError::InUse(_))));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/for/it/sock");
    let first = Listener::bind(&path).unwrap();
    drop(first);
    assert!(!path.exists());
    // What a killed controller leaves behind is replaced.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    drop(Listener::bind(&path).unwrap());
    fs::write(&path, "precious").unwrap();
    assert!(matches!(Listener::bind(&path), Err(ListenError::NotASocket(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}
