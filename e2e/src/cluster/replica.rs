//! What one pod of the chart runs: a controller and a data plane that share a socket, on an address of their
//! own.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use tempfile::TempDir;

use super::chart::{Chart, RELEASE};
use super::network::Subnet;
use crate::admin::Admin;
use crate::binaries;
use crate::child::{Child, Logs};
use crate::clients::http;
use crate::deadline::{self, SOON};
use crate::stack::{CONTROLLER, DATAPLANE};

/// Host number of the first replica in the subnet.
const FIRST: u8 = 10;

/// A running replica. Dropping it kills both processes.
#[derive(Debug)]
pub struct Replica {
    /// Name of the pod that it stands for.
    pub pod: String,
    /// Where clients connect.
    pub http: SocketAddr,
    /// The data plane's admin port.
    pub admin: Admin,
    /// The controller's admin port.
    pub controller_admin: Admin,
    chart: Chart,
    more: Vec<String>,
    controller: Option<Child>,
    dataplane: Child,
    // The socket and the last good table; kept for as long as the processes.
    run_dir: TempDir,
}

impl Replica {
    /// Starts the replica of that number, with more arguments for the controller; returns once it serves.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(subnet: Subnet, chart: &Chart, number: u8, more: &[&str]) -> Result<Self> {
        let mut replica = Self::launch(subnet, chart, number, more)?;
        replica.dataplane.announced("ready ", SOON).await?;
        Ok(replica)
    }

    /// The same; does not wait for anything.
    ///
    /// # Errors
    /// When a process can't be started.
    pub fn launch(subnet: Subnet, chart: &Chart, number: u8, more: &[&str]) -> Result<Self> {
        let run_dir = TempDir::with_prefix("holdfast-run-")?;
        let http = subnet.at(FIRST + number, 80);
        let https = subnet.at(FIRST + number, 443);
        let admin = subnet.at(FIRST + number, 9080);
        let mut command = Command::new(binaries::find(DATAPLANE)?);
        command.arg("--config").arg(&chart.dataplane);
        command.arg("--socket").arg(run_dir.path().join("control.sock"));
        command.arg("--run-dir").arg(run_dir.path());
        command.args(["--workers", "1", "--http", &http.to_string()]);
        command.args(["--https", &https.to_string()]);
        command.args(["--admin", &admin.to_string(), "--access-log", "off"]);
        let mut replica = Self {
            pod: format!("holdfast-{number}"),
            http,
            admin: Admin { addr: admin },
            controller_admin: Admin {
                addr: subnet.at(FIRST + number, 9081),
            },
            chart: chart.clone(),
            more: more.iter().map(|&argument| argument.to_owned()).collect(),
            controller: None,
            dataplane: Child::start_bound(&command)?,
            run_dir,
        };
        replica.start_controller()?;
        Ok(replica)
    }

    /// Starts the controller, which must not run.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start_controller(&mut self) -> Result<()> {
        let mut command = Command::new(binaries::find(CONTROLLER)?);
        command.arg("--config").arg(&self.chart.controller);
        command.arg("--kubeconfig").arg(&self.chart.kubeconfig);
        command
            .arg("--socket")
            .arg(self.run_dir.path().join("control.sock"));
        command.args(["--admin", &self.controller_admin.addr.to_string()]);
        command.args(["--pod-name", &self.pod, "--pod-namespace", RELEASE]);
        command.args(&self.more);
        self.controller = Some(Child::start_bound(&command)?);
        Ok(())
    }

    /// Kills the controller; the data plane goes on.
    pub fn kill_controller(&mut self) {
        self.controller = None;
    }

    /// Asks the controller to end, and waits until it has.
    ///
    /// # Errors
    /// When it does not.
    pub async fn end_controller(&mut self) -> Result<()> {
        let mut controller = self.controller.take().context("no controller runs")?;
        controller.signal(Signal::TERM)?;
        controller.exited(SOON).await.map(drop)
    }

    /// What the controller wrote.
    ///
    /// # Errors
    /// When it does not run.
    pub fn logs(&self) -> Result<&Logs> {
        Ok(&self.controller.as_ref().context("no controller runs")?.logs)
    }

    /// Process id of the controller.
    ///
    /// # Errors
    /// When it does not run.
    pub fn controller_pid(&self) -> Result<u32> {
        Ok(self.controller.as_ref().context("no controller runs")?.pid())
    }

    /// Process id of the data plane.
    pub fn dataplane_pid(&self) -> u32 {
        self.dataplane.pid()
    }

    /// Why the proxy refuses a plain request, `None` when the backend answers it.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn reason(&self, host: &str, path: &str) -> Result<Option<String>> {
        let answer = http::get(self.http, host, path).await?;
        Ok(answer.reason().map(ToOwned::to_owned))
    }

    /// Waits until a plain request is answered with this `Holdfast-Reason` (`None`: by the backend).
    ///
    /// # Errors
    /// When it is not within `limit`; says what the last answer was.
    pub async fn until_reason(
        &self,
        host: &str,
        path: &str,
        wanted: Option<&str>,
        limit: Duration,
    ) -> Result<()> {
        let reached = deadline::until_true(&format!("{wanted:?} for {host}{path}"), limit, || async {
            self.reason(host, path)
                .await
                .is_ok_and(|reason| reason.as_deref() == wanted)
        })
        .await;
        match reached {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(format!("it is {:?}", self.reason(host, path).await))),
        }
    }

    /// Waits until the backend answers.
    ///
    /// # Errors
    /// When it does not within [`SOON`].
    pub async fn until_served(&self, host: &str, path: &str) -> Result<()> {
        self.until_reason(host, path, None, SOON).await
    }
}
