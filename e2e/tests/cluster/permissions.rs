//! What the controller may not do is said by name, and the rest goes on.

use anyhow::{Result, ensure};
use e2e::backends::web::Web;
use e2e::cluster::api_server::ApiServer;
use e2e::cluster::chart::Chart;
use e2e::cluster::expect::{condition, route as at};
use e2e::cluster::network::Subnet;
use e2e::cluster::replica::Replica;
use e2e::cluster::trial::trial;
use e2e::deadline::SOON;
use e2e::manifests::Backend;
use libtest_mimic::Trial;

use crate::setting::{BACKENDS, Setting, simple_route};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("permissions::that_are_missing_are_said_by_name", missing),
        trial(
            "permissions::that_are_missing_in_one_namespace_hold_up_no_other",
            one_namespace,
        ),
        trial("permissions::of_two_namespaces_suffice_for_them", namespaces),
        trial(
            "permissions::follow_the_namespaces_that_a_label_chooses",
            chosen_namespaces,
        ),
        trial("permissions::of_the_chart_are_no_more_than_it_says", no_more),
    ]
}

/// The chart's ClusterRole without one kind.
async fn forbid(server: &ApiServer, resource: &str) -> Result<()> {
    let role = server.object("", "clusterrole/holdfast").await?;
    let rules: Vec<_> = role["rules"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|rule| rule["resources"][0] != resource)
        .collect();
    let patch = serde_json::json!({ "rules": rules }).to_string();
    server
        .kubectl(&["patch", "clusterrole", "holdfast", "--type=merge", "-p", &patch])
        .await
        .map(drop)
}

/// Without a whole kind there is no table: one that lacks all Ingresses would end their sessions.
async fn missing(subnet: Subnet) -> Result<()> {
    let server = ApiServer::start(subnet).await?;
    let chart = Setting::chart(&server, &[]).await?;
    forbid(&server, "ingresses").await?;
    let web = Web::start_at(subnet.at(BACKENDS, 8080)).await?;
    server.apply(&Backend::new("chat", 1, &[web.addr]).yaml()).await?;
    server.apply(&simple_route("chat")).await?;
    let replica = Replica::launch(subnet, &chart, 0, &[])?;
    let words = ["cannot list ingresses", "'get', 'list' and 'watch'"];
    replica.logs()?.line_with(&words, SOON).await?;
    ensure!(!replica.admin.ready().await, "ready without a table");
    // Once granted, it is used without a restart.
    Setting::chart(&server, &[]).await?;
    replica.until_served("chat.test", "/").await?;
    // What is taken away later is said, and takes nothing away from what is served.
    forbid(&server, "ingresses").await?;
    replica.until_served("chat.test", "/").await?;
    server.until_ready(&at("default", "chat"), SOON).await.map(drop)
}

async fn namespaces(subnet: Subnet) -> Result<()> {
    let server = ApiServer::start(subnet).await?;
    for name in ["team-a", "team-b"] {
        server.kubectl(&["create", "namespace", name]).await?;
    }
    let values = [
        "controller.watchNamespaces={team-a,team-b}",
        "rbac.scope=Namespaces",
        "ingressClass.default=true",
    ];
    let chart = Chart::install(&server, &values).await?;
    let web = Web::start_at(subnet.at(BACKENDS, 8080)).await?;
    for (namespace, name) in [("team-a", "a"), ("team-b", "b"), ("default", "c")] {
        let yaml = Backend::new(name, 1, &[web.addr]).yaml() + &simple_route(name);
        server.apply_with(&yaml, &["-n", namespace]).await?;
    }
    let replica = Replica::start(subnet, &chart, 0, &[]).await?;
    for (namespace, name) in [("team-a", "a"), ("team-b", "b")] {
        replica.until_served(&format!("{name}.test"), "/").await?;
        server.until_ready(&at(namespace, name), SOON).await?;
    }
    let reason = replica.reason("c.test", "/").await?;
    ensure!(
        reason.as_deref() == Some("NoRoute"),
        "a foreign namespace is served: {reason:?}"
    );
    let object = server.get(&at("default", "c")).await?;
    let accepted = condition(&object, "Accepted").map(|condition| &condition["reason"]);
    ensure!(
        accepted == Some(&"Pending".into()),
        "a foreign namespace has a status: {object}"
    );
    let complaints = replica.logs()?.count("cannot list");
    ensure!(complaints == 0, "{complaints} complaints about permissions");
    Ok(())
}

async fn one_namespace(subnet: Subnet) -> Result<()> {
    let server = ApiServer::start(subnet).await?;
    for name in ["team-a", "team-b"] {
        server.kubectl(&["create", "namespace", name]).await?;
    }
    let values = [
        "controller.watchNamespaces={team-a,team-b}",
        "rbac.scope=Namespaces",
        "ingressClass.default=true",
    ];
    let chart = Chart::install(&server, &values).await?;
    server
        .kubectl(&["delete", "rolebinding", "holdfast", "-n", "team-b"])
        .await?;
    let web = Web::start_at(subnet.at(BACKENDS, 8080)).await?;
    for (namespace, name) in [("team-a", "a"), ("team-b", "b")] {
        let yaml = Backend::new(name, 1, &[web.addr]).yaml() + &simple_route(name);
        server.apply_with(&yaml, &["-n", namespace]).await?;
    }
    let replica = Replica::launch(subnet, &chart, 0, &[])?;
    replica
        .logs()?
        .line_with(&["cannot list ingresses in 'team-b'"], SOON)
        .await?;
    replica.until_served("a.test", "/").await?;
    let reason = replica.reason("b.test", "/").await?;
    ensure!(
        reason.as_deref() == Some("NoRoute"),
        "served without a permission: {reason:?}"
    );
    Chart::install(&server, &values).await?;
    replica.until_served("b.test", "/").await
}

async fn chosen_namespaces(subnet: Subnet) -> Result<()> {
    let values = ["controller.watchNamespaceSelector=team=chat"];
    let setting = Setting::start(subnet, &values).await?;
    let Setting {
        server, replica, web, ..
    } = &setting;
    for (namespace, name) in [("team-a", "a"), ("team-b", "b")] {
        server.kubectl(&["create", "namespace", namespace]).await?;
        let yaml = Backend::new(name, 1, &[web.addr]).yaml() + &simple_route(name);
        server.apply_with(&yaml, &["-n", namespace]).await?;
    }
    let label = |namespace: &'static str, label: &'static str| async move {
        server.kubectl(&["label", "namespace", namespace, label]).await
    };
    label("team-a", "team=chat").await?;
    replica.until_served("a.test", "/").await?;
    server.until_ready(&at("team-a", "a"), SOON).await?;
    let reason = replica.reason("b.test", "/").await?;
    ensure!(
        reason.as_deref() == Some("NoRoute"),
        "a namespace that was not chosen is served: {reason:?}"
    );
    label("team-b", "team=chat").await?;
    replica.until_served("b.test", "/").await?;
    label("team-a", "team-").await?;
    replica.until_reason("a.test", "/", Some("NoRoute"), SOON).await?;
    replica.until_served("b.test", "/").await
}

async fn no_more(subnet: Subnet) -> Result<()> {
    let server = ApiServer::start(subnet).await?;
    let chart = Chart::install(&server, &[]).await?;
    let may = |question: &'static [&'static str]| {
        let arguments = [&["auth", "can-i", "-A"], question].concat();
        let (server, kubeconfig) = (&server, &chart.kubeconfig);
        async move { server.kubectl_as(kubeconfig, &arguments).await.is_ok() }
    };
    const NO: &[&[&str]] = &[
        &["update", "secrets"],
        &["list", "configmaps"],
        &["create", "pods"],
        &["update", "ingresses"],
        &["delete", "websocketroutes.holdfast.dev"],
        &["impersonate", "users"],
    ];
    const YES: &[&[&str]] = &[
        &["list", "ingresses"],
        &["watch", "endpointslices"],
        &["watch", "secrets"],
        &["get", "configmaps"],
        &["patch", "ingresses", "--subresource=status"],
    ];
    for question in NO {
        ensure!(!may(question).await, "the controller may {question:?}");
    }
    for question in YES {
        ensure!(may(question).await, "the controller may not {question:?}");
    }
    Ok(())
}
