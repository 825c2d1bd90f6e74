//! What a change of the table costs, from its operations to the snapshot that serves. It should not
//! depend on the size of the table.
//!
//! `cargo bench -p dataplane --bench apply`

use std::net::SocketAddr;
use std::sync::Arc;

use dataplane::snapshot::build::Builder;
use divan::{Bencher, black_box};
use routetable::canonical::Op;
use routetable::{
    Endpoint, EndpointSet, EndpointSetId, EndpointState, HostPattern, ObjectKind, ObjectRef, PathMatch,
    Route, RouteId, RouteMatch, RouteTable, Timeouts, WeightedBackend,
};

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

fn main() {
    divan::main();
}

fn set(n: usize, endpoints: u16) -> Arc<EndpointSet> {
    let service = format!("app-{n}");
    let endpoint = |port| Endpoint {
        address: SocketAddr::from(([10, 0, 0, 1], port)),
        state: EndpointState::Ready,
    };
    Arc::new(EndpointSet {
        id: EndpointSetId::new("prod", &service, "80"),
        namespace: "prod".into(),
        service,
        port: "80".into(),
        endpoints: (1..=endpoints).map(endpoint).collect(),
    })
}

fn route(n: usize, weight: u32) -> Arc<Route> {
    let source = ObjectRef {
        kind: ObjectKind::WebSocketRoute,
        namespace: "prod".into(),
        name: format!("app-{n}"),
    };
    Arc::new(Route {
        id: RouteId::new(&source, "main"),
        source,
        rule: "main".into(),
        created: 0,
        order: 0,
        fallback: false,
        hosts: vec![HostPattern::Exact(format!("app-{n}.example.com"))],
        matches: vec![RouteMatch::path(PathMatch::Prefix(String::new()))],
        backends: vec![WeightedBackend {
            endpoint_set: EndpointSetId::new("prod", &format!("app-{n}"), "80"),
            weight,
            protocol: routetable::BackendProtocol::default(),
        }],
        timeouts: Timeouts::default(),
        tls: routetable::RouteTls::default(),
    })
}

fn whole(size: usize) -> Vec<Op> {
    let sets = (0..size).map(|n| set(n, 5)).map(|set| (set.id, set));
    let routes = (0..size).map(|n| route(n, 1)).map(|route| (route.id, route));
    let table = RouteTable {
        routes: routes.collect(),
        endpoint_sets: sets.collect(),
        ..RouteTable::default()
    };
    RouteTable::default().diff(&table)
}

fn serving(size: usize) -> Builder {
    let mut builder = Builder::new(Arc::default());
    builder.apply(&whole(size));
    builder
}

/// A first table, one route and five endpoints a host.
#[divan::bench(args = SIZES, sample_count = 10)]
fn whole_table(bencher: Bencher, size: usize) {
    bencher.with_inputs(|| whole(size)).bench_refs(|ops| {
        let mut builder = Builder::new(Arc::default());
        builder.apply(ops);
        builder
    });
}

/// An endpoint comes and goes.
#[divan::bench(args = SIZES)]
fn one_endpoint_set(bencher: Bencher, size: usize) {
    let mut builder = serving(size);
    let states = [[Op::PutEndpointSet(set(7, 6))], [Op::PutEndpointSet(set(7, 5))]];
    let mut turn = 0;
    bencher.bench_local(|| {
        builder.apply(black_box(&states[turn % 2]));
        turn += 1;
    });
}

/// A route's weight changes, and back.
#[divan::bench(args = SIZES)]
fn one_route(bencher: Bencher, size: usize) {
    let mut builder = serving(size);
    let states = [[Op::PutRoute(route(7, 2))], [Op::PutRoute(route(7, 1))]];
    let mut turn = 0;
    bencher.bench_local(|| {
        builder.apply(black_box(&states[turn % 2]));
        turn += 1;
    });
}
