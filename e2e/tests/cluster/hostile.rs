//! Objects that nobody expects, and more of them than anybody expects: they hurt only themselves, and cost a
//! bounded amount of memory and time.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backends::Echo;
use e2e::chatter::{Chatter, Talk};
use e2e::cluster::expect::route as at;
use e2e::cluster::network::Subnet;
use e2e::cluster::trial::trial;
use e2e::deadline::SOON;
use e2e::manifests::Backend;
use e2e::proc;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::{Patch, PatchParams};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::setting::{Setting, simple_route};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "hostile::an_object_of_a_newer_schema_hurts_only_itself",
            newer_schema,
        ),
        trial("hostile::a_storm_of_endpoints_costs_a_bounded_amount", storm),
    ]
}

const ODD: &str = "
---
apiVersion: v1
kind: Secret
metadata: {name: garbage}
type: kubernetes.io/tls
data: {tls.crt: AAECAwT/, tls.key: '/////w=='}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: odd}
spec:
  tls: [{hosts: [odd.test], secretName: garbage}]
  rules:
  - host: odd.test
    http:
      paths:
      - {path: '/%00%zz/é\"{}|^`', pathType: ImplementationSpecific, backend: {service: {name: steady, port: {number: 80}}}}
      - {path: /fine, pathType: Prefix, backend: {service: {name: steady, port: {number: 80}}}}
";

async fn newer_schema(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &["rbac.secrets=All"]).await?;
    let Setting { server, replica, .. } = &setting;
    for name in ["steady", "other"] {
        setting.serve(name).await?;
        server.apply(&simple_route(name)).await?;
        server.until_ready(&at("default", name), SOON).await?;
    }
    // A schema that allows everything, as a version to come might allow more than this one knows.
    let open = json!({"spec": {"versions": [{
        "name": "v1alpha1", "served": true, "storage": true,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
    }]}});
    let name = "crd/websocketroutes.holdfast.dev";
    server
        .kubectl(&["patch", name, "--type=merge", "-p", &open.to_string()])
        .await?;
    let newer = "
---
apiVersion: holdfast.dev/v1alpha1
kind: WebSocketRoute
metadata: {name: newer}
spec: {hostnames: [newer.test], rules: [{backendRefs: [{name: steady, port: 80}]}], telepathy: {mode: Both}}
---
apiVersion: holdfast.dev/v1alpha1
kind: WebSocketRoute
metadata: {name: wrong}
spec: {hostnames: {a: 1}, rules: 7}
---
apiVersion: holdfast.dev/v1alpha1
kind: WebSocketRoute
metadata: {name: bare}
";
    e2e::deadline::until_true("the new schema", SOON, || async {
        server.apply(newer).await.is_ok()
    })
    .await?;
    server.apply(ODD).await?;
    replica.until_served("odd.test", "/fine").await?;
    // What came before and what comes after is served.
    setting.serve("after").await?;
    server.apply(&simple_route("after")).await?;
    for name in ["steady", "other", "after"] {
        replica.until_served(&format!("{name}.test"), "/").await?;
    }
    // A good version that turns bad stays as it was; a delete is still seen.
    let patch = "{\"spec\":{\"rules\":7}}";
    server
        .kubectl(&["patch", "wsr", "other", "--type=merge", "-p", patch])
        .await?;
    server.delete("websocketroute/after").await?;
    replica
        .until_reason("after.test", "/", Some("NoRoute"), SOON)
        .await?;
    for name in ["steady", "other"] {
        replica.until_served(&format!("{name}.test"), "/").await?;
    }
    replica.admin.none_cut_by_config().await
}

/// How long the storm lasts, and how many slices it moves.
const STORM: Duration = Duration::from_secs(20);
const SLICES: usize = 50;
const ENDPOINTS: usize = 100;
/// What the storm may add to a process.
const GROWTH: u64 = 64 << 20;

/// A slice of a Service of its own, half of whose endpoints are ready in turn.
fn slice(number: usize, turn: usize) -> Value {
    let endpoints: Vec<_> = (0..ENDPOINTS)
        .map(|n| json!({"addresses": [format!("198.19.{}.{}", number, n + 1)], "conditions": {"ready": (n + turn).is_multiple_of(2)}}))
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": format!("storm-{number}"), "labels": {"kubernetes.io/service-name": "storm"}},
        "addressType": "IPv4", "ports": [{"name": "web", "port": 8080}], "endpoints": endpoints,
    })
}

async fn storm(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &[]).await?;
    let Setting { server, replica, .. } = &setting;
    let echo = Echo::plain_at(subnet.at(110, 8080)).await?;
    server
        .apply(&Backend::new("steady", 1, &[echo.addr]).yaml())
        .await?;
    server.apply(&Backend::new("storm", 1, &[]).yaml()).await?;
    server
        .apply(&(simple_route("steady") + &simple_route("storm")))
        .await?;
    server.until_ready(&at("default", "steady"), SOON).await?;
    let talk = Talk {
        pace: Duration::from_millis(200),
        padding: 20,
    };
    let chatter = Chatter::start(replica.http, "steady.test", 50, talk).await?;

    let slices: Api<EndpointSlice> = Api::namespaced(server.admin()?, "default");
    let parameters = PatchParams::apply("storm").force();
    for number in 0..SLICES {
        let body = Patch::Apply(slice(number, 0));
        slices
            .patch(&format!("storm-{number}"), &parameters, &body)
            .await?;
    }
    let pids = [replica.controller_pid()?, replica.dataplane_pid()];
    let used = |pids: [u32; 2]| -> Result<_> {
        Ok((
            [proc::memory(pids[0])?.private, proc::memory(pids[1])?.private],
            [proc::cpu_time(pids[0])?, proc::cpu_time(pids[1])?],
        ))
    };
    let (memory, time) = used(pids)?;
    let start = Instant::now();
    let mut events = 0_usize;
    while start.elapsed() < STORM {
        let turn = 1 + events / SLICES;
        let names: Vec<_> = (0..SLICES).map(|number| format!("storm-{number}")).collect();
        let writes = names.iter().enumerate().map(|(number, name)| {
            let (slices, parameters) = (&slices, &parameters);
            async move {
                slices
                    .patch(name, parameters, &Patch::Apply(slice(number, turn)))
                    .await
            }
        });
        let written = futures_util::future::join_all(writes).await;
        events += written.into_iter().filter(Result::is_ok).count();
    }
    let took = start.elapsed();
    let (memory_after, time_after) = used(pids)?;
    // The last of the storm arrives: another route is served, and the endpoints are those of the last turn.
    setting.serve("after").await?;
    server.apply(&simple_route("after")).await?;
    replica.until_served("after.test", "/").await?;
    ensure!(events > SLICES, "only {events} events");
    println!(
        "{events} changes of {ENDPOINTS} endpoints in {took:?} ({:.0} endpoints a second)",
        (events * ENDPOINTS) as f64 / took.as_secs_f64()
    );
    for (index, name) in ["controller", "data plane"].iter().enumerate() {
        let grown = memory_after[index].saturating_sub(memory[index]);
        let cpu = time_after[index].saturating_sub(time[index]);
        println!(
            "{name}: {} MiB, {} KiB more than before; {cpu:?} of CPU",
            memory_after[index] >> 20,
            grown >> 10
        );
        ensure!(grown < GROWTH, "the {name} grew by {grown} bytes");
    }
    let config = replica.admin.config().await?;
    let sets = config["endpointSets"].as_array().context("no endpoint sets")?;
    let storm = sets
        .iter()
        .find(|set| set["service"] == "storm")
        .context("no set of the storm")?;
    let count = storm["endpoints"].as_array().map_or(0, Vec::len);
    ensure!(count > 0 && count <= SLICES * ENDPOINTS, "{count} endpoints");
    replica.admin.none_cut_by_config().await?;
    chatter.all_alive().await.map(drop)
}
