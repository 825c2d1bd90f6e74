//! A table of 10,000 routes with five endpoints each on its way over the local channel.
//!
//! `cargo bench -p dataplane --bench wire`

#![allow(clippy::unwrap_used, reason = "benches fail by panicking")]

use std::sync::Arc;

use divan::Bencher;
use divan::counter::BytesCount;
use routetable::canonical::{Digest, Op, Tracked};
use routetable::wire::held::Held;
use routetable::wire::{Decoder, Delta, ToDataplane, Version, last_good, snapshot_frames};
use routetable::{
    Endpoint, EndpointSet, EndpointSetId, EndpointState, HostPattern, ObjectKind, ObjectRef, PathMatch,
    Route, RouteId, RouteMatch, RouteTable, Timeouts, WeightedBackend,
};

fn main() {
    divan::main();
}

const ROUTES: u32 = 10_000;
const VERSION: Version = Version { epoch: 1, number: 1 };

fn endpoint_set(n: u32, count: u8) -> EndpointSet {
    let (namespace, service) = (format!("team-{}", n % 50), format!("app-{n}"));
    let [_, _, high, low] = n.to_be_bytes();
    let endpoint = |last| Endpoint {
        address: ([10 + last, high, low, last], 8080).into(),
        state: EndpointState::Ready,
    };
    EndpointSet {
        id: EndpointSetId::new(&namespace, &service, "http"),
        namespace,
        service,
        port: "http".into(),
        endpoints: (0..count).map(endpoint).collect(),
    }
}

fn table() -> RouteTable {
    let mut table = RouteTable::default();
    for n in 0..ROUTES {
        let set = endpoint_set(n, 5);
        let source = ObjectRef {
            kind: ObjectKind::WebSocketRoute,
            namespace: set.namespace.clone(),
            name: set.service.clone(),
        };
        let route = Route {
            id: RouteId::new(&source, "rule-0"),
            source,
            rule: "rule-0".into(),
            created: 1_700_000_000,
            order: 0,
            fallback: false,
            hosts: vec![HostPattern::Exact(format!("app-{n}.team.example.com"))],
            matches: vec![RouteMatch::path(PathMatch::Prefix("/socket".into()))],
            backends: vec![WeightedBackend {
                endpoint_set: set.id,
                weight: 1,
                protocol: routetable::BackendProtocol::default(),
            }],
            timeouts: Timeouts::default(),
            tls: routetable::RouteTls::default(),
        };
        table.routes.insert(route.id, Arc::new(route));
        table.endpoint_sets.insert(set.id, Arc::new(set));
    }
    table
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn encode(bencher: Bencher<'_, '_>) {
    let table = table();
    let size = snapshot_frames(&table, VERSION).unwrap().concat().len();
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| snapshot_frames(&table, VERSION).unwrap());
}

/// Frames to messages, in reads of 64 KiB.
#[divan::bench(sample_count = 50, sample_size = 1)]
fn decode(bencher: Bencher<'_, '_>) {
    let bytes = snapshot_frames(&table(), VERSION).unwrap().concat();
    bencher.counter(BytesCount::new(bytes.len())).bench_local(|| {
        let mut decoder = Decoder::default();
        let mut messages: Vec<ToDataplane> = Vec::new();
        for chunk in bytes.chunks(64 << 10) {
            decoder.push(chunk).unwrap();
            while let Some(message) = decoder.next_message().unwrap() {
                messages.push(message);
            }
        }
        messages
    });
}

/// All the way to a table that is checked against what was announced.
#[divan::bench(sample_count = 50, sample_size = 1)]
fn decode_and_verify(bencher: Bencher<'_, '_>) {
    let bytes = last_good::encode(&table(), VERSION).unwrap();
    bencher
        .counter(BytesCount::new(bytes.len()))
        .bench_local(|| last_good::decode(&bytes).unwrap());
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn digest(bencher: Bencher<'_, '_>) {
    let table = table();
    bencher.bench_local(|| table.digest());
}

/// One endpoint set changes; the table and its digest follow.
#[divan::bench(sample_count = 100, sample_size = 1)]
fn apply_one_changed_set(bencher: Bencher<'_, '_>) {
    let next = Version { epoch: 1, number: 2 };
    let mut tracked = Tracked::from(table());
    let mut held = Held::new(tracked.clone(), VERSION);
    let ops = vec![Op::PutEndpointSet(Arc::new(endpoint_set(7, 6)))];
    tracked.apply(&ops);
    let delta = Delta {
        base: VERSION,
        next,
        ops,
        digest: tracked.digest(),
    };
    assert_ne!(delta.digest, Digest::default());
    bencher.bench_local(|| {
        held.rename(VERSION);
        held.apply(&delta).unwrap();
    });
}
