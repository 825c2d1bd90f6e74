//! The admin port over loopback, spoken to with plain bytes.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "fake/controller.rs"]
mod fake;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use dataplane::access_log::AccessLog;
use dataplane::admin::{View, serve};
use dataplane::config::Settings;
use dataplane::control::ChannelStatus;
use dataplane::fleet::Fleet;
use dataplane::listener;
use dataplane::local::{Limits, Secure, Shared, Trust};
use dataplane::metrics::Metrics;
use dataplane::snapshot::build::Builder;
use dataplane::snapshot::{EndpointGuard, Snapshot};
use dataplane::worker::Listeners;
use routetable::RouteTable;
use tokio::sync::watch;

struct Port {
    address: SocketAddr,
    snapshot: Arc<ArcSwap<Snapshot>>,
    metrics: Arc<Metrics>,
    channel: watch::Sender<ChannelStatus>,
    draining: watch::Sender<bool>,
}

impl Port {
    fn open() -> Self {
        let snapshot = Arc::<ArcSwap<Snapshot>>::default();
        let metrics = Arc::new(Metrics::default());
        let (channel, channel_view) = watch::channel(ChannelStatus::default());
        let (draining, draining_view) = watch::channel(false);
        let args = ["holdfast-dataplane", "--drain-window", "90s"];
        let shared = Shared::new(
            Arc::clone(&snapshot),
            Arc::clone(&metrics),
            Arc::new(AccessLog::default()),
            Limits::default(),
            Trust::default(),
            Secure::default(),
        );
        let clients = listener::bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let clients = clients.into_iter().map(|plain| Listeners { plain, secure: None });
        let view = View {
            fleet: Fleet::start(clients.collect(), &Arc::new(shared), 1).unwrap(),
            snapshot: Arc::clone(&snapshot),
            metrics: Arc::clone(&metrics),
            access_log: Arc::new(AccessLog::default()),
            channel: channel_view,
            draining: draining_view,
            settings: Arc::new(Settings::load(args.map(Into::into)).unwrap()),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = serve(listener, view).unwrap().address();
        Self {
            address,
            snapshot,
            metrics,
            channel,
            draining,
        }
    }

    fn ask(&self, method: &str, path: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_owned(), body.to_owned())
    }

    fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.ask("GET", path);
        (status, body)
    }
}

#[test]
fn readiness_says_why_not() {
    let port = Port::open();
    assert_eq!(port.get("/healthz"), (200, "ok\n".into()));
    let (status, body) = port.get("/readyz");
    assert_eq!(status, 503);
    assert!(body.starts_with("no route table yet"), "{body}");

    // With a table, the controller's absence does not matter.
    port.channel.send_modify(|status| status.table_received = true);
    assert_eq!(port.get("/readyz"), (200, "ready\n".into()));
    port.draining.send_replace(true);
    let (status, body) = port.get("/readyz");
    assert_eq!(status, 503);
    assert!(body.starts_with("draining"), "{body}");
    assert_eq!(port.get("/healthz").0, 200);
}

#[test]
fn metrics_are_openmetrics() {
    let port = Port::open();
    let mut builder = Builder::new(Arc::clone(&port.snapshot));
    let table = fake::table(
        [fake::route("chat")],
        [fake::set("chat", &[fake::address(1), fake::address(2)])],
    );
    builder.apply(&RouteTable::default().diff(&table));
    let slot = Arc::clone(port.snapshot.load().slots().next().unwrap());
    let _busy = EndpointGuard::new(&slot.endpoints.load()[0].endpoint);
    port.metrics.upstream_connected(&slot, Duration::from_millis(2));

    let (status, head, body) = port.ask("GET", "/metrics");
    assert_eq!(status, 200);
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    let b = r#"backend_namespace="prod",backend="chat""#;
    for line in [
        format!(r#"holdfast_backend_endpoints{{{b},state="ready"}} 2"#),
        format!("holdfast_backend_imbalance_ratio{{{b}}} 2.0"),
        format!("holdfast_upstream_connect_duration_seconds_count{{{b}}} 1"),
        "holdfast_controller_connected 0".into(),
        r#"holdfast_worker_sessions{worker="1"} 0"#.into(),
        r#"holdfast_worker_connections{worker="0"} 0"#.into(),
        "holdfast_sessions_cut_by_config_total 0".into(),
        r#"holdfast_drain_active{scope="pod"} 0"#.into(),
    ] {
        assert!(body.lines().any(|l| l == line), "{line} is missing in\n{body}");
    }
    assert!(body.ends_with("# EOF\n"));
    // Every family has its help and type before its first sample, and no family comes twice.
    let types: Vec<&str> = body.lines().filter_map(|l| l.strip_prefix("# TYPE ")).collect();
    let mut unique = types.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(types.len(), unique.len());
}

#[test]
fn the_dump_shows_what_serves() {
    let port = Port::open();
    let mut builder = Builder::new(Arc::clone(&port.snapshot));
    builder.apply(&RouteTable::default().diff(&fake::simple(&[("feed", 2), ("chat", 1)])));
    port.channel
        .send_modify(|status| status.version = Some(fake::version(3)));

    let (status, body) = port.get("/config");
    assert_eq!(status, 200);
    let dump: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(dump["version"]["number"], 3);
    assert_eq!(dump["settings"]["drain-window"], "1m 30s");
    assert_eq!(dump["routes"][0]["source"], "WebSocketRoute prod/chat");
    assert_eq!(dump["routes"][0]["hosts"][0], "chat.example.com");
    assert_eq!(dump["routes"][0]["backends"][0]["service"], "prod/chat:80");
    assert_eq!(dump["routes"][1]["source"], "WebSocketRoute prod/feed");
    assert_eq!(dump["endpointSets"][0]["endpoints"][0]["state"], "ready");
    assert_eq!(dump["endpointSets"][0]["endpoints"][0]["active"], 0);
    assert_eq!(port.get("/config").1, body, "the order is stable");
}

#[test]
fn what_is_not_there_names_what_is() {
    let port = Port::open();
    let (status, body) = port.get("/metricz");
    assert_eq!(status, 404);
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/version",
        "/config",
        "/connections",
    ] {
        assert!(body.contains(path), "{body}");
        assert_ne!(port.get(path).0, 404, "{path}");
    }
    let (status, head, _) = port.ask("POST", "/config");
    assert_eq!(status, 405);
    assert!(head.contains("allow: GET, HEAD"), "{head}");
    assert_eq!(port.get("/connections?limit=0").0, 400);
    let (status, body) = port.get("/connections?route=prod/nobody");
    assert_eq!(status, 400);
    assert!(body.contains("'prod/nobody' does not"), "{body}");
    let version: serde_json::Value = serde_json::from_str(&port.get("/version").1).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
}
