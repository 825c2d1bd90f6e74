//! Shares and counts over many picks with a fixed seed.

use std::collections::BTreeMap;

use arc_swap::ArcSwap;
use routetable::{
    EndpointSetId, HostPattern, ObjectKind, ObjectRef, PathMatch, Route, RouteId, RouteMatch, Timeouts,
};

use super::*;
use crate::snapshot::{EndpointGuard, EndpointSlot};

fn slot(name: &str, endpoints: &[(u16, EndpointState)]) -> Arc<EndpointSlot> {
    let live = endpoints
        .iter()
        .map(|&(port, state)| LiveEndpoint {
            state,
            endpoint: Arc::new(Endpoint::new(address(port))),
        })
        .collect();
    Arc::new(EndpointSlot {
        id: EndpointSetId::new("test", name, "80"),
        namespace: "test".into(),
        service: name.into(),
        port: "80".into(),
        endpoints: ArcSwap::from_pointee(live),
        series: Default::default(),
    })
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn route(backends: Vec<(u32, Arc<EndpointSlot>)>) -> RouteEntry {
    let source = ObjectRef {
        kind: ObjectKind::WebSocketRoute,
        namespace: "test".into(),
        name: "route".into(),
    };
    RouteEntry {
        route: Arc::new(Route {
            id: RouteId::new(&source, "0"),
            source,
            rule: "rule-0".into(),
            created: 0,
            order: 0,
            fallback: false,
            hosts: vec![HostPattern::Any],
            matches: vec![RouteMatch::path(PathMatch::Prefix(String::new()))],
            backends: vec![],
            timeouts: Timeouts::default(),
            tls: routetable::RouteTls::default(),
        }),
        backends: backends
            .into_iter()
            .map(|(weight, slot)| BackendEntry {
                weight,
                slot,
                protocol: crate::snapshot::Protocol::default(),
            })
            .collect(),
        series: Default::default(),
    }
}

fn shares(route: &RouteEntry, exclude: &[SocketAddr], picks: usize) -> BTreeMap<u16, usize> {
    let mut rng = Rng::with_seed(7);
    let mut shares = BTreeMap::new();
    for _ in 0..picks {
        let pick = pick(route, exclude, &mut rng).unwrap();
        *shares.entry(pick.endpoint.address.port()).or_default() += 1;
    }
    shares
}

use EndpointState::{Draining, NotReady, Ready};

#[test]
fn backends_share_by_weight() {
    let route = route(vec![
        (90, slot("a", &[(1, Ready)])),
        (10, slot("b", &[(2, Ready)])),
        (0, slot("c", &[(3, Ready)])),
    ]);
    let shares = shares(&route, &[], 20_000);
    assert!((17_700..18_300).contains(&shares[&1]), "{shares:?}");
    assert_eq!(shares[&1] + shares[&2], 20_000, "weight 0 takes none");
}

#[test]
fn a_backend_without_endpoints_gives_its_share_away() {
    let route = route(vec![
        (90, slot("a", &[(1, NotReady)])),
        (10, slot("b", &[(2, Ready)])),
    ]);
    assert_eq!(shares(&route, &[], 100), BTreeMap::from([(2, 100)]));
    let excluded = [address(2)];
    assert!(pick(&route, &excluded, &mut Rng::with_seed(1)).is_none());
}

#[test]
fn ties_are_drawn_evenly() {
    let endpoints: Vec<_> = (1..=5).map(|port| (port, Ready)).collect();
    let route = route(vec![(1, slot("a", &endpoints))]);
    let shares = shares(&route, &[], 10_000);
    assert_eq!(shares.len(), 5);
    assert!(shares.values().all(|n| (1_800..2_200).contains(n)), "{shares:?}");
}

#[test]
fn the_endpoint_with_the_least_work_wins() {
    let route = route(vec![(1, slot("a", &[(1, Ready), (2, Ready), (3, Ready)]))]);
    let mut rng = Rng::with_seed(3);
    let mut guards = Vec::new();
    for _ in 0..30 {
        guards.push(EndpointGuard::new(&pick(&route, &[], &mut rng).unwrap().endpoint));
    }
    let active: Vec<_> = route.backends[0]
        .slot
        .endpoints
        .load()
        .iter()
        .map(|l| l.endpoint.active())
        .collect();
    assert_eq!(active, [10, 10, 10]);
    guards.retain(|guard| guard.address() != address(2));
    assert_eq!(pick(&route, &[], &mut rng).unwrap().endpoint.address, address(2));
}

#[test]
fn draining_endpoints_serve_only_when_none_is_ready() {
    let both = route(vec![(1, slot("a", &[(1, Ready), (2, Draining)]))]);
    assert_eq!(shares(&both, &[], 100), BTreeMap::from([(1, 100)]));
    let draining = route(vec![(1, slot("a", &[(1, NotReady), (2, Draining)]))]);
    assert_eq!(shares(&draining, &[], 100), BTreeMap::from([(2, 100)]));
}

#[test]
fn an_excluded_endpoint_is_not_picked_again() {
    let route = route(vec![(1, slot("a", &[(1, Ready), (2, Ready)]))]);
    assert_eq!(shares(&route, &[address(1)], 50), BTreeMap::from([(2, 50)]));
}
