//! The text that is given out: real names, real labels.

use routetable::{ObjectKind, ObjectRef, Route, RouteId, Timeouts};

use super::*;
use crate::control::ChannelStatus;
use crate::session::{EndedBy, Outcome, ProxyCause};
use crate::snapshot::Snapshot;
use crate::tunnel::{CloseCodes, SessionEnd, Traffic};

fn entry(rule: &str) -> RouteEntry {
    let source = ObjectRef {
        kind: ObjectKind::Ingress,
        namespace: "prod".into(),
        name: "chat".into(),
    };
    RouteEntry::new(
        Arc::new(Route {
            id: RouteId::new(&source, rule),
            source,
            rule: rule.into(),
            created: 0,
            order: 0,
            fallback: false,
            hosts: vec![],
            matches: vec![],
            backends: vec![],
            timeouts: Timeouts::default(),
            tls: routetable::RouteTls::default(),
        }),
        vec![],
    )
}

fn text(metrics: &Arc<Metrics>) -> String {
    let sample = Sample {
        snapshot: Arc::new(Snapshot::default()),
        channel: ChannelStatus::default(),
        workers: vec![],
        sessions: 0,
        draining: false,
        access_log_dropped: 3,
    };
    metrics.encode(sample).unwrap()
}

#[test]
fn counts_carry_the_names_and_labels_of_the_reference() {
    let metrics = Arc::new(Metrics::default());
    let took = Duration::from_millis(20);
    let route = entry("main");
    metrics.request(Some(&route), 200, None, took);
    metrics.request(Some(&route), 200, None, took);
    metrics.request(None, 404, Some(Reason::NoRoute), took);
    metrics.handshake(Some(&route), 101, None, took);
    metrics.handshake(Some(&route), 504, Some(Reason::HandshakeTimeout), took);
    metrics.config_push(PushResult::Applied, took);
    metrics.accept_failed();
    let text = text(&metrics);
    let r = r#"route_namespace="prod",route="chat",rule="main""#;
    let none = r#"route_namespace="",route="",rule="""#;
    for line in [
        format!(r#"holdfast_http_requests_total{{{r},code="200",reason=""}} 2"#),
        format!(r#"holdfast_http_requests_total{{{none},code="404",reason="NoRoute"}} 1"#),
        format!(r#"holdfast_http_request_duration_seconds_count{{{r}}} 2"#),
        format!(r#"holdfast_handshakes_total{{{r},code="101",reason=""}} 1"#),
        format!(r#"holdfast_handshakes_total{{{r},code="504",reason="HandshakeTimeout"}} 1"#),
        format!(r#"holdfast_handshake_duration_seconds_bucket{{le="0.025",{r}}} 1"#),
        format!(r#"holdfast_handshake_duration_seconds_count{{{r}}} 1"#),
        "holdfast_accept_errors_total 1".into(),
        r#"holdfast_config_push_total{process="dataplane",result="applied"} 1"#.into(),
        "holdfast_access_log_dropped_total 3".into(),
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
    }
    assert!(text.contains("\nprocess_cpu_seconds_total "));
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn sessions_count_from_their_101_to_their_end() {
    let metrics = Arc::new(Metrics::default());
    let route = entry("main");
    let set = routetable::EndpointSet {
        id: routetable::EndpointSetId::new("prod", "chat", "80"),
        namespace: "prod".into(),
        service: "chat".into(),
        port: "80".into(),
        endpoints: vec![],
    };
    let slot = EndpointSlot::new(&set, vec![]);
    metrics.session_started(&route, &slot);
    metrics.session_started(&route, &slot);
    let end = SessionEnd {
        id: 1,
        target: crate::tunnel::Target {
            object: routetable::ObjectId(1),
            route: route.route.id,
            endpoint_set: set.id,
            endpoint: ([10, 0, 0, 1], 80).into(),
        },
        duration: Duration::from_secs(30),
        from_client: Traffic {
            bytes: 10,
            messages: 1,
        },
        from_upstream: Traffic {
            bytes: 20,
            messages: 2,
        },
        codes: CloseCodes {
            to_client: Some(1012),
            ..CloseCodes::default()
        },
        ended_by: EndedBy::Proxy(ProxyCause::Shutdown),
        outcome: Outcome::DeadlineForced,
        context: (),
    };
    metrics.session_ended(&route, &slot, &end);
    assert_eq!(metrics.sessions(), (1, 2));
    let text = text(&metrics);
    let r = r#"route_namespace="prod",route="chat",rule="main""#;
    let rb = format!(r#"{r},backend_namespace="prod",backend="chat""#);
    let how = r#"initiator="proxy",code_class="going_away",reason="shutdown""#;
    for line in [
        format!("holdfast_connections_active{{{rb}}} 1"),
        format!("holdfast_connections_total{{{rb}}} 2"),
        format!("holdfast_connections_closed_total{{{rb},{how}}} 1"),
        format!("holdfast_connection_duration_seconds_count{{{r}}} 1"),
        format!(r#"holdfast_bytes_total{{{r},direction="to_upstream"}} 10"#),
        format!(r#"holdfast_bytes_total{{{r},direction="to_client"}} 20"#),
        r#"holdfast_drain_closed_total{scope="pod",outcome="forced"} 1"#.into(),
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
    }
}

#[test]
fn a_new_version_of_a_route_goes_on_with_its_counts() {
    let metrics = Arc::new(Metrics::default());
    for _ in 0..2 {
        metrics.request(Some(&entry("main")), 200, None, Duration::ZERO);
    }
    assert!(text(&metrics).contains(r#"rule="main",code="200",reason=""} 2"#));
}
