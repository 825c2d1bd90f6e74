//! What compiling costs: all of 10,000 Ingresses with five endpoints each, and one change among them.
//!
//! `cargo bench -p controller --bench compile`

#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]

use controller::compile::{Compiler, Settings, compile};
use controller::world::{Kind, Object, ObjectKey, World};
use divan::{Bencher, black_box};
use k8s_openapi::api::{core::v1 as core, discovery::v1 as discovery, networking::v1 as networking};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const INGRESSES: usize = 10_000;

fn main() {
    divan::main();
}

fn object<T: DeserializeOwned + Into<Object>>(kind: Kind, name: String, value: Value) -> (ObjectKey, Object) {
    let namespace = "prod".to_owned();
    let key = ObjectKey {
        kind,
        namespace,
        name,
    };
    (key, serde_json::from_value::<T>(value).unwrap().into())
}

fn ingress(n: usize, path: &str) -> (ObjectKey, Object) {
    let backend = json!({"service": {"name": format!("app-{n}"), "port": {"number": 80}}});
    let value = json!({
        "metadata": {"name": format!("app-{n}"), "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"rules": [{
            "host": format!("app-{n}.example.com"),
            "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]},
        }]},
    });
    object::<networking::Ingress>(Kind::Ingress, format!("app-{n}"), value)
}

fn service(n: usize) -> (ObjectKey, Object) {
    let value = json!({"metadata": {}, "spec": {"ports": [{"name": "http", "port": 80}]}});
    object::<core::Service>(Kind::Service, format!("app-{n}"), value)
}

fn slice(n: usize, endpoints: usize) -> (ObjectKey, Object) {
    let address = |e: usize| format!("10.{}.{}.{e}", n / 250, n % 250);
    let endpoints: Vec<Value> = (1..=endpoints)
        .map(|e| json!({"addresses": [address(e)]}))
        .collect();
    let value = json!({
        "metadata": {"labels": {"kubernetes.io/service-name": format!("app-{n}")}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": endpoints,
    });
    object::<discovery::EndpointSlice>(Kind::EndpointSlice, format!("app-{n}-x"), value)
}

fn world() -> World {
    let objects = (0..INGRESSES).flat_map(|n| [ingress(n, "/"), service(n), slice(n, 5)]);
    let world = objects.fold(World::builder(), |world, (key, object)| world.with(&key, &object));
    world.build()
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn everything(bencher: Bencher) {
    let (world, settings) = (world(), Settings::for_files());
    assert_eq!(compile(&world, &settings).table.routes.len(), INGRESSES);
    bencher.bench_local(|| compile(black_box(&world), &settings));
}

/// Compiles one change after the other; each call makes the world differ from the last.
fn change(bencher: Bencher, mut next: impl FnMut(usize) -> (ObjectKey, Object)) {
    let mut world = world();
    let mut compiler = Compiler::new(Settings::for_files());
    let mut last = compiler.compile(&world);
    let mut turn = 0;
    bencher.bench_local(|| {
        turn += 1;
        let (key, object) = next(turn);
        world.apply(&key, Some(&object));
        last = compiler.compile(black_box(&world));
    });
    assert_eq!(last.table.routes.len(), INGRESSES);
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn one_endpoint_slice(bencher: Bencher) {
    change(bencher, |turn| slice(5000, 4 + turn % 2));
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn one_ingress(bencher: Bencher) {
    change(bencher, |turn| {
        ingress(5000, if turn % 2 == 0 { "/" } else { "/other" })
    });
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn nothing(bencher: Bencher) {
    let world = world();
    let mut compiler = Compiler::new(Settings::for_files());
    let mut last = compiler.compile(&world);
    bencher.bench_local(|| last = compiler.compile(black_box(&world)));
    assert_eq!(last.table.routes.len(), INGRESSES);
}
