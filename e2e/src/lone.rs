//! The two parts of the product alone, without `holdfast serve` around them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use crate::admin::Admin;
use crate::binaries;
use crate::child::Child;
use crate::deadline::SOON;
use crate::manifests::Manifests;
use crate::stack::{CONTROLLER, DATAPLANE, address};

/// A controller on a folder of manifests, and the data plane that serves them.
#[derive(Debug)]
pub struct Parts {
    /// The data plane.
    pub dataplane: DataPlane,
    controller: Child,
    _manifests: Manifests,
    // Socket and state; kept for as long as the processes.
    _run_dir: TempDir,
}

/// A running data plane.
#[derive(Debug)]
pub struct DataPlane {
    /// The process.
    pub process: Child,
    /// Where clients connect.
    pub http: SocketAddr,
    /// Where they connect with TLS.
    pub https: SocketAddr,
    /// Its admin port.
    pub admin: Admin,
}

impl Parts {
    /// Starts both, the data plane with so many workers and more arguments; returns once a table serves.
    ///
    /// # Errors
    /// When they do not come up.
    pub async fn start(manifests: Manifests, workers: usize, arguments: &[&str]) -> Result<Self> {
        Self::start_at(Ipv4Addr::LOCALHOST.into(), manifests, workers, arguments).await
    }

    /// The same at an address.
    ///
    /// # Errors
    /// When they do not come up.
    pub async fn start_at(
        ip: IpAddr,
        manifests: Manifests,
        workers: usize,
        arguments: &[&str],
    ) -> Result<Self> {
        let run_dir = TempDir::with_prefix("holdfast-run-")?;
        let socket = run_dir.path().join("holdfast.sock");
        let mut command = Command::new(binaries::find(CONTROLLER)?);
        command.arg("--files").arg(manifests.path());
        command.arg("--socket").arg(&socket);
        Ok(Self {
            controller: Child::start(command)?,
            dataplane: DataPlane::start(ip, &socket, run_dir.path(), workers, arguments).await?,
            _manifests: manifests,
            _run_dir: run_dir,
        })
    }

    /// Does not show what they wrote.
    pub fn quiet(&mut self) {
        self.controller.quiet();
        self.dataplane.process.quiet();
    }
}

impl DataPlane {
    async fn start(
        ip: IpAddr,
        socket: &Path,
        run_dir: &Path,
        workers: usize,
        arguments: &[&str],
    ) -> Result<Self> {
        let anywhere = SocketAddr::new(ip, 0).to_string();
        let mut command = Command::new(binaries::find(DATAPLANE)?);
        command.arg("--socket").arg(socket);
        command.arg("--run-dir").arg(run_dir);
        for flag in ["--http", "--https", "--admin"] {
            command.args([flag, &anywhere]);
        }
        command.args(["--workers", &workers.to_string()]).args(arguments);
        let mut process = Child::start(command)?;
        let ready = process.announced("ready ", SOON).await?;
        let admin = Admin {
            addr: address(&ready, "admin")?,
        };
        Ok(Self {
            http: address(&ready, "http")?,
            https: address(&ready, "https")?,
            admin,
            process,
        })
    }
}
