//! `holdfast serve`: both binaries over a folder of manifests, one app, or the demo.
//!
//! Owns the choice of what is served and the answer to the caller; the processes are [`stack`]'s.

mod backoff;
mod launch;
mod listening;
mod logs;
mod manifest;
mod run_dir;
mod stack;
mod supervise;
mod target;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::ArgGroup;
use tracing::{Level, warn};

use self::launch::{Addresses, Binaries};
use self::listening::{Listening, is_taken, local_authority};
use self::logs::LogFormat;
use self::run_dir::RunDir;
use self::stack::{Outcome, Signals};
use super::{Exit, demo};
use crate::compile::timeouts;
use crate::config::FullName;

/// Arguments of `holdfast serve`.
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("source").required(true).args(["dir", "demo", "to"])))]
#[command(
    after_help = "Prints 'ready http=ADDR:PORT https=ADDR:PORT admin=ADDR:PORT' to stdout once the first table \
    serves; logs go to stderr.\nSIGTERM or SIGINT (Ctrl-C) drains, a second one ends at once.\n\
    SIGHUP makes the controller look at the folder again."
)]
pub(super) struct Args {
    /// Folder of manifests: Ingress, IngressClass, Service, EndpointSlice, Secret, ConfigMap, WebSocketRoute; watched
    dir: Option<PathBuf>,
    /// Serve a built-in chat page and echo from manifests that invite an edit
    #[arg(long)]
    demo: bool,
    /// Serve one app: every host and path goes to this address
    #[arg(long, value_name = "HOST:PORT")]
    to: Option<String>,
    /// Where to listen for HTTP and WebSocket; port 0 lets the system pick
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:8080", value_parser = listening::address)]
    http: SocketAddr,
    /// Where to listen for HTTPS and WebSocket over TLS; port 0 lets the system pick
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:8443", value_parser = listening::address)]
    https: SocketAddr,
    /// Where to answer /healthz, /readyz, /metrics and /config; port 0 lets the system pick
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9080", value_parser = listening::address)]
    admin: SocketAddr,
    /// Secret in the folder with the certificate for clients that ask for no name, or for one that no object speaks of [default: none]
    #[arg(
        long,
        env = "HOLDFAST_DEFAULT_CERTIFICATE",
        value_name = "NAMESPACE/SECRET",
        requires = "dir"
    )]
    default_certificate: Option<FullName>,
    /// Worker threads of the data plane [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// Private folder for the socket and generated manifests [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Over how long a drain spreads the Close frames
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = checked_duration)]
    drain_window: String,
    /// When a drain ends what is left
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = checked_duration)]
    drain_deadline: String,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    log_format: LogFormat,
    /// Least severe level that is logged: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: Level,
}

fn checked_duration(text: &str) -> Result<String, String> {
    timeouts::duration(text).map(|_| text.to_owned())
}

/// Serves until a signal.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    logs::init(args.log_format, args.log_level);
    let binaries = Binaries::find()?;
    let mut signals = Signals::new()?;
    let run_dir = RunDir::new(args.run_dir.as_deref())?;
    let mut backend = None;
    let folder = match (&args.dir, &args.to) {
        (Some(dir), _) if dir.is_dir() => dir.clone(),
        (Some(dir), _) if matches!(dir.try_exists(), Ok(false)) => {
            bail!("'{}' does not exist; name a folder of manifests", dir.display())
        }
        (Some(dir), _) => bail!("'{}' must be a folder of manifests", dir.display()),
        (None, Some(app)) => {
            let manifest = manifest::to(app, target::resolve(app).await?);
            manifest::write(run_dir.path(), "holdfast-to", "app.yaml", &manifest)?
        }
        (None, None) => {
            let started = demo::Backend::start().await?;
            let manifest = manifest::demo(started.blue, started.green);
            backend = Some(started);
            manifest::write(run_dir.path(), "holdfast-demo", "demo.yaml", &manifest)?
        }
    };
    let mut addresses = addresses(&args)?;
    let mut attempt = 1;
    loop {
        let controller = launch::controller(&binaries, &run_dir, &folder, &args);
        let dataplane = launch::dataplane(&binaries, &run_dir, addresses, &args);
        let outcome = stack::run(controller, dataplane, &mut signals, |listening| {
            if args.demo {
                invite(listening, &folder.join("demo.yaml"));
            }
        });
        match outcome.await {
            Outcome::DataplaneFailed(how) if args.demo && attempt == 1 => {
                // Somebody took a port between our question and its bind.
                warn!("the data plane did not start ({how}); trying ports that the system picks");
                addresses.http.set_port(0);
                addresses.https.set_port(0);
                addresses.admin.set_port(0);
                attempt += 1;
            }
            outcome => {
                drop(backend);
                return answer(outcome);
            }
        }
    }
}

fn answer(outcome: Outcome) -> anyhow::Result<Exit> {
    match outcome {
        Outcome::Ended => Ok(Exit::Fine),
        Outcome::Overdue => bail!("the drain did not end by itself"),
        Outcome::ControllerFailed(how) => {
            bail!("the controller cannot start ({how}); its last lines say why")
        }
        Outcome::DataplaneFailed(how) => bail!(
            "the data plane cannot start ({how}); its last lines say why. If an address is in use, \
             choose another with --http, --https or --admin"
        ),
    }
}

/// The addresses to ask for. Taken ones are an error, except in the demo, which picks others.
fn addresses(args: &Args) -> anyhow::Result<Addresses> {
    let free = |flag: &str, mut address: SocketAddr| {
        match is_taken(address) {
            Ok(false) => {}
            Ok(true) if args.demo => {
                warn!("{address} is in use, so {flag} gets a port that the system picks");
                address.set_port(0);
            }
            Ok(true) => bail!("{address} is in use; choose another with {flag}"),
            Err(error) => bail!("cannot listen on {address}: {error}; choose another with {flag}"),
        }
        Ok(address)
    };
    Ok(Addresses {
        http: free("--http", args.http)?,
        https: free("--https", args.https)?,
        admin: free("--admin", args.admin)?,
    })
}

/// What to try, on stderr: stdout is the ready line's.
fn invite(listening: &Listening, file: &Path) {
    let authority = local_authority(listening.http);
    let secure = local_authority(listening.https);
    // As the caller wrote it, so that the line can be pasted.
    let program = std::env::args().next().unwrap_or_else(|| "holdfast".to_owned());
    let text = format!(
        "\nThree things to try:\n  1. open http://{authority}/ in two windows\n  \
         2. {program} connect ws://{authority}/echo (or wss://{secure}/echo --insecure)\n  \
         3. edit this file: {} (open sessions do not notice)\n\nCtrl-C drains and ends.\n\n",
        file.display()
    );
    let _ = io::stderr().write_all(text.as_bytes());
}
