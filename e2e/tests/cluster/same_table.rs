//! The cluster and a folder with what `kubectl get -o yaml` prints of it make the same table, byte for byte.

use anyhow::{Context, Result, ensure};
use e2e::admin::Admin;
use e2e::cluster::network::Subnet;
use e2e::cluster::trial::trial;
use e2e::deadline::SOON;
use e2e::lone::Parts;
use e2e::manifests::{App, Backend, Manifests};
use libtest_mimic::Trial;
use serde_json::Value;

use crate::setting::Setting;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial(
        "same_table::from_the_cluster_and_from_a_dump_of_it",
        same_table,
    )]
}

const KINDS: &str = "ingressclasses,ingresses,services,endpointslices,websocketroutes";

async fn same_table(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &[]).await?;
    let Setting {
        server, replica, web, ..
    } = &setting;
    let other = subnet.at(101, 8080);
    let weighted = vec![
        Backend::new("left", 3, &[web.addr]),
        Backend::new("right", 1, &[web.addr, other]),
    ];
    let apps = [
        App::new("one", &[web.addr]),
        App::new("two", &[web.addr]).as_ingress().path("/two"),
        App::new("three", &[]).backends(weighted).timeout("idle", "30m"),
        // Loses to 'one', and asks for a Service that is not there.
        App::new("loser", &[web.addr]).host("one.test"),
        App::new("lost", &[]).backends(vec![]).as_ingress(),
    ];
    for app in &apps {
        server.apply(&app.yaml()).await?;
    }
    for (host, path) in [("one.test", "/"), ("two.test", "/two"), ("three.test", "/")] {
        replica.until_served(host, path).await?;
    }
    replica
        .until_reason("lost.test", "/", Some("NoReadyEndpoints"), SOON)
        .await?;

    let manifests = Manifests::new()?;
    let dump = server.kubectl(&["get", KINDS, "-A", "-o", "yaml"]).await?;
    manifests.save("dump.yaml", &dump)?;
    let from_files = Parts::start(manifests, 1, &[]).await?;

    let (cluster, files) = (
        table(&replica.admin).await?,
        table(&from_files.dataplane.admin).await?,
    );
    let routes = cluster["routes"].as_array().context("no routes")?;
    ensure!(routes.len() >= 4, "only {} routes", routes.len());
    ensure!(
        cluster == files,
        "from the cluster:\n{cluster:#}\nfrom the dump:\n{files:#}"
    );
    Ok(())
}

/// What decides where requests go, and its digest.
async fn table(admin: &Admin) -> Result<Value> {
    let config = admin.config().await?;
    let part = |name: &str| (name.to_owned(), config[name].clone());
    Ok(["digest", "routes", "endpointSets"]
        .into_iter()
        .map(part)
        .collect())
}
