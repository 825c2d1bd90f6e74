//! A cluster with 10,000 Ingresses of five endpoints each, on a real API server: from the start to ready, the
//! controller's memory, and the time from a change in the API to the first request that it serves; beside the
//! same with 100 Ingresses, which says whether the cost of a change grows with the table.
//!
//! `INGRESSES=N` measures another number.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backends::web::Web;
use e2e::cluster::api_server::ApiServer;
use e2e::cluster::chart::Chart;
use e2e::cluster::network::{self, Subnet};
use e2e::cluster::replica::Replica;
use e2e::proc::{cpu_time, memory};
use futures_util::{StreamExt, stream};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

const MANY: usize = 10_000;
const FEW: usize = 100;
const ENDPOINTS: u8 = 5;
const CHANGES: usize = 200;
/// Writes under way while the cluster is filled.
const WRITERS: usize = 32;
const LIMIT: Duration = Duration::from_secs(120);
/// Host number of the first backend.
const BACKENDS: u8 = 100;

fn main() -> Result<()> {
    network::enter()?;
    let many = match std::env::var_os("INGRESSES") {
        Some(number) => number
            .to_str()
            .context("INGRESSES")?
            .parse()
            .context("INGRESSES")?,
        None => MANY,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        for count in [FEW, many] {
            measure(count).await?;
        }
        Ok(())
    })
}

async fn measure(count: usize) -> Result<()> {
    let subnet = Subnet::next()?;
    let server = ApiServer::start(subnet).await?;
    let address = format!("controller.publishAddresses={{{}}}", subnet.ip(10));
    let chart = Chart::install(&server, &["ingressClass.default=true", &address]).await?;
    let mut backends = vec![];
    for number in 0..ENDPOINTS {
        backends.push(Web::start_at(subnet.at(BACKENDS + number, 8080)).await?);
    }
    let client = server.admin()?;
    let filled = Instant::now();
    fill(&client, count, subnet).await?;
    println!(
        "\n{count} Ingresses, each with a Service of {ENDPOINTS} endpoints (written in {:.0?}):",
        filled.elapsed()
    );

    let started = Instant::now();
    let replica = Replica::start(subnet, &chart, 0, &[]).await?;
    println!("  start to ready                     {:>9.2?}", started.elapsed());
    let controller = replica.controller_pid()?;
    report_memory(controller)?;
    let ingresses: Api<Ingress> = Api::namespaced(client, "default");
    until_all_have_addresses(&ingresses, count).await?;
    println!("  start to every status written      {:>9.2?}", started.elapsed());
    report_memory(controller)?;

    let before = cpu_time(controller)?;
    let mut times = vec![];
    for change in 0..CHANGES {
        times.push(change_one(&ingresses, &replica, change % count, change).await?);
    }
    let cpu = cpu_time(controller)?.saturating_sub(before);
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!(
        "  written to served, {CHANGES} changes     p50 {:.1?}, p99 {:.1?}, longest {:.1?}",
        at(50),
        at(99),
        at(100)
    );
    println!(
        "  the controller's CPU for a change  {:>9.2?}",
        cpu / u32::try_from(CHANGES)?
    );
    replica.admin.none_cut_by_config().await
}

async fn fill(client: &Client, count: usize, subnet: Subnet) -> Result<()> {
    let work = stream::iter(0..count).map(|number| async move {
        let name = format!("app-{number}");
        create::<Service>(
            client,
            json!({"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], "clusterIP": "None"}}),
        )
        .await?;
        let endpoints: Vec<_> = (0..ENDPOINTS)
            .map(|n| json!({"addresses": [subnet.ip(BACKENDS + n).to_string()]}))
            .collect();
        let slice = json!({
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4", "ports": [{"port": 8080}], "endpoints": endpoints,
        });
        create::<EndpointSlice>(client, slice).await?;
        create::<Ingress>(client, ingress(number, &["/"])).await
    });
    let mut work = work.buffer_unordered(WRITERS);
    while let Some(written) = work.next().await {
        written?;
    }
    Ok(())
}

fn ingress(number: usize, paths: &[&str]) -> Value {
    let backend = json!({"service": {"name": format!("app-{number}"), "port": {"number": 80}}});
    let paths: Vec<_> = paths
        .iter()
        .map(|path| json!({"path": path, "pathType": "Exact", "backend": backend}))
        .collect();
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": format!("app-{number}")},
        "spec": {"rules": [{"host": format!("app-{number}.bench.test"), "http": {"paths": paths}}]},
    })
}

async fn create<K>(client: &Client, object: Value) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + std::fmt::Debug,
    K: DeserializeOwned + Serialize,
{
    let api: Api<K> = Api::namespaced(client.clone(), "default");
    api.create(&PostParams::default(), &serde_json::from_value(object)?)
        .await?;
    Ok(())
}

/// Gives an Ingress another path; the time from the answer of the API server to the first answer of the backend.
async fn change_one(
    ingresses: &Api<Ingress>,
    replica: &Replica,
    number: usize,
    change: usize,
) -> Result<Duration> {
    let path = format!("/change-{change}");
    let patch = Patch::Merge(json!({"spec": ingress(number, &["/", &path])["spec"]}));
    ingresses
        .patch(&format!("app-{number}"), &PatchParams::default(), &patch)
        .await?;
    let written = Instant::now();
    let host = format!("app-{number}.bench.test");
    while replica.reason(&host, &path).await?.is_some() {
        ensure!(written.elapsed() < LIMIT, "{host}{path} is not served");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(written.elapsed())
}

async fn until_all_have_addresses(ingresses: &Api<Ingress>, count: usize) -> Result<()> {
    let start = Instant::now();
    loop {
        let all = ingresses.list(&kube::api::ListParams::default()).await?;
        let with = all.items.iter().filter(|ingress| {
            let balancer = ingress
                .status
                .as_ref()
                .and_then(|status| status.load_balancer.as_ref());
            balancer.is_some_and(|balancer| {
                balancer
                    .ingress
                    .as_ref()
                    .is_some_and(|entries| !entries.is_empty())
            })
        });
        let with = with.count();
        if with == count {
            return Ok(());
        }
        ensure!(start.elapsed() < LIMIT * 3, "{with} of {count} have an address");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn report_memory(controller: u32) -> Result<()> {
    let memory = memory(controller)?;
    println!(
        "  the controller's private memory    {:>5} MiB",
        memory.private >> 20
    );
    Ok(())
}
