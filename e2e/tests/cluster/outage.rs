//! The API server is away, forgets its history, or comes back with nothing: traffic never stops, no session is
//! cut, no table is emptied; afterwards changes are followed again.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::backends::Echo;
use e2e::chatter::{Chatter, Talk};
use e2e::child::signal_pid;
use e2e::cluster::expect::route as at;
use e2e::cluster::network::Subnet;
use e2e::cluster::trial::trial;
use e2e::deadline::SOON;
use e2e::manifests::Backend;
use libtest_mimic::Trial;
use rustix::process::Signal;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::setting::{Setting, simple_route};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("outage::of_two_minutes_is_not_noticed", two_minutes),
        trial(
            "outage::a_frozen_server_and_a_lost_history_are_survived",
            lost_history,
        ),
        trial("outage::a_server_that_comes_back_empty_empties_nothing", empty),
        trial(
            "outage::another_cluster_is_not_taken_for_an_empty_one",
            |subnet| another(subnet, &[]),
        ),
        trial(
            "outage::namespaces_that_another_cluster_lacks_are_not_left",
            |subnet| another(subnet, &["controller.watchNamespaceSelector=team=chat"]),
        ),
    ]
}

const SESSIONS: usize = 100;
const TALK: Talk = Talk {
    pace: Duration::from_millis(500),
    padding: 20,
};
/// Time for a controller to find its way back after an outage: its pauses grow to some seconds.
const BACK: Duration = Duration::from_secs(30);
/// Time after which a token is surely read again from its file.
const NEW_TOKEN: Duration = Duration::from_secs(90);

/// Applies what the scene is about.
async fn furnish(setting: &Setting, echo: &Echo) -> Result<()> {
    let label = ["label", "namespace", "default", "--overwrite", "team=chat"];
    setting.server.kubectl(&label).await?;
    let backend = Backend::new("steady", 1, &[echo.addr]);
    setting.serve("before").await?;
    setting.server.apply(&backend.yaml()).await?;
    setting.server.apply(&simple_route("steady")).await?;
    setting.server.apply(&simple_route("before")).await
}

/// The usual things, and sessions that must live to the end.
struct Scene {
    setting: Setting,
    chatter: Chatter,
    echo: Echo,
}

impl Scene {
    async fn start(subnet: Subnet, values: &[&str]) -> Result<Self> {
        let setting = Setting::start(subnet, values).await?;
        let echo = Echo::plain_at(subnet.at(110, 8080)).await?;
        furnish(&setting, &echo).await?;
        setting.server.until_ready(&at("default", "steady"), SOON).await?;
        setting.server.until_ready(&at("default", "before"), SOON).await?;
        let chatter = Chatter::start(setting.replica.http, "steady.test", SESSIONS, TALK).await?;
        Ok(Self {
            setting,
            chatter,
            echo,
        })
    }

    /// Asks again and again for `length`; each request and each new session must be served.
    async fn goes_on(&self, length: Duration) -> Result<()> {
        let end = Instant::now() + length;
        let mut ticks = interval(Duration::from_millis(500));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while Instant::now() < end {
            ticks.tick().await;
            let reason = self.setting.replica.reason("before.test", "/").await?;
            ensure!(reason.is_none(), "a request is refused: {reason:?}");
            let one = Chatter::start(self.setting.replica.http, "steady.test", 1, TALK).await?;
            one.all_alive().await?;
        }
        Ok(())
    }

    /// A route that is new is served.
    async fn follows(&self, name: &str, limit: Duration) -> Result<()> {
        self.setting.serve(name).await?;
        self.setting.server.apply(&simple_route(name)).await?;
        self.setting
            .replica
            .until_reason(&format!("{name}.test"), "/", None, limit)
            .await
    }

    async fn none_cut(self) -> Result<()> {
        self.setting.replica.admin.none_cut_by_config().await?;
        let exchanged = self.chatter.all_alive().await?;
        println!("{exchanged} messages over {SESSIONS} sessions");
        drop(self.echo);
        Ok(())
    }
}

async fn two_minutes(subnet: Subnet) -> Result<()> {
    let mut scene = Scene::start(subnet, &[]).await?;
    scene.setting.server.kill();
    scene.goes_on(Duration::from_secs(120)).await?;
    scene.setting.server.resume().await?;
    let back = Instant::now();
    scene.follows("after", BACK).await?;
    println!("followed {:?} after the API server was back", back.elapsed());
    scene.none_cut().await
}

async fn lost_history(subnet: Subnet) -> Result<()> {
    let mut scene = Scene::start(subnet, &[]).await?;
    // Nothing answers, and no connection ends.
    scene.setting.server.freeze()?;
    scene.goes_on(Duration::from_secs(5)).await?;
    scene.setting.server.thaw()?;
    scene.follows("thawed", BACK).await?;
    // What happens while the controller looks away is in no history that it can ask for.
    let controller = scene.setting.replica.controller_pid()?;
    signal_pid(controller, Signal::STOP)?;
    scene.setting.server.delete("websocketroute/thawed").await?;
    scene.setting.serve("missed").await?;
    scene.setting.server.apply(&simple_route("missed")).await?;
    scene.setting.server.compact().await?;
    scene.setting.server.kill();
    scene.setting.server.resume().await?;
    signal_pid(controller, Signal::CONT)?;
    let replica = &scene.setting.replica;
    replica.until_reason("missed.test", "/", None, BACK).await?;
    replica
        .until_reason("thawed.test", "/", Some("NoRoute"), BACK)
        .await?;
    scene.follows("after", BACK).await?;
    scene.none_cut().await
}

async fn empty(subnet: Subnet) -> Result<()> {
    let mut scene = Scene::start(subnet, &[]).await?;
    scene.setting.server.wipe()?;
    scene.setting.server.resume().await?;
    // Nobody knows the replica's token.
    scene.goes_on(Duration::from_secs(10)).await?;
    // Everybody knows it, and there is nothing else.
    Setting::chart(&scene.setting.server, &[]).await?;
    scene.goes_on(Duration::from_secs(20)).await?;
    // What was there is restored, and is followed again.
    furnish(&scene.setting, &scene.echo).await?;
    scene.goes_on(Duration::from_secs(5)).await?;
    scene.follows("after", NEW_TOKEN).await?;
    scene.none_cut().await
}

/// Credentials that the other cluster takes, too: those of an administrator.
async fn another(subnet: Subnet, values: &'static [&'static str]) -> Result<()> {
    let mut scene = Scene::start(subnet, values).await?;
    let Setting {
        server,
        replica,
        chart,
        ..
    } = &mut scene.setting;
    replica.end_controller().await?;
    std::fs::copy(server.admin_kubeconfig(), &chart.kubeconfig)?;
    replica.start_controller()?;
    server.until_ready(&at("default", "steady"), SOON).await?;
    scene.follows("seen", BACK).await?;
    scene.setting.server.wipe()?;
    // Long enough for every watch to notice that nobody answers.
    scene.goes_on(Duration::from_secs(5)).await?;
    scene.setting.server.resume().await?;
    let words = ["lacks objects that were there", "another cluster"];
    scene.setting.replica.logs()?.line_with(&words, BACK).await?;
    scene.goes_on(Duration::from_secs(20)).await?;
    Setting::chart(&scene.setting.server, values).await?;
    furnish(&scene.setting, &scene.echo).await?;
    scene.follows("after", BACK).await?;
    scene.none_cut().await
}
