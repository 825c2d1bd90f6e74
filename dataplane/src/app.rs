//! The data plane put together, in reading order: logs → descriptors → listeners → workers →
//! control channel → admin port → signals → drain.

mod life;
mod logs;
mod process;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use arc_swap::ArcSwap;
use http::HeaderValue;
use tokio::runtime;
use tokio::sync::watch;

use crate::access_log::AccessLog;
use crate::admin::{self, View};
use crate::config::{AccessLogTarget, Settings, TlsSettings, UnknownServerName};
use crate::control::{Client, Identity, LastGood, Pace};
use crate::fleet::Fleet;
use crate::listener;
use crate::local::{Limits, Secure, Shared, Trust};
use crate::metrics::Metrics;
use crate::snapshot::Snapshot;
use crate::snapshot::build::{Builder, TlsBasis};
use crate::tls::server::Basis;
use crate::upstream::connect::Silence;
use crate::upstream::pool::PoolLimits;
use crate::worker::Listeners;

/// Time for the last access records to be taken.
const FLUSH: Duration = Duration::from_secs(2);

/// Runs until a signal has been obeyed.
///
/// # Errors
/// It could not start, or a part of it failed.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    let log_level = logs::init(settings.log_format, settings.log_level);
    if settings.exit_with_parent {
        process::exit_with_parent().context("cannot follow the parent process (`--exit-with-parent`)")?;
    }
    process::raise_descriptor_limit();
    let settings = Arc::new(settings);
    let seed = process::random()?;

    let count = settings.worker_count();
    let plain = bind("--http", settings.http, count)?;
    let secure = bind("--https", settings.tls.https, count)?;
    let http = plain.first().context("no worker")?.local_addr()?;
    let https = secure.first().context("no worker")?.local_addr()?;
    let listeners = plain.into_iter().zip(secure);
    let listeners = listeners.map(|(plain, secure)| Listeners {
        plain,
        secure: Some(secure),
    });
    let admin =
        TcpListener::bind(settings.admin).map_err(|error| bind_failed("--admin", settings.admin, &error))?;

    let snapshot = Arc::<ArcSwap<Snapshot>>::default();
    let metrics = Arc::new(Metrics::default());
    let access_log = Arc::new(access_log(settings.access_log)?);
    let shared = Shared::new(
        Arc::clone(&snapshot),
        Arc::clone(&metrics),
        Arc::clone(&access_log),
        limits(&settings),
        Trust {
            proxies: settings.trusted_proxies.clone(),
            proxy_protocol: settings.proxy_protocol,
        },
        secure_policy(&settings.tls, https),
    );
    let fleet =
        Fleet::start(listeners.collect(), &Arc::new(shared), seed).context("cannot start the workers")?;

    let identity = Identity {
        socket: settings.socket.clone(),
        boot_id: process::random()?,
        seed,
    };
    let mut client = Client::new(
        identity,
        Pace::default(),
        Builder::with_tls(Arc::clone(&snapshot), tls_basis(&settings.tls)),
        fleet.clone(),
        Arc::clone(&metrics),
    );
    if let Some(run_dir) = &settings.run_dir {
        client.load(last_good(run_dir)?);
    }

    let draining = watch::Sender::new(false);
    let view = View {
        snapshot,
        metrics,
        fleet: fleet.clone(),
        access_log: Arc::clone(&access_log),
        channel: client.status(),
        draining: draining.subscribe(),
        settings: Arc::clone(&settings),
    };
    let admin = admin::serve(admin, view).context("cannot serve the admin port")?;

    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let life = life::Life {
            log_level,
            settings,
            fleet,
            channel: client.status(),
            draining,
        };
        let ready = format!("ready http={http} https={https} admin={}", admin.address());
        let ended = tokio::select! {
            () = client.run() => Ok(()),
            ended = life.run(&ready) => ended,
        };
        client.finish().await;
        ended
    });
    access_log.flush(FLUSH);
    ended
}

fn limits(settings: &Settings) -> Limits {
    Limits {
        max_connections: settings.max_connections.get() as usize,
        max_connections_per_client: Some(settings.max_connections_per_client).filter(|limit| *limit > 0),
        max_handshakes: settings.max_handshakes.get() as usize,
        header_timeout: settings.header_timeout,
        keepalive_timeout: settings.keepalive_timeout,
        write_timeout: settings.write_timeout,
        min_upload_rate: settings.min_upload_rate,
        max_body_size: Some(settings.max_body_size).filter(|limit| *limit > 0),
        max_head_size: settings.max_head_size,
        tls_timeout: settings.tls.tls_timeout,
        silence: Silence {
            keepalive: settings.tcp_keepalive,
            user_timeout: Some(settings.tcp_user_timeout).filter(|timeout| !timeout.is_zero()),
        },
        h2c: settings.h2c,
        removal_pace: settings.removal_pace,
        pool: PoolLimits {
            idle_per_endpoint: settings.pool_idle_count,
            idle_age: settings.pool_idle_age,
        },
    }
}

fn tls_basis(settings: &TlsSettings) -> TlsBasis {
    TlsBasis {
        server: Basis::new(settings.http2),
        stand_in: true,
        refuses_unknown_names: settings.unknown_server_name == UnknownServerName::Refuse,
    }
}

fn secure_policy(settings: &TlsSettings, https: SocketAddr) -> Secure {
    let hsts = settings.hsts.as_secs();
    let hsts = (hsts > 0).then(|| HeaderValue::try_from(format!("max-age={hsts}")).ok());
    Secure {
        redirect_port: settings.redirect_port.map_or(https.port(), NonZeroU16::get),
        hsts: hsts.flatten(),
    }
}

fn bind(flag: &str, address: SocketAddr, count: usize) -> anyhow::Result<Vec<TcpListener>> {
    listener::bind(address, count).map_err(|error| bind_failed(flag, error.address, &error.error))
}

fn access_log(target: AccessLogTarget) -> anyhow::Result<AccessLog> {
    match target {
        AccessLogTarget::Stdout => AccessLog::to(io::stdout()).context("cannot start the access log"),
        AccessLogTarget::Off => Ok(AccessLog::default()),
    }
}

fn last_good(run_dir: &Path) -> anyhow::Result<LastGood> {
    std::fs::create_dir_all(run_dir)
        .with_context(|| format!("cannot make the folder '{}' (`--run-dir`)", run_dir.display()))?;
    Ok(LastGood::new(run_dir))
}

fn bind_failed(flag: &str, address: SocketAddr, error: &io::Error) -> anyhow::Error {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another process listens there; choose another port, or 0 to let the system pick"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 need privileges; choose a higher one",
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address",
        _ => "choose another address",
    };
    anyhow!("cannot listen on '{address}' (`{flag}`): {error}; {remedy}")
}
