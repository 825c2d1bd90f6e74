//! The two parts of the product alone, without `holdfast serve` around them.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::admin::Admin;
use crate::binaries;
use crate::child::Child;
use crate::deadline::SOON;
use crate::stack::{CONTROLLER, DATAPLANE, address};

/// A data plane whose socket and state are in a folder of the caller's.
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

/// A running controller.
#[derive(Debug)]
pub struct Controller {
    /// The process.
    pub process: Child,
}

/// The socket that both parts share in a folder.
fn socket(run_dir: &Path) -> std::path::PathBuf {
    run_dir.join("holdfast.sock")
}

impl Controller {
    /// Compiles a folder of manifests.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(files: &Path, run_dir: &Path) -> Result<Self> {
        let mut command = Command::new(binaries::find(CONTROLLER)?);
        command
            .arg("--files")
            .arg(files)
            .arg("--socket")
            .arg(socket(run_dir));
        Ok(Self {
            process: Child::start(command)?,
        })
    }
}

impl DataPlane {
    /// Starts one that serves what the controller in `run_dir` sends; returns once a table serves.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(run_dir: &Path, workers: usize) -> Result<Self> {
        Self::start_with(run_dir, workers, &[]).await
    }

    /// The same with more arguments.
    ///
    /// # Errors
    /// As [`DataPlane::start`].
    pub async fn start_with(run_dir: &Path, workers: usize, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(binaries::find(DATAPLANE)?);
        command
            .arg("--socket")
            .arg(socket(run_dir))
            .arg("--run-dir")
            .arg(run_dir);
        command.args(["--http", "127.0.0.1:0", "--https", "127.0.0.1:0"]);
        command.args(["--admin", "127.0.0.1:0"]);
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
