//! Settings of `holdfast-controller`: flags, `HOLDFAST_…` variables and one YAML file.
//!
//! Every setting is declared once, below; the file has the same names and goes through the same
//! parsers. Reads nothing after the start.

mod file;
mod full_name;
mod kubernetes;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};

use crate::world::Name;
pub use full_name::FullName;
pub use kubernetes::Kubernetes;

/// Compiles Kubernetes objects into a route table and brings it to the data plane.
#[derive(Clone, Debug, Parser)]
#[command(name = "holdfast-controller", version, max_term_width = 110, after_help = AFTER_HELP)]
pub struct Settings {
    /// YAML file with the same settings under the names of the flags, such as 'log-level: debug'
    #[arg(long, env = "HOLDFAST_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Folder of manifests: Ingress, IngressClass, Service, EndpointSlice, Secret, ConfigMap, WebSocketRoute; watched
    #[arg(long, env = "HOLDFAST_FILES", value_name = "DIR")]
    pub files: Option<PathBuf>,

    /// Read objects from the Kubernetes API, as the pod's service account or by '--kubeconfig'
    #[arg(
        long, env = "HOLDFAST_CLUSTER", value_name = "BOOL", default_value = "false", conflicts_with = "files",
        default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set
    )]
    pub cluster: bool,

    /// What only matters with a cluster.
    #[command(flatten)]
    pub kubernetes: Kubernetes,

    /// Secret with the certificate for clients that ask for no name, or for one that no object speaks of [default: none]
    #[arg(long, env = "HOLDFAST_DEFAULT_CERTIFICATE", value_name = "NAMESPACE/SECRET")]
    pub default_certificate: Option<FullName>,

    /// Unix socket to listen on for data planes; its folder is made if it is missing
    #[arg(
        long,
        env = "HOLDFAST_SOCKET",
        value_name = "PATH",
        default_value = "/run/holdfast/control.sock"
    )]
    pub socket: PathBuf,

    /// Pace of looking through the folder when the system reports no change in it
    #[arg(long, env = "HOLDFAST_RESCAN_INTERVAL", value_name = "DURATION", default_value = "5s", value_parser = timeout)]
    pub rescan_interval: Duration,

    /// Time for a data plane to greet, to read a message and to answer it
    #[arg(long, env = "HOLDFAST_PEER_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = timeout)]
    pub peer_timeout: Duration,

    /// Address for probes and metrics; port 0 lets the system pick [default: none]
    #[arg(long, env = "HOLDFAST_ADMIN", value_name = "ADDR:PORT")]
    pub admin: Option<SocketAddr>,

    /// Format of the log on standard error
    #[arg(
        long,
        env = "HOLDFAST_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,

    /// Least severe message that is logged
    #[arg(
        long,
        env = "HOLDFAST_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "info"
    )]
    pub log_level: LogLevel,

    /// End when the process that started this one ends (Linux)
    #[arg(
        long, env = "HOLDFAST_EXIT_WITH_PARENT", value_name = "BOOL", default_value = "false",
        default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set
    )]
    pub exit_with_parent: bool,
}

const AFTER_HELP: &str = "\
Durations are written as '250ms', '5s', '4m' or '1h30m'.
A flag beats its variable, a variable beats the file, the file beats the default.

SIGHUP looks through the folder at once. SIGTERM or SIGINT ends the controller; sessions live in the
data plane and go on with the last table.
Exit codes: 0 fine, 2 usage or failure.";

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Severity, most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names are the usual ones")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Settings {
    /// The Secret of the default certificate.
    pub(crate) fn default_certificate(&self) -> Option<Name> {
        let FullName { namespace, name } = self.default_certificate.as_ref()?;
        Some(Name::new(namespace, name))
    }

    /// Reads the settings from arguments (the first is the program), the environment and the file
    /// that they name.
    ///
    /// # Errors
    /// What clap prints for usage errors and `--help`; it knows its stream and exit code.
    pub fn load(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let mut args: Vec<OsString> = args.into_iter().collect();
        let mut matches = command.try_get_matches_from_mut(&args)?;
        if let Some(path) = matches.get_one::<PathBuf>("config").cloned() {
            let from_file = file::arguments(&path, &mut command, &matches)
                .map_err(|message| command.error(clap::error::ErrorKind::ValueValidation, message))?;
            args.splice(1..1, from_file);
            matches = command.try_get_matches_from_mut(&args)?;
        }
        Self::from_arg_matches(&matches)
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    match crate::compile::duration(text)? {
        Duration::ZERO => Err("must be longer than zero, such as '5s'".to_owned()),
        duration => Ok(duration),
    }
}

#[cfg(test)]
mod tests;
