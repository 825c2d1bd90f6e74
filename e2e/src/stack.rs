//! The whole product: `holdfast serve` on a folder of manifests, with its two children.

use std::net::SocketAddr;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::admin::Admin;
use crate::binaries;
use crate::child::{Child, Logs, signal_pid};
use crate::clients::http;
use crate::deadline::{self, SOON};
use crate::manifests::{App, Manifests};
use crate::proc;

/// Name of the control part's process.
pub const CONTROLLER: &str = "holdfast-controller";
/// Name of the serving part's process.
pub const DATAPLANE: &str = "holdfast-dataplane";

/// A running `holdfast serve`. Dropping it kills all three processes.
#[derive(Debug)]
pub struct Stack {
    serve: Child,
    /// Where clients connect.
    pub http: SocketAddr,
    /// Where they connect with TLS.
    pub https: SocketAddr,
    /// The data plane's admin port.
    pub admin: Admin,
    /// What is served.
    pub manifests: Manifests,
    // Sockets and state; kept for as long as the processes.
    _run_dir: TempDir,
}

impl Stack {
    /// Serves these applications.
    ///
    /// # Errors
    /// When it does not come up; the logs are printed.
    pub async fn start(apps: &[&App]) -> Result<Self> {
        Self::serve(Manifests::with(apps)?, &[]).await
    }

    /// Serves a folder, with more arguments for `holdfast serve`.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub async fn serve(manifests: Manifests, arguments: &[&str]) -> Result<Self> {
        let run_dir = TempDir::with_prefix("holdfast-run-")?;
        let mut command = Command::new(binaries::find("holdfast")?);
        binaries::find(CONTROLLER)?;
        binaries::find(DATAPLANE)?;
        command.arg("serve").arg(manifests.path());
        command
            .args(["--http", "127.0.0.1:0", "--https", "127.0.0.1:0"])
            .args(["--admin", "127.0.0.1:0", "--run-dir"])
            .arg(run_dir.path());
        command.args(arguments);
        let mut serve = Child::start(command)?;
        let ready = serve.announced("ready ", SOON).await?;
        let http = address(&ready, "http")?;
        let https = address(&ready, "https")?;
        let admin = Admin {
            addr: address(&ready, "admin")?,
        };
        Ok(Self {
            serve,
            http,
            https,
            admin,
            manifests,
            _run_dir: run_dir,
        })
    }

    /// What the three processes wrote.
    pub fn logs(&self) -> &Logs {
        &self.serve.logs
    }

    /// Process id of [`CONTROLLER`] or [`DATAPLANE`], if it runs at the moment.
    pub fn running(&self, name: &str) -> Option<u32> {
        // The kernel cuts names at 15 bytes.
        let name = name.get(..15).unwrap_or(name);
        let mut children = proc::children(self.serve.pid()).into_iter();
        children.find(|(_, child)| child == name).map(|(pid, _)| pid)
    }

    /// The same; waits for one that is being restarted.
    ///
    /// # Errors
    /// When there is none within [`SOON`].
    pub async fn pid(&self, name: &str) -> Result<u32> {
        deadline::until(&format!("a process {name}"), SOON, || async {
            self.running(name)
        })
        .await
    }

    /// Kills [`CONTROLLER`] or [`DATAPLANE`] with SIGKILL, and yields its process id.
    ///
    /// # Errors
    /// When there is none.
    pub async fn kill(&self, name: &str) -> Result<u32> {
        let pid = self.pid(name).await?;
        signal_pid(pid, Signal::KILL)?;
        Ok(pid)
    }

    /// Asks `serve` to drain and end (SIGTERM).
    ///
    /// # Errors
    /// When it is gone.
    pub fn terminate(&self) -> Result<()> {
        self.serve.signal(Signal::TERM)
    }

    /// Waits for the end of `serve`.
    ///
    /// # Errors
    /// When it still runs after `limit`.
    pub async fn exited(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.serve.exited(limit).await
    }

    /// Saves an application and waits until its host is routed.
    ///
    /// # Errors
    /// When it is not within [`SOON`].
    pub async fn apply(&self, app: &App) -> Result<()> {
        self.manifests.save_app(app)?;
        self.until_reason(&app.host, &app.path, |reason| reason != Some("NoRoute"))
            .await
    }

    /// Waits until a plain request is answered with the `Holdfast-Reason` that `test` wants (`None`: the
    /// backend answered).
    ///
    /// # Errors
    /// When it is not within [`SOON`].
    pub async fn until_reason(
        &self,
        host: &str,
        path: &str,
        test: impl Fn(Option<&str>) -> bool,
    ) -> Result<()> {
        deadline::until_true(
            &format!("a change of the answer for {host}{path}"),
            SOON,
            || async {
                http::get(self.http, host, path)
                    .await
                    .is_ok_and(|answer| test(answer.reason()))
            },
        )
        .await
    }
}

/// The address in `key=ADDR` of a ready line.
///
/// # Errors
/// When there is none.
pub fn address(line: &str, key: &str) -> Result<SocketAddr> {
    let mut fields = line.split_whitespace().filter_map(|field| field.split_once('='));
    let field = fields.find(|(name, _)| *name == key);
    let (_, value) = field.with_context(|| format!("no {key}= in '{line}'"))?;
    value.parse().with_context(|| format!("{key} in '{line}'"))
}
