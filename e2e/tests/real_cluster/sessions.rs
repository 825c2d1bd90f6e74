//! What 200 sessions see while everything around them changes.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::chatter::{Chatter, End, Outcome, Talk};
use e2e::cluster::live::{get, helm, kubectl};
use e2e::deadline::{SOON, until_true};

use crate::release::{self, APP, RELEASE};

const SESSIONS: usize = 200;
const TALK: Talk = Talk {
    pace: Duration::from_millis(500),
    padding: 20,
};

async fn open() -> Result<Chatter> {
    Chatter::start(release::address().await?, "chat.test", SESSIONS, TALK).await
}

/// How many live; every other was told by a Close frame that the server goes away or restarts.
fn living(step: &str, outcomes: &[Outcome]) -> Result<usize> {
    let mut living = 0;
    for outcome in outcomes {
        match &outcome.end {
            End::Alive => living += 1,
            End::Closed { closing, .. } if [1001, 1012].contains(&closing.code) => {}
            other => anyhow::bail!("{step}: a session ended with {other:?}"),
        }
    }
    println!("{step}: {living} of {} sessions live on", outcomes.len());
    Ok(living)
}

/// Tells the story from the installation to the removal.
pub(crate) async fn story() -> Result<()> {
    for namespace in [RELEASE, APP] {
        release::namespace(namespace).await?;
    }
    release::deploy("install", &[]).await?;
    release::token_is_the_controllers_alone().await?;
    release::application().await?;
    for host in ["chat.test", "alias.test"] {
        until_true(host, SOON, || async {
            let Ok(to) = release::address().await else {
                return false;
            };
            e2e::clients::http::get(to, host, "/")
                .await
                .is_ok_and(|answer| answer.status == 200)
        })
        .await?;
    }
    println!(
        "{}",
        helm(&["test", RELEASE, "-n", RELEASE, "--timeout", "2m"]).await?
    );
    backend().await?;
    proxy().await?;
    removal().await
}

/// The application changes: only the sessions of its dying pods end.
async fn backend() -> Result<()> {
    let chatter = open().await?;
    kubectl(&["scale", "-n", APP, "deployment/chat", "--replicas=6"]).await?;
    release::rolled_out().await?;
    chatter.all_alive().await?;

    let chatter = open().await?;
    let pods = release::pods(APP, "app=chat").await?;
    ensure!(pods.len() == 6, "{pods:?}");
    kubectl(&["delete", "pod", "-n", APP, &pods[0].0, "--wait=true"]).await?;
    release::rolled_out().await?;
    let lived = living("a pod of the backend deleted", &chatter.stop().await?)?;
    // A sixth of them, more or less, was there.
    ensure!((100..SESSIONS).contains(&lived), "{lived} live");

    let chatter = open().await?;
    kubectl(&["rollout", "restart", "-n", APP, "deployment/chat"]).await?;
    release::rolled_out().await?;
    let outcomes = chatter.ended().await?;
    ensure!(
        living("the backend rolled", &outcomes)? == 0,
        "sessions live on pods that are gone"
    );
    Ok(())
}

/// The release changes: no session ends, unless its own pod is replaced; then it is told to come again.
async fn proxy() -> Result<()> {
    let chatter = open().await?;
    release::deploy("upgrade", &["ingressClass.annotations.note=changed"]).await?;
    chatter.all_alive().await?;

    let chatter = open().await?;
    release::deploy("upgrade", &["podAnnotations.note=changed"]).await?;
    ensure!(
        living("the release upgraded", &chatter.ended().await?)? == 0,
        "sessions live on pods that are gone"
    );

    let chatter = open().await?;
    helm(&[
        "rollback",
        RELEASE,
        "1",
        "-n",
        RELEASE,
        "--wait",
        "--timeout",
        "3m",
    ])
    .await?;
    ensure!(
        living("the release rolled back", &chatter.ended().await?)? == 0,
        "sessions live on pods that are gone"
    );
    Ok(())
}

async fn removal() -> Result<()> {
    let chatter = open().await?;
    helm(&["uninstall", RELEASE, "-n", RELEASE, "--wait", "--timeout", "3m"]).await?;
    ensure!(
        living("the release removed", &chatter.ended().await?)? == 0,
        "sessions live on pods that are gone"
    );
    release::gone().await?;
    // The routes stay, and say nothing of us any more.
    let route = get(APP, &["wsr", "chat"]).await?;
    ensure!(route["status"]["loadBalancer"].is_null(), "{route}");
    ensure!(route["status"]["controllerName"].is_null(), "{route}");
    for namespace in [RELEASE, APP] {
        kubectl(&["delete", "namespace", namespace, "--wait=false"]).await?;
    }
    Ok(())
}
