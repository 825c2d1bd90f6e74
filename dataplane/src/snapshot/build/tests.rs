//! What keeps its identity through a change, and what stands after it.

use routetable::{
    EndpointState, HostPattern, ObjectId, ObjectKind, ObjectRef, PathMatch, RouteId, RouteMatch, RouteTable,
    Timeouts, WeightedBackend,
};

use super::*;
use crate::snapshot::EndpointGuard;
use crate::tunnel::Standing::{EndpointGone, RouteGone, Stands};
use crate::tunnel::Target;

fn set(service: &str, ports: &[u16]) -> Arc<EndpointSet> {
    let endpoints = ports.iter().map(|port| routetable::Endpoint {
        address: SocketAddr::from(([127, 0, 0, 1], *port)),
        state: EndpointState::Ready,
    });
    Arc::new(EndpointSet {
        id: EndpointSetId::new("prod", service, "80"),
        namespace: "prod".into(),
        service: service.into(),
        port: "80".into(),
        endpoints: endpoints.collect(),
    })
}

fn target(route: &Route, set: &EndpointSet, port: u16) -> Target {
    Target {
        object: ObjectId::new(&route.source),
        route: route.id,
        endpoint_set: set.id,
        endpoint: address(port),
    }
}

fn route(name: &str, backends: &[(&EndpointSet, u32)]) -> Route {
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
        backends: backends
            .iter()
            .map(|(set, weight)| WeightedBackend {
                endpoint_set: set.id,
                weight: *weight,
                protocol: routetable::BackendProtocol::default(),
            })
            .collect(),
        timeouts: Timeouts::default(),
        tls: routetable::RouteTls::default(),
    }
}

/// A version that can't serve: it refers to a set that is not in the table.
fn bad(mut route: Route) -> Route {
    route.backends.push(WeightedBackend {
        endpoint_set: EndpointSetId(1),
        weight: 1,
        protocol: routetable::BackendProtocol::default(),
    });
    route
}

fn table<'a>(
    routes: impl IntoIterator<Item = &'a Route>,
    sets: impl IntoIterator<Item = &'a Arc<EndpointSet>>,
) -> RouteTable {
    RouteTable {
        certificates: routetable::SharedMap::default(),
        server_names: routetable::SharedMap::default(),
        routes: routes.into_iter().map(|r| (r.id, Arc::new(r.clone()))).collect(),
        endpoint_sets: sets.into_iter().map(|s| (s.id, Arc::clone(s))).collect(),
    }
}

fn builder(table: &RouteTable) -> Builder {
    let mut builder = Builder::new(Arc::default());
    builder.apply(&RouteTable::default().diff(table));
    builder
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[test]
fn what_did_not_change_is_the_same_object() {
    let (chat, feed) = (set("chat", &[1, 2]), set("feed", &[3]));
    let (a, mut b) = (route("a", &[(&chat, 1)]), route("b", &[(&feed, 1)]));
    let old = table([&a, &b], [&chat, &feed]);
    let mut builder = builder(&old);
    let before = builder.current();

    b.timeouts.idle = None;
    let feed_more = set("feed", &[3, 4]);
    let new = table([&a, &b], [&chat, &feed_more]);
    builder.apply(&old.diff(&new));
    let after = builder.current();

    assert!(Arc::ptr_eq(
        before.route(a.id).unwrap(),
        after.route(a.id).unwrap()
    ));
    assert!(!Arc::ptr_eq(
        before.route(b.id).unwrap(),
        after.route(b.id).unwrap()
    ));
    assert!(Arc::ptr_eq(
        before.slot(feed.id).unwrap(),
        after.slot(feed.id).unwrap()
    ));
    assert!(Arc::ptr_eq(
        &after.route(b.id).unwrap().backends[0].slot,
        before.slot(feed.id).unwrap()
    ));
    assert_eq!(after.slot(feed.id).unwrap().endpoints.load().len(), 2);
}

#[test]
fn an_equal_snapshot_of_another_controller_run_touches_nothing() {
    let chat = set("chat", &[1]);
    let old = table([&route("a", &[(&chat, 1)])], [&chat]);
    let mut builder = builder(&old);
    let (before, list) = (
        builder.current(),
        builder.current().slot(chat.id).unwrap().endpoints.load_full(),
    );
    // The same content, put again rather than left out.
    builder.apply(&RouteTable::default().diff(&old));
    let id = *old.routes.keys().next().unwrap();
    assert!(Arc::ptr_eq(
        before.route(id).unwrap(),
        builder.current().route(id).unwrap()
    ));
    assert!(Arc::ptr_eq(
        &list,
        &builder.current().slot(chat.id).unwrap().endpoints.load_full()
    ));
}

#[test]
fn a_changed_state_keeps_the_endpoint_and_its_count() {
    let chat = set("chat", &[1]);
    let mut builder = builder(&table([&route("a", &[(&chat, 1)])], [&chat]));
    let slot = Arc::clone(builder.current().slot(chat.id).unwrap());
    let _work = EndpointGuard::new(&slot.endpoints.load()[0].endpoint);

    let mut draining = (*chat).clone();
    draining.endpoints[0].state = EndpointState::Draining;
    builder.apply(&[Op::PutEndpointSet(Arc::new(draining))]);
    let live = slot.endpoints.load()[0].clone();
    assert_eq!((live.state, live.endpoint.active()), (EndpointState::Draining, 1));
}

#[test]
fn an_endpoint_that_returns_while_work_goes_on_has_its_count_back() {
    let chat = set("chat", &[1]);
    let mut builder = builder(&table([&route("a", &[(&chat, 1)])], [&chat]));
    let slot = Arc::clone(builder.current().slot(chat.id).unwrap());
    let work = EndpointGuard::new(&slot.endpoints.load()[0].endpoint);

    builder.apply(&[Op::PutEndpointSet(set("chat", &[2]))]);
    builder.apply(&[Op::PutEndpointSet(set("chat", &[1, 2]))]);
    assert_eq!(slot.endpoints.load()[0].endpoint.active(), 1);

    drop(work);
    builder.apply(&[Op::PutEndpointSet(set("chat", &[2]))]);
    builder.apply(&[Op::PutEndpointSet(set("chat", &[2]))]);
    assert!(
        builder.departed.is_empty(),
        "nothing is remembered of an endpoint without work"
    );
}

#[test]
fn a_session_stands_while_its_route_exists_and_nobody_says_that_its_endpoint_is_gone() {
    let (chat, feed) = (set("chat", &[1]), set("feed", &[3]));
    let a = route("a", &[(&chat, 1), (&feed, 1)]);
    let mut builder = builder(&table([&a], [&chat, &feed]));
    let stands = |b: &Builder, s: &EndpointSet, port| b.current().judge(&target(&a, s, port));
    assert_eq!(stands(&builder, &chat, 1), Stands);
    assert_eq!(stands(&builder, &feed, 1), EndpointGone, "another set's address");

    builder.apply(&[Op::PutRoute(Arc::new(route("a", &[(&chat, 0), (&feed, 1)])))]);
    assert_eq!(
        stands(&builder, &chat, 1),
        Stands,
        "weight 0 takes no new work, but lets old work go on"
    );

    let mut not_ready = (*chat).clone();
    not_ready.endpoints[0].state = EndpointState::NotReady;
    builder.apply(&[Op::PutEndpointSet(Arc::new(not_ready))]);
    assert_eq!(stands(&builder, &chat, 1), Stands, "not ready is not gone");

    builder.apply(&[Op::PutEndpointSet(set("chat", &[2]))]);
    assert_eq!(stands(&builder, &chat, 1), EndpointGone);
    builder.apply(&[
        Op::PutRoute(Arc::new(route("a", &[(&chat, 1)]))),
        Op::RemoveEndpointSet(feed.id),
    ]);
    assert_eq!(
        stands(&builder, &feed, 3),
        Stands,
        "the route leads elsewhere now"
    );
    builder.apply(&[Op::RemoveRoute(a.id)]);
    assert_eq!(stands(&builder, &chat, 2), RouteGone);
}

#[test]
fn a_session_outlives_its_rule_while_its_object_leads_to_its_backend() {
    let (chat, feed) = (set("chat", &[1]), set("feed", &[3]));
    let a = route("a", &[(&chat, 1)]);
    let renamed = Route {
        id: RouteId::new(&a.source, "renamed"),
        ..a.clone()
    };
    let elsewhere = Route {
        backends: route("a", &[(&feed, 1)]).backends,
        ..renamed.clone()
    };
    let mut builder = builder(&table([&a, &route("b", &[(&chat, 1)])], [&chat, &feed]));
    let judge = |b: &Builder| b.current().judge(&target(&a, &chat, 1));

    builder.apply(&[Op::PutRoute(Arc::new(renamed.clone())), Op::RemoveRoute(a.id)]);
    assert_eq!(judge(&builder), Stands);
    builder.apply(&[Op::PutRoute(Arc::new(renamed.clone()))]);
    builder.apply(&[Op::PutRoute(Arc::new(elsewhere))]);
    assert_eq!(
        judge(&builder),
        RouteGone,
        "another object's rule does not keep it"
    );
    builder.apply(&[Op::PutRoute(Arc::new(renamed.clone()))]);
    assert_eq!(judge(&builder), Stands);
    builder.apply(&[Op::RemoveRoute(renamed.id)]);
    assert_eq!(judge(&builder), RouteGone);
}

#[test]
fn a_bad_route_is_named_while_its_last_good_version_and_the_others_serve() {
    let chat = set("chat", &[1]);
    let (a, b) = (route("a", &[(&chat, 1)]), route("b", &[(&chat, 1)]));
    let mut builder = builder(&table([&a], [&chat]));
    let before = builder.current();

    builder.apply(&[
        Op::PutRoute(Arc::new(bad(a.clone()))),
        Op::PutRoute(Arc::new(b.clone())),
    ]);
    let failing: Vec<_> = builder.failing().collect();
    assert_eq!(failing.len(), 1);
    assert_eq!(failing[0].resource, ResourceId::Route(a.id));
    assert!(
        failing[0]
            .message
            .contains("0000000000000001 is not in the table"),
        "{}",
        failing[0].message
    );
    let after = builder.current();
    assert!(Arc::ptr_eq(
        before.route(a.id).unwrap(),
        after.route(a.id).unwrap()
    ));
    assert!(after.route(b.id).is_some());

    builder.apply(&[Op::PutRoute(Arc::new(a.clone()))]);
    assert_eq!(builder.failing().count(), 0);
}

#[test]
fn a_set_out_of_order_serves_all_the_same() {
    let chat = set("chat", &[5, 1, 3]);
    let a = route("a", &[(&chat, 1)]);
    let mut builder = builder(&table([&a], [&chat]));
    let stands = |b: &Builder, port| b.current().judge(&target(&a, &chat, port));
    assert_eq!([1, 3, 5].map(|port| stands(&builder, port)), [Stands; 3]);
    builder.apply(&[Op::PutEndpointSet(set("chat", &[9, 3, 2]))]);
    assert_eq!([2, 3, 9].map(|port| stands(&builder, port)), [Stands; 3]);
    assert_eq!([1, 5].map(|port| stands(&builder, port)), [EndpointGone; 2]);
}

#[test]
fn a_last_good_version_that_outlived_its_set_is_attached_to_the_new_one() {
    let (chat, feed) = (set("chat", &[1]), set("feed", &[2]));
    let a = route("a", &[(&chat, 1)]);
    let mut builder = builder(&table([&a], [&chat]));
    builder.apply(&[
        Op::PutEndpointSet(feed.clone()),
        Op::PutRoute(Arc::new(bad(route("a", &[(&feed, 1)])))),
        Op::RemoveEndpointSet(chat.id),
    ]);
    assert_eq!(builder.current().judge(&target(&a, &chat, 1)), Stands);
    builder.apply(&[
        Op::PutEndpointSet(set("chat", &[5])),
        Op::PutRoute(Arc::new(a.clone())),
    ]);
    assert_eq!(builder.current().judge(&target(&a, &chat, 5)), Stands);
}

fn server_name(host: HostPattern, certificate: u64) -> Op {
    Op::PutServerName(Arc::new(routetable::ServerName {
        id: routetable::ServerNameId::new(&host),
        host,
        certificates: vec![routetable::CertificateId(certificate)],
        min_version: routetable::TlsVersion::V12,
        client: None,
    }))
}

fn certificate(id: u64) -> Op {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    Op::PutCertificate(Arc::new(routetable::Certificate {
        id: routetable::CertificateId(id),
        namespace: "prod".into(),
        secret: format!("tls-{id}"),
        chain: vec![params.self_signed(&key).unwrap().der().to_vec()],
        key: routetable::PrivateKey(key.serialize_der()),
    }))
}

#[test]
fn a_name_is_answered_by_who_has_it_or_by_nobody() {
    let asked = |snapshot: &Snapshot, name: Option<&str>| {
        let entry = snapshot.server_name(name)?;
        Some(entry.name.as_ref().map(|name| name.host.to_string()))
    };
    let named = |host: &str| Some(Some(host.to_owned()));
    for refuses_unknown_names in [false, true] {
        let basis = TlsBasis {
            refuses_unknown_names,
            ..TlsBasis::default()
        };
        let mut builder = Builder::with_tls(Arc::default(), basis);
        let wildcard = HostPattern::Wildcard("wild.test".into());
        let exact = |host: &str| HostPattern::Exact(host.into());
        builder.apply(&[
            certificate(1),
            server_name(exact("a.test"), 1),
            server_name(exact("b.wild.test"), 1),
            server_name(wildcard, 1),
        ]);
        let snapshot = builder.current();
        assert_eq!(asked(&snapshot, Some("a.test")), named("a.test"));
        assert_eq!(asked(&snapshot, Some("a.test.")), named("a.test"));
        assert_eq!(asked(&snapshot, Some("b.wild.test")), named("b.wild.test"));
        assert_eq!(asked(&snapshot, Some("c.wild.test")), named("*.wild.test"));
        // Nobody has these; the stand-in answers, or nobody.
        let unknown = (!refuses_unknown_names).then_some(None);
        for name in ["wild.test", "d.c.wild.test", "z.test"] {
            assert_eq!(asked(&snapshot, Some(name)), unknown, "{name}");
        }
        assert_eq!(asked(&snapshot, None), Some(None));
        builder.apply(&[server_name(HostPattern::Any, 1)]);
        let any = if refuses_unknown_names { None } else { named("*") };
        assert_eq!(asked(&builder.current(), Some("z.test")), any);
        assert_eq!(asked(&builder.current(), None), named("*"));
    }
}

#[test]
fn a_name_leads_to_its_certificate_through_every_change() {
    let mut builder = Builder::new(Arc::default());
    let host = HostPattern::Exact("a.test".into());
    // Its certificate is not there: it is not served, and says so.
    builder.apply(&[server_name(host.clone(), 1)]);
    assert_eq!(builder.failing().count(), 1);
    builder.apply(&[certificate(1), server_name(host.clone(), 1)]);
    assert_eq!(builder.failing().count(), 0);
    let entry = |builder: &Builder| Arc::clone(builder.current().server_name(Some("a.test")).unwrap());
    let first = entry(&builder);
    let shown = first.certificates[0].shown().unwrap();
    // A rotation changes what is shown and nothing else.
    builder.apply(&[certificate(1)]);
    assert!(Arc::ptr_eq(&first, &entry(&builder)));
    assert!(!Arc::ptr_eq(&shown, &first.certificates[0].shown().unwrap()));
    // The same again is no change.
    builder.apply(&[server_name(host.clone(), 1)]);
    assert!(Arc::ptr_eq(&first, &entry(&builder)));
    // Removed and put again, with another slot.
    builder.apply(&[Op::RemoveCertificate(routetable::CertificateId(1))]);
    builder.apply(&[certificate(1), server_name(host, 1)]);
    assert!(!Arc::ptr_eq(&first, &entry(&builder)));
    builder.apply(&[Op::RemoveServerName(first.name.as_ref().unwrap().id)]);
    assert!(entry(&builder).name.is_none());
}
