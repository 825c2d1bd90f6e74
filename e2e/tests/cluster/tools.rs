//! The harness itself: the API server takes objects, forgets its history and everything, and knows a
//! ServiceAccount from an administrator.

use anyhow::{Result, ensure};
use e2e::cluster::api_server::ApiServer;
use e2e::cluster::network::Subnet;
use e2e::cluster::trial::trial;
use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "tools::data_outlive_a_restart_and_not_a_wipe",
            data_outlive_a_restart,
        ),
        trial(
            "tools::a_service_account_may_do_only_what_it_may",
            service_account,
        ),
    ]
}

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept}\ndata: {key: value}\n";

async fn data_outlive_a_restart(subnet: Subnet) -> Result<()> {
    let mut server = ApiServer::start(subnet).await?;
    server.apply(MAP).await?;
    let before = server.object("default", "configmap/kept").await?;
    server.compact().await?;
    server.kill();
    ensure!(
        server
            .kubectl(&["version", "--request-timeout=2s"])
            .await
            .is_err(),
        "it answers although it was killed"
    );
    server.resume().await?;
    ensure!(
        server.object("default", "configmap/kept").await? == before,
        "another object after a restart"
    );
    // Version 1 is before the compaction.
    let path = "/api/v1/configmaps?watch=true&resourceVersion=1&timeoutSeconds=5";
    let gone = server.kubectl(&["get", "--raw", path]).await?;
    ensure!(gone.contains("\"code\":410"), "no 410 after a compaction: {gone}");
    server.wipe()?;
    server.resume().await?;
    ensure!(
        server.object("default", "configmap/kept").await.is_err(),
        "an object outlived the wipe"
    );
    Ok(())
}

async fn service_account(subnet: Subnet) -> Result<()> {
    let server = ApiServer::start(subnet).await?;
    server.kubectl(&["create", "serviceaccount", "someone"]).await?;
    let kubeconfig = server.service_account("default", "someone").await?;
    let who = server.kubectl_as(&kubeconfig, &["auth", "whoami"]).await?;
    ensure!(who.contains("system:serviceaccount:default:someone"), "{who}");
    let refused = server.kubectl_as(&kubeconfig, &["get", "secrets"]).await;
    let refused = refused
        .expect_err("a ServiceAccount without rights read Secrets")
        .to_string();
    ensure!(refused.contains("Forbidden"), "{refused}");
    Ok(())
}
