//! Where the two other binaries are, and the command lines of a stack.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::Command;

use super::Args;
use super::run_dir::RunDir;
use super::supervise::Process;
use crate::compile::timeouts;

/// The controller has nothing to wait for.
const CONTROLLER_GRACE: Duration = Duration::from_secs(5);
/// How much longer than its drain deadline the data plane may take.
const DRAIN_MARGIN: Duration = Duration::from_secs(5);

/// The binaries that `serve` starts, found beside its own.
pub(super) struct Binaries {
    controller: PathBuf,
    dataplane: PathBuf,
}

impl Binaries {
    pub(super) fn find() -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("cannot find the path of this program")?;
        let folder = own.parent().context("this program has no folder")?;
        let beside = |name: &str| {
            let path = folder.join(name);
            if path.is_file() {
                return Ok(path);
            }
            bail!(
                "'{name}' must be in the folder of 'holdfast', {}",
                folder.display()
            )
        };
        Ok(Self {
            controller: beside("holdfast-controller")?,
            dataplane: beside("holdfast-dataplane")?,
        })
    }
}

/// The addresses to ask for, the first time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) http: SocketAddr,
    pub(super) https: SocketAddr,
    pub(super) admin: SocketAddr,
}

/// The controller over the manifests in `folder`.
pub(super) fn controller(binaries: &Binaries, run_dir: &RunDir, folder: &Path, args: &Args) -> Process {
    let (binary, socket, folder) = (binaries.controller.clone(), run_dir.socket(), folder.to_owned());
    let mut settings = logging(args).to_vec();
    if let Some(secret) = &args.default_certificate {
        settings.push(format!("--default-certificate={secret}"));
    }
    Process {
        name: "controller",
        command: Box::new(move |_| {
            let mut command = Command::new(&binary);
            command.arg("--files").arg(&folder).arg("--socket").arg(&socket);
            command.args(&settings).arg("--exit-with-parent");
            command
        }),
        grace: CONTROLLER_GRACE,
        format: args.log_format,
    }
}

/// The data plane. A later start asks for the very addresses that the first one got.
pub(super) fn dataplane(binaries: &Binaries, run_dir: &RunDir, addresses: Addresses, args: &Args) -> Process {
    let (binary, socket, run_dir) = (
        binaries.dataplane.clone(),
        run_dir.socket(),
        run_dir.path().to_owned(),
    );
    let logging = logging(args);
    let mut settings = vec![
        format!("--drain-window={}", args.drain_window),
        format!("--drain-deadline={}", args.drain_deadline),
    ];
    settings.extend(args.workers.map(|workers| format!("--workers={workers}")));
    Process {
        name: "dataplane",
        command: Box::new(move |before| {
            let Addresses { http, https, admin } = before.map_or(addresses, |listening| Addresses {
                http: listening.http,
                https: listening.https,
                admin: listening.admin,
            });
            let mut command = Command::new(&binary);
            command
                .arg("--socket")
                .arg(&socket)
                .arg("--run-dir")
                .arg(&run_dir);
            command
                .arg(format!("--http={http}"))
                .arg(format!("--https={https}"))
                .arg(format!("--admin={admin}"));
            command.args(&settings).args(&logging).arg("--exit-with-parent");
            command
        }),
        grace: timeouts::duration(&args.drain_deadline).unwrap_or_default() + DRAIN_MARGIN,
        format: args.log_format,
    }
}

fn logging(args: &Args) -> [String; 2] {
    [
        format!("--log-format={}", args.log_format.as_str()),
        format!("--log-level={}", args.log_level.as_str().to_ascii_lowercase()),
    ]
}
