//! The addresses in statuses: from a Service or given, right after a change, gone when the object is no longer
//! ours, and taken back by `holdfast clear-status`.

use std::process::Command;

use anyhow::{Result, ensure};
use e2e::binaries;
use e2e::child::Child;
use e2e::cluster::api_server::ApiServer;
use e2e::cluster::chart::{Chart, RELEASE};
use e2e::cluster::expect::{addresses, ingress, route as at};
use e2e::cluster::network::Subnet;
use e2e::cluster::replica::Replica;
use e2e::cluster::trial::trial;
use e2e::deadline::SOON;
use e2e::manifests::App;
use libtest_mimic::Trial;

use crate::setting::Setting;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("addresses::follow_the_service_that_is_published", from_service),
        trial(
            "addresses::go_when_the_class_moves_away_and_by_clear_status",
            cleared,
        ),
        trial(
            "addresses::of_two_installations_stand_side_by_side",
            two_installations,
        ),
    ]
}

async fn until_addresses(server: &ApiServer, path: &str, wanted: &[&str]) -> Result<()> {
    let what = format!("the addresses {wanted:?}");
    server
        .until(&what, path, SOON, |object| addresses(object) == wanted)
        .await
        .map(drop)
}

async fn from_service(subnet: Subnet) -> Result<()> {
    let server = ApiServer::start(subnet).await?;
    let chart = Chart::install(&server, &["ingressClass.default=true"]).await?;
    let _replica = Replica::start(subnet, &chart, 0, &[]).await?;
    let web = e2e::backends::web::Web::start_at(subnet.at(100, 8080)).await?;
    server
        .apply(&App::new("one", &[web.addr]).as_ingress().yaml())
        .await?;
    server.apply(&App::new("two", &[web.addr]).yaml()).await?;
    let (one, two) = (ingress("default", "one"), at("default", "two"));
    // The cloud's controller is us.
    let balancer = |entries: &str| format!("{{\"status\":{{\"loadBalancer\":{{\"ingress\":{entries}}}}}}}");
    for (entries, wanted) in [
        ("[{\"ip\":\"203.0.113.7\"}]", vec!["203.0.113.7"]),
        ("[{\"ip\":\"203.0.113.9\"}]", vec!["203.0.113.9"]),
        ("[{\"hostname\":\"lb.example.com\"}]", vec!["lb.example.com"]),
        ("[]", vec![]),
    ] {
        let patch = balancer(entries);
        let arguments = [
            "patch",
            "service",
            RELEASE,
            "-n",
            RELEASE,
            "--subresource=status",
            "--type=merge",
            "-p",
        ];
        server
            .kubectl(&[&arguments[..], &[patch.as_str()]].concat())
            .await?;
        until_addresses(&server, &one, &wanted).await?;
        until_addresses(&server, &two, &wanted).await?;
    }
    Ok(())
}

/// `holdfast clear-status` as the administrator.
async fn clear_status(server: &ApiServer, more: &[&str]) -> Result<()> {
    let mut command = Command::new(binaries::find("holdfast")?);
    command
        .arg("clear-status")
        .arg("--kubeconfig")
        .arg(server.admin_kubeconfig())
        .args(more);
    let mut clear = Child::start_bound(&command)?;
    let status = clear.exited(SOON).await?;
    ensure!(status.success(), "clear-status: {status}");
    Ok(())
}

async fn cleared(subnet: Subnet) -> Result<()> {
    let mut setting = Setting::start(subnet, &[]).await?;
    let Setting {
        server, replica, web, ..
    } = &mut setting;
    let address = replica.http.ip().to_string();
    let other = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: other}\n\
                 spec: {controller: example.com/other}\n";
    server.apply(other).await?;
    let moving = App::new("moving", &[web.addr]).as_ingress().yaml();
    server.apply(&moving).await?;
    server
        .apply(&App::new("staying", &[web.addr]).as_ingress().yaml())
        .await?;
    server.apply(&App::new("chat", &[web.addr]).yaml()).await?;
    let (moved, stayed, chat) = (
        ingress("default", "moving"),
        ingress("default", "staying"),
        at("default", "chat"),
    );
    for path in [&moved, &stayed, &chat] {
        until_addresses(server, path, &[&address]).await?;
    }
    // To another controller's class: what is ours goes.
    let patch = "{\"spec\":{\"ingressClassName\":\"other\"}}";
    server
        .kubectl(&["patch", "ingress", "moving", "--type=merge", "-p", patch])
        .await?;
    until_addresses(server, &moved, &[]).await?;
    replica
        .until_reason("moving.test", "/", Some("NoRoute"), SOON)
        .await?;
    until_addresses(server, &stayed, &[&address]).await?;

    replica.end_controller().await?;
    clear_status(server, &[]).await?;
    for path in [&stayed, &chat] {
        until_addresses(server, path, &[]).await?;
    }
    let object = server.get(&chat).await?;
    ensure!(
        object["status"]["urls"].is_null(),
        "a status outlived it: {object}"
    );
    // The data plane goes on.
    replica.until_served("staying.test", "/").await?;
    Ok(())
}

const TEAM: &str = "
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: team}
spec: {controller: holdfast.dev/team}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: theirs, namespace: team-a}
spec:
  ingressClassName: team
  rules:
  - host: theirs.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: theirs, port: {number: 80}}}}]}
";

/// One for everybody, and one for a team whose objects the first sees, too.
async fn two_installations(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &[]).await?;
    let Setting {
        server,
        replica,
        web,
        chart,
    } = &setting;
    server.kubectl(&["create", "namespace", "team-a"]).await?;
    let address = subnet.ip(11).to_string();
    let own = [
        "--controller-name=holdfast.dev/team",
        "--watch-namespaces=team-a",
        "--lease-name=team",
        "--publish-address",
        &address,
    ];
    let team = Replica::start(subnet, chart, 1, &own).await?;
    server.apply(TEAM).await?;
    let theirs = ingress("team-a", "theirs");
    until_addresses(server, &theirs, &[&address]).await?;
    let written = server.get(&theirs).await?;
    // Whatever happens to the first meanwhile, it writes nothing there.
    server.apply(&App::new("ours", &[web.addr]).yaml()).await?;
    server.until_ready(&at("default", "ours"), SOON).await?;
    let now = server.get(&theirs).await?;
    ensure!(
        now["metadata"]["resourceVersion"] == written["metadata"]["resourceVersion"],
        "the status was written by the other installation:\n{written}\n{now}"
    );
    let reason = replica.reason("theirs.test", "/").await?;
    ensure!(
        reason.as_deref() == Some("NoRoute"),
        "the first serves it: {reason:?}"
    );
    let reason = team.reason("theirs.test", "/").await?;
    ensure!(
        reason.as_deref() == Some("NoReadyEndpoints"),
        "the team's does not serve it: {reason:?}"
    );
    drop(team);
    let mine = ["--controller-name", "holdfast.dev/team", "--namespaces", "team-a"];
    clear_status(server, &mine).await?;
    until_addresses(server, &theirs, &[]).await?;
    let ours = server.get(&at("default", "ours")).await?;
    ensure!(!addresses(&ours).is_empty(), "the first lost its own: {ours}");
    Ok(())
}
