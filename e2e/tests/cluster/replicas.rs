//! Two and three replicas: one of them writes, another takes over, no status flaps, and an address is shown
//! only where every replica serves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::child::signal_pid;
use e2e::cluster::api_server::ApiServer;
use e2e::cluster::chart::RELEASE;
use e2e::cluster::expect::{addresses, condition, route as at};
use e2e::cluster::network::Subnet;
use e2e::cluster::replica::Replica;
use e2e::cluster::trial::trial;
use e2e::deadline::{SOON, until, until_true};
use futures_util::StreamExt;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, WatchEvent, WatchParams};
use kube::{Api, ResourceExt};
use libtest_mimic::Trial;
use rustix::process::Signal;
use tokio::time::Instant;

use crate::setting::{Setting, route, simple_route};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("replicas::one_writes_and_another_takes_over", take_over),
        trial("replicas::an_address_is_shown_only_where_all_serve", all_serve),
        trial("replicas::a_status_is_written_once_for_each_change", no_flapping),
        trial("replicas::that_start_write_nothing_again", few_writes),
    ]
}

/// Time after which a silent leader counts as gone (the default).
const LEASE: Duration = Duration::from_secs(15);
/// What a machine full of other tests may add.
const LEEWAY: Duration = Duration::from_secs(10);

/// Name of the pod that holds the common Lease.
async fn holder(server: &ApiServer) -> Option<String> {
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{RELEASE}/leases/{RELEASE}");
    let lease = server.get(&path).await.ok()?;
    let holder = lease["spec"]["holderIdentity"].as_str()?;
    (!holder.is_empty()).then(|| holder.to_owned())
}

/// Waits for a holder that is another one.
async fn next_holder(server: &ApiServer, last: &str) -> Result<String> {
    until("another leader", LEASE + LEEWAY, || async {
        holder(server).await.filter(|name| name != last)
    })
    .await
}

async fn take_over(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &[]).await?;
    let server = &setting.server;
    let first = until("a leader", SOON, || holder(server)).await?;
    ensure!(first == setting.replica.pod, "{first} leads");
    let mut replicas = vec![
        Replica::start(subnet, &setting.chart, 1, &[]).await?,
        Replica::start(subnet, &setting.chart, 2, &[]).await?,
        setting.replica,
    ];
    let mut leaders = 0.0;
    for replica in &replicas {
        leaders += replica
            .controller_admin
            .metrics()
            .await?
            .sum("holdfast_leader", &[]);
    }
    ensure!(leaders == 1.0, "{leaders} leaders");

    // Killed: nothing is given up, and its Lease runs out.
    replicas[2].kill_controller();
    let killed = Instant::now();
    let second = next_holder(server, &first).await?;
    println!("{second} leads {:?} after {first} was killed", killed.elapsed());
    // It writes. The data plane that has lost its controller is told nothing, and is no longer waited for.
    server
        .apply(&e2e::manifests::Backend::new("chat", 1, &[setting.web.addr]).yaml())
        .await?;
    server.apply(&simple_route("chat")).await?;
    server.until_ready(&at("default", "chat"), LEASE + LEEWAY).await?;

    // Ended in good order: the Lease is given up, and nobody waits for it to run out.
    replicas[2].start_controller()?;
    let leader = replicas.iter_mut().find(|replica| replica.pod == second);
    let leader = leader.with_context(|| format!("no replica is called {second}"))?;
    leader.end_controller().await?;
    let ended = Instant::now();
    let third = next_holder(server, &second).await?;
    println!("{third} leads {:?} after {second} ended", ended.elapsed());
    ensure!(ended.elapsed() < LEASE, "it took {:?}", ended.elapsed());
    Ok(())
}

async fn all_serve(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &[]).await?;
    let Setting { server, replica, .. } = &setting;
    let second = Replica::start(subnet, &setting.chart, 1, &[]).await?;
    for name in ["first", "later"] {
        setting.serve(name).await?;
    }
    server.apply(&simple_route("first")).await?;
    server.until_ready(&at("default", "first"), SOON).await?;

    // While one replica is told nothing, the other serves, and the status waits for both.
    signal_pid(second.controller_pid()?, Signal::STOP)?;
    server.apply(&simple_route("later")).await?;
    replica.until_served("later.test", "/").await?;
    let later = at("default", "later");
    let pending = ("Programmed", "False", "Pending");
    let object = server
        .until_condition(&later, pending, "1 of 2 replicas", SOON)
        .await?;
    ensure!(
        addresses(&object).is_empty(),
        "an address before all serve: {object}"
    );
    ensure!(
        second.reason("later.test", "/").await?.as_deref() == Some("NoRoute"),
        "it serves although it was stopped"
    );

    signal_pid(second.controller_pid()?, Signal::CONT)?;
    until_true("an address", SOON, || async {
        server
            .get(&later)
            .await
            .is_ok_and(|object| !addresses(&object).is_empty())
    })
    .await?;
    // At this moment every replica serves.
    for replica in [replica, &second] {
        let reason = replica.reason("later.test", "/").await?;
        ensure!(
            reason.is_none(),
            "{} answers {reason:?} although the address is shown",
            replica.pod
        );
    }
    server.until_ready(&later, SOON).await.map(drop)
}

async fn no_flapping(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &[]).await?;
    let Setting { server, .. } = &setting;
    let second = Replica::start(subnet, &setting.chart, 1, &[]).await?;
    let third = Replica::start(subnet, &setting.chart, 2, &[]).await?;
    setting.serve("chat").await?;
    server.apply(&simple_route("chat")).await?;
    let chat = at("default", "chat");
    let object = server.until_ready(&chat, SOON).await?;
    let version = |object: &serde_json::Value| object["metadata"]["resourceVersion"].clone();
    // Each of the others starts anew, and something else changes: nobody has a reason to write this status.
    for (number, mut replica) in [(0, second), (1, third)] {
        replica.end_controller().await?;
        replica.start_controller()?;
        let name = format!("other-{number}");
        setting.serve(&name).await?;
        server.apply(&simple_route(&name)).await?;
        server.until_ready(&at("default", &name), LEASE + LEEWAY).await?;
    }
    let now = server.get(&chat).await?;
    ensure!(
        version(&now) == version(&object),
        "the status was written again:\n{object}\n{now}"
    );
    // An edit that changes what is served is told once: pending or not, it ends Ready at its generation.
    let edited = simple_route("chat").replace("rules: [{", "rules: [{name: renamed, ");
    server.apply(&edited).await?;
    let object = server.until_ready(&chat, LEASE + LEEWAY).await?;
    ensure!(object["metadata"]["generation"] == 2, "{object}");
    let since =
        |object: &serde_json::Value| condition(object, "Accepted").map(|c| c["lastTransitionTime"].clone());
    ensure!(since(&object) == since(&now), "Accepted has flipped: {object}");
    Ok(())
}

/// Counts what a watch tells of WebSocketRoutes in `default`: changes by name.
#[derive(Clone, Default)]
struct Changes(Arc<Mutex<BTreeMap<String, usize>>>);

impl Changes {
    /// Starts to watch.
    async fn follow(server: &ApiServer) -> Result<Self> {
        let kind = GroupVersionKind::gvk("holdfast.dev", "v1alpha1", "WebSocketRoute");
        let kind = ApiResource::from_gvk(&kind);
        let routes: Api<DynamicObject> = Api::namespaced_with(server.admin()?, "default", &kind);
        let parameters = WatchParams::default().timeout(290);
        let mut events = Box::pin(routes.watch(&parameters, "0").await?);
        let changes = Self::default();
        let counts = changes.clone();
        tokio::spawn(async move {
            while let Some(Ok(event)) = events.next().await {
                if let WatchEvent::Modified(object) = event {
                    let mut counts = counts.0.lock().unwrap_or_else(PoisonError::into_inner);
                    *counts.entry(object.name_any()).or_default() += 1;
                }
            }
        });
        Ok(changes)
    }

    /// Of the routes whose names begin like this.
    fn of(&self, beginning: &str) -> usize {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_them = counts.iter().filter(|(name, _)| name.starts_with(beginning));
        of_them.map(|(_, count)| count).sum()
    }
}

/// How many there are of what is written only once.
const MANY: usize = 200;

async fn few_writes(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &[]).await?;
    let server = &setting.server;
    let second = Replica::start(subnet, &setting.chart, 1, &[]).await?;
    setting.serve("chat").await?;
    let changes = Changes::follow(server).await?;
    let yaml: String = (0..MANY)
        .map(|number| {
            route(
                &format!("many-{number}"),
                "[{backendRefs: [{name: chat, port: 80}]}]",
            )
        })
        .collect();
    server.apply(&yaml).await?;
    for number in 0..MANY {
        let path = at("default", &format!("many-{number}"));
        server.until_ready(&path, LEASE + LEEWAY).await?;
    }
    let first = changes.of("many-");
    println!("{first} changes of {MANY} routes until all were Ready");
    ensure!(
        (MANY..=3 * MANY).contains(&first),
        "{first} changes of {MANY} routes"
    );
    // Both start anew, the writer changes twice, and another route shows that they write.
    let mut replicas = [setting.replica, second];
    for (number, replica) in replicas.iter_mut().enumerate() {
        replica.end_controller().await?;
        replica.start_controller()?;
        let name = format!("other-{number}");
        server
            .apply(&route(&name, "[{backendRefs: [{name: chat, port: 80}]}]"))
            .await?;
        server.until_ready(&at("default", &name), LEASE + LEEWAY).await?;
    }
    ensure!(changes.of("other-") > 0, "the watch has ended");
    let again = changes.of("many-") - first;
    ensure!(again == 0, "{again} of {MANY} statuses were written again");
    Ok(())
}
