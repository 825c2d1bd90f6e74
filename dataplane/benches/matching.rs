//! Finding a route among 100,000, and changing one host of them.
//!
//! `cargo bench -p dataplane --bench matching`

#![allow(clippy::unwrap_used, reason = "benches fail by panicking")]

use std::sync::Arc;

use divan::Bencher;
use http::HeaderMap;
use routetable::matching::{Index, RequestView};
use routetable::{HostPattern, ObjectKind, ObjectRef, PathMatch, Route, RouteId, RouteMatch, Timeouts};

fn main() {
    divan::main();
}

/// Hosts times paths of each.
const SHAPES: [(usize, usize); 4] = [(100_000, 1), (20_000, 5), (1_000, 100), (1, 100_000)];

fn route(host: usize, path: usize) -> Arc<Route> {
    let source = ObjectRef {
        kind: ObjectKind::WebSocketRoute,
        namespace: format!("team-{}", host % 50),
        name: format!("app-{host}"),
    };
    let rule = format!("rule-{path}");
    Arc::new(Route {
        id: RouteId::new(&source, &rule),
        source,
        rule,
        created: 1_700_000_000,
        order: path as u32,
        fallback: false,
        hosts: vec![HostPattern::Exact(format!("app-{host}.team.example.com"))],
        matches: vec![RouteMatch::path(PathMatch::Prefix(format!(
            "/api/v{}/room-{path}",
            path % 7
        )))],
        backends: vec![],
        timeouts: Timeouts::default(),
        tls: routetable::RouteTls::default(),
    })
}

fn index((hosts, paths): (usize, usize)) -> Index<Arc<u64>> {
    let mut index = Index::default();
    for host in 0..hosts {
        for path in 0..paths {
            let route = route(host, path);
            let target = Arc::new(route.id.0);
            index.insert(route, target).unwrap();
        }
    }
    index
}

/// Hosts and paths of requests in an order that no cache foresees.
fn requests((hosts, paths): (usize, usize)) -> Vec<(String, String)> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    let request = |_| {
        let (host, path) = (next(hosts), next(paths));
        (
            format!("app-{host}.team.example.com"),
            format!("/api/v{}/room-{path}/socket", path % 7),
        )
    };
    (0..50_000).map(request).collect()
}

#[divan::bench(args = SHAPES, sample_count = 1000, sample_size = 1000)]
fn find(bencher: Bencher<'_, '_>, shape: (usize, usize)) {
    let index = index(shape);
    let requests = requests(shape);
    let headers = HeaderMap::new();
    let at = std::cell::Cell::new(0);
    bencher.bench_local(|| {
        let (host, path) = &requests[at.get() % requests.len()];
        at.set(at.get() + 1);
        let view = RequestView {
            host,
            path,
            query: None,
            headers: &headers,
        };
        // Reading the target is part of a look-up: the caller goes on from there.
        **index.find(&view).unwrap()
    });
}

/// Another path on one host, beside readers that keep the index as it was.
#[divan::bench(args = SHAPES, sample_count = 50, sample_size = 1)]
fn update_one_host(bencher: Bencher<'_, '_>, shape: (usize, usize)) {
    let index = index(shape);
    bencher
        .with_inputs(|| (index.clone(), route(0, 1_000_000)))
        .bench_local_values(|(mut index, route)| {
            let target = Arc::new(route.id.0);
            index.insert(route, target).unwrap();
            index
        });
}

#[divan::bench(args = SHAPES, sample_count = 3, sample_size = 1)]
fn build(bencher: Bencher<'_, '_>, shape: (usize, usize)) {
    bencher.bench_local(|| index(shape));
}
