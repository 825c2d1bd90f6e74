//! A controller for tests: listens on a real Unix socket and says exactly what the test wants.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a failing peer fails the test")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use routetable::wire::{
    Delta, FrameError, Hello, ToController, ToDataplane, Version, decode_frame, encode_frame, snapshot_frames,
};
use routetable::{
    Endpoint, EndpointSet, EndpointSetId, EndpointState, HostPattern, ObjectKind, ObjectRef, PathMatch,
    Route, RouteId, RouteMatch, RouteTable, Timeouts, ValueMatch, ValuePattern, WeightedBackend,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// Anything that should happen happens within this time.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for `future` with a deadline that names what was waited for.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(output) => output,
        Err(_) => panic!("in vain: {what}"),
    }
}

/// Polls until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    within(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

pub(crate) struct Fake {
    dir: tempfile::TempDir,
    listener: UnixListener,
}

impl Fake {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("control.sock")).unwrap();
        Self { dir, listener }
    }

    /// A new controller on the same socket, whose file is gone.
    pub(crate) fn returns(self) -> Self {
        let listener = UnixListener::bind(self.socket()).unwrap();
        Self { listener, ..self }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("control.sock")
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// The next connection, with the Hello that it began with.
    pub(crate) async fn accept(&self) -> (Link, Hello) {
        let (stream, _) = within("a data plane that connects", self.listener.accept())
            .await
            .unwrap();
        let mut link = Link {
            stream,
            pending: Vec::new(),
        };
        match link.receive().await {
            ToController::Hello(hello) => (link, hello),
            other => panic!("expected a Hello, got {other:?}"),
        }
    }
}

pub(crate) struct Link {
    stream: UnixStream,
    pending: Vec<u8>,
}

impl Link {
    pub(crate) async fn send(&mut self, message: ToDataplane) {
        self.send_bytes(&encode_frame(&message).unwrap()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        within("room in the socket", self.stream.write_all(bytes))
            .await
            .unwrap();
    }

    pub(crate) async fn send_snapshot(&mut self, table: &RouteTable, version: Version) {
        for frame in snapshot_frames(table, version).unwrap() {
            self.send_bytes(&frame).await;
        }
    }

    /// The next message that is no Stats.
    pub(crate) async fn answer(&mut self) -> ToController {
        loop {
            match self.receive().await {
                ToController::Stats(_) => {}
                other => return other,
            }
        }
    }

    pub(crate) async fn expect(&mut self, expected: ToController) {
        let got = self.answer().await;
        assert_eq!(got, expected);
    }

    pub(crate) async fn receive(&mut self) -> ToController {
        within("a message", self.try_receive())
            .await
            .expect("the data plane hung up")
    }

    /// Reads until the data plane hangs up.
    pub(crate) async fn expect_hang_up(&mut self) {
        within("a hang-up", async { while self.try_receive().await.is_some() {} }).await;
    }

    async fn try_receive(&mut self) -> Option<ToController> {
        let mut chunk = [0; 4096];
        loop {
            match decode_frame(&self.pending) {
                Ok((message, used)) => {
                    self.pending.drain(..used);
                    return Some(message);
                }
                Err(error) => assert_eq!(error, FrameError::Truncated),
            }
            match self.stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return None,
                Ok(n) => self.pending.extend_from_slice(&chunk[..n]),
            }
        }
    }
}

pub(crate) fn version(number: u64) -> Version {
    Version { epoch: 77, number }
}

pub(crate) fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

pub(crate) fn set(service: &str, addresses: &[SocketAddr]) -> EndpointSet {
    let endpoint = |address: &SocketAddr| Endpoint {
        address: *address,
        state: EndpointState::Ready,
    };
    EndpointSet {
        id: EndpointSetId::new("prod", service, "80"),
        namespace: "prod".into(),
        service: service.into(),
        port: "80".into(),
        endpoints: addresses.iter().map(endpoint).collect(),
    }
}

/// Everything on `name`.example.com goes to the service of the same name.
pub(crate) fn route(name: &str) -> Route {
    let source = ObjectRef {
        kind: ObjectKind::WebSocketRoute,
        namespace: "prod".into(),
        name: name.into(),
    };
    Route {
        id: RouteId::new(&source, "main"),
        source,
        rule: "main".into(),
        created: 0,
        order: 0,
        fallback: false,
        hosts: vec![HostPattern::Exact(format!("{name}.example.com"))],
        matches: vec![RouteMatch::path(PathMatch::Prefix(String::new()))],
        backends: vec![WeightedBackend {
            endpoint_set: EndpointSetId::new("prod", name, "80"),
            weight: 1,
            protocol: routetable::BackendProtocol::default(),
        }],
        timeouts: Timeouts::default(),
        tls: routetable::RouteTls::default(),
    }
}

/// A route that no data plane can serve.
pub(crate) fn with_bad_regex(mut route: Route) -> Route {
    route.matches[0].headers = vec![ValueMatch {
        name: "x-room".into(),
        value: ValuePattern::Regex("(".into()),
    }];
    route
}

pub(crate) fn table(
    routes: impl IntoIterator<Item = Route>,
    sets: impl IntoIterator<Item = EndpointSet>,
) -> RouteTable {
    RouteTable {
        routes: routes.into_iter().map(|r| (r.id, Arc::new(r))).collect(),
        endpoint_sets: sets.into_iter().map(|s| (s.id, Arc::new(s))).collect(),
        ..RouteTable::default()
    }
}

/// A table in which each name is a route, a service and a port.
pub(crate) fn simple(names: &[(&str, u16)]) -> RouteTable {
    table(
        names.iter().map(|(name, _)| route(name)),
        names.iter().map(|(name, port)| set(name, &[address(*port)])),
    )
}

pub(crate) fn delta(from: (&RouteTable, u64), to: (&RouteTable, u64)) -> ToDataplane {
    ToDataplane::Delta(Delta {
        base: version(from.1),
        next: version(to.1),
        ops: from.0.diff(to.0),
        digest: to.0.digest(),
    })
}
