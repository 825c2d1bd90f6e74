//! Settings: flags, `HOLDFAST_…` variables and one YAML file, in this order of precedence.
//!
//! Every setting is declared once, below; the file has the same names and goes through the same
//! parsers. Owns no defaults elsewhere and reads nothing after the start.

mod file;
mod tls;
mod value;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};
use ipnet::IpNet;
use serde::Serialize;

pub use tls::{TlsSettings, UnknownServerName};
pub use value::{parse_duration, parse_size};

/// Proxies HTTP and carries WebSockets as `holdfast-controller` tells it.
#[derive(Clone, Debug, Parser, Serialize)]
#[command(name = "holdfast-dataplane", version, max_term_width = 110, after_help = AFTER_HELP)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    /// YAML file with the same settings under the names of the flags, such as 'drain-window: 4m'
    #[arg(long, env = "HOLDFAST_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Unix socket of the controller
    #[arg(
        long,
        env = "HOLDFAST_SOCKET",
        value_name = "PATH",
        default_value = "/run/holdfast/control.sock"
    )]
    pub socket: PathBuf,

    /// Address for clients; port 0 lets the system pick
    #[arg(
        long,
        env = "HOLDFAST_HTTP",
        value_name = "ADDR:PORT",
        default_value = "0.0.0.0:8080",
        value_parser = value::parse_address
    )]
    pub http: SocketAddr,

    /// Address for probes, metrics and dumps; port 0 lets the system pick
    #[arg(
        long,
        env = "HOLDFAST_ADMIN",
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:9080",
        value_parser = value::parse_address
    )]
    pub admin: SocketAddr,

    #[command(flatten)]
    #[serde(flatten)]
    #[expect(missing_docs, reason = "a comment here would become help text")]
    pub tls: TlsSettings,

    /// Networks of proxies in front, whose X-Forwarded-For and PROXY headers are believed, such as '10.0.0.0/8'
    #[arg(long, env = "HOLDFAST_TRUSTED_PROXIES", value_name = "NETWORKS", value_delimiter = ',', value_parser = value::parse_network)]
    pub trusted_proxies: Vec<IpNet>,

    /// Connections of trusted proxies begin with a PROXY header (version 1 or 2)
    #[arg(
        long, env = "HOLDFAST_PROXY_PROTOCOL", value_name = "BOOL", default_value = "false",
        default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set
    )]
    pub proxy_protocol: bool,

    /// Clients may begin with HTTP/2 on the plain port (prior knowledge); over TLS they may anyway
    #[arg(
        long, env = "HOLDFAST_H2C", value_name = "BOOL", default_value = "false",
        default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set
    )]
    pub h2c: bool,

    /// Worker threads [default: one per core]
    #[arg(long, env = "HOLDFAST_WORKERS", value_name = "N")]
    pub workers: Option<NonZeroUsize>,

    /// Folder for the last good table, so that a restart serves at once [default: none is kept]
    #[arg(long, env = "HOLDFAST_RUN_DIR", value_name = "DIR")]
    pub run_dir: Option<PathBuf>,

    /// After SIGTERM: time in which new connections are still taken, for load balancers to notice
    #[arg(long, env = "HOLDFAST_DRAIN_DELAY", value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    #[serde(serialize_with = "value::duration")]
    pub drain_delay: Duration,

    /// After SIGTERM: time over which the sessions' Close frames are spread
    #[arg(long, env = "HOLDFAST_DRAIN_WINDOW", value_name = "DURATION", default_value = "4m", value_parser = parse_duration)]
    #[serde(serialize_with = "value::duration")]
    pub drain_window: Duration,

    /// After SIGTERM: time after which what still stands is reset
    #[arg(long, env = "HOLDFAST_DRAIN_DEADLINE", value_name = "DURATION", default_value = "5m", value_parser = parse_duration)]
    #[serde(serialize_with = "value::duration")]
    pub drain_deadline: Duration,

    /// Sessions a second that one worker ends when their route or endpoint is removed
    #[arg(long, env = "HOLDFAST_REMOVAL_PACE", value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..))]
    pub removal_pace: u32,

    /// Client connections and sessions that one worker takes at a time
    #[arg(
        long,
        env = "HOLDFAST_MAX_CONNECTIONS",
        value_name = "N",
        default_value = "65536"
    )]
    pub max_connections: NonZeroU32,

    /// Connections that one client address (of IPv6: one network of 64 bits) may have; more are closed. No limit with 0
    #[arg(
        long,
        env = "HOLDFAST_MAX_CONNECTIONS_PER_CLIENT",
        value_name = "N",
        default_value = "0"
    )]
    pub max_connections_per_client: u32,

    /// Upgrade handshakes that one worker has under way at a time; others get 503
    #[arg(
        long,
        env = "HOLDFAST_MAX_HANDSHAKES",
        value_name = "N",
        default_value = "1024"
    )]
    pub max_handshakes: NonZeroU32,

    /// Time for a client to send a request's head
    #[arg(long, env = "HOLDFAST_HEADER_TIMEOUT", value_name = "DURATION", default_value = "15s", value_parser = value::parse_timeout)]
    #[serde(serialize_with = "value::duration")]
    pub header_timeout: Duration,

    /// Time for a client to begin its next request on a connection; longer than load balancers in front keep theirs
    #[arg(long, env = "HOLDFAST_KEEPALIVE_TIMEOUT", value_name = "DURATION", default_value = "75s", value_parser = value::parse_timeout)]
    #[serde(serialize_with = "value::duration")]
    pub keepalive_timeout: Duration,

    /// Time for a client to take the next bytes of an answer
    #[arg(long, env = "HOLDFAST_WRITE_TIMEOUT", value_name = "DURATION", default_value = "60s", value_parser = value::parse_timeout)]
    #[serde(serialize_with = "value::duration")]
    pub write_timeout: Duration,

    /// Bytes of a request's body that must come in each second that they are waited for, after the first 20 s; 0 takes
    /// any pace
    #[arg(
        long,
        env = "HOLDFAST_MIN_UPLOAD_RATE",
        value_name = "BYTES",
        default_value = "100"
    )]
    pub min_upload_rate: u32,

    /// Largest body of a request, in bytes; others get 413. No limit with 0
    #[arg(long, env = "HOLDFAST_MAX_BODY_SIZE", value_name = "SIZE", default_value = "0", value_parser = parse_size)]
    pub max_body_size: u64,

    /// Largest head of a request or answer, in bytes; at least '8k'
    #[arg(long, env = "HOLDFAST_MAX_HEAD_SIZE", value_name = "SIZE", default_value = "64k", value_parser = value::parse_head_size)]
    pub max_head_size: usize,

    /// Silence after which (or half as long again) a peer's kernel is asked whether it is still there
    #[arg(long, env = "HOLDFAST_TCP_KEEPALIVE", value_name = "DURATION", default_value = "60s", value_parser = value::parse_timeout)]
    #[serde(serialize_with = "value::duration")]
    pub tcp_keepalive: Duration,

    /// Time that a peer may leave unacknowledged what was sent, or take none of it; the system's own with '0s'
    #[arg(long, env = "HOLDFAST_TCP_USER_TIMEOUT", value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    #[serde(serialize_with = "value::duration")]
    pub tcp_user_timeout: Duration,

    /// Idle connections that one worker keeps to each endpoint
    #[arg(
        long,
        env = "HOLDFAST_POOL_IDLE_COUNT",
        value_name = "N",
        default_value = "64"
    )]
    pub pool_idle_count: usize,

    /// Time that an idle connection to an endpoint is kept
    #[arg(long, env = "HOLDFAST_POOL_IDLE_AGE", value_name = "DURATION", default_value = "60s", value_parser = value::parse_timeout)]
    #[serde(serialize_with = "value::duration")]
    pub pool_idle_age: Duration,

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

    /// Where the access records go, one JSON object a line
    #[arg(
        long,
        env = "HOLDFAST_ACCESS_LOG",
        value_name = "WHERE",
        default_value = "stdout"
    )]
    pub access_log: AccessLogTarget,

    /// End when the process that started this one ends (Linux)
    #[arg(
        long, env = "HOLDFAST_EXIT_WITH_PARENT", value_name = "BOOL", default_value = "false",
        default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set
    )]
    pub exit_with_parent: bool,
}

const AFTER_HELP: &str = "\
Durations are written as '250ms', '5s', '4m' or '1h30m', sizes as '65536' or '64k'.
A flag beats its variable, a variable beats the file, the file beats the default.

SIGTERM or SIGINT drains and exits; a second one exits at once. SIGHUP rereads the log level.
Exit codes: 0 fine, 2 usage or failure.";

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Severity, most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are the usual ones")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Where access records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessLogTarget {
    /// Standard output.
    Stdout,
    /// Nowhere.
    Off,
}

impl Settings {
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
                .map_err(|message| invalid(&mut command, &message))?;
            args.splice(1..1, from_file);
            matches = command.try_get_matches_from_mut(&args)?;
        }
        let settings = Self::from_arg_matches(&matches)?;
        settings
            .check()
            .map_err(|message| invalid(&mut command, &message))?;
        Ok(settings)
    }

    /// Threads to start, given the number of cores.
    pub fn worker_count(&self) -> usize {
        self.workers
            .or_else(|| std::thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get)
    }

    fn check(&self) -> Result<(), String> {
        if self.drain_window > self.drain_deadline {
            return Err(format!(
                "`drain-window` ({}) must not be longer than `drain-deadline` ({}); write --drain-deadline {0} or more",
                humantime::format_duration(self.drain_window),
                humantime::format_duration(self.drain_deadline),
            ));
        }
        if self.proxy_protocol && self.trusted_proxies.is_empty() {
            return Err(
                "`proxy-protocol` needs `trusted-proxies`: a PROXY header is only believed of these networks; write \
                 --trusted-proxies=10.0.0.0/8 or whatever the load balancers connect from"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

fn invalid(command: &mut clap::Command, message: &str) -> clap::Error {
    command.error(clap::error::ErrorKind::ValueValidation, message)
}

#[cfg(test)]
mod tests;
