//! The controller, put together: a source of objects → compile → versions → data planes, and, with a
//! cluster, the reports back into it.

mod compiling;
mod journal;
mod kubernetes;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tracing::info;

use crate::admin;
use crate::compile::Compiled;
use crate::config::Settings;
use crate::metrics::Metrics;
use crate::publish::debounce::{Pace, debounce};
use crate::publish::listener::Listener;
use crate::publish::peers::Peers;
use crate::source::files::watch as files;

/// How long the reports may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(5);

/// Runs until a signal asks it to end.
///
/// # Errors
/// It can't start; the message says what to do.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    if settings.exit_with_parent {
        follow_parent()?;
    }
    anyhow::ensure!(
        settings.cluster || settings.files.is_some(),
        "nothing to serve; name a folder of manifests with `--files`, or read from Kubernetes with `--cluster`"
    );
    let listener = Listener::bind(&settings.socket)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let (compiled_in, compiled) = watch::channel(None);
    let (published_in, published) = watch::channel(None);
    let (ending_in, ending) = watch::channel(false);
    let peers = Peers::default();
    let metrics = Arc::new(Metrics::default());
    // No secret and no clock: only two starts must differ.
    let epoch = RandomState::new().build_hasher().finish();
    let mut reports = None;
    let source = async {
        match &settings.files {
            Some(folder) => follow_files(folder.clone(), &settings, compiled_in, &metrics).await,
            None => {
                let cluster = kubernetes::open(&settings.kubernetes, settings.default_certificate()).await?;
                let to_report = cluster.reports(compiled.clone(), peers.clone());
                reports =
                    to_report.map(|to_report| tokio::spawn(to_report.run(Arc::clone(&metrics), ending)));
                info!(socket = %settings.socket.display(), "started, with a cluster");
                cluster.compile_each(compiled_in, &metrics).await
            }
        }
    };
    let view = admin::View {
        metrics: Arc::clone(&metrics),
        published: published.clone(),
        peers: peers.clone(),
    };
    let ended = tokio::select! {
        ended = source => ended,
        () = debounce(compiled.clone(), epoch, Pace::default(), published_in) => Ok(()),
        () = listener.serve(published, peers.clone(), settings.peer_timeout) => Ok(()),
        ended = serve_admin(&settings, view) => ended,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    ending_in.send_replace(true);
    if let Some(reports) = reports {
        // What is not given up in time runs out by itself.
        let _ = timeout(FAREWELL, reports).await;
    }
    ended?;
    info!("ended; data planes keep the last table");
    Ok(())
}

async fn follow_files(
    folder: PathBuf,
    settings: &Settings,
    out: watch::Sender<Option<Arc<Compiled>>>,
    metrics: &Metrics,
) -> anyhow::Result<()> {
    info!(files = %folder.display(), socket = %settings.socket.display(), "started");
    let (loaded_in, loaded) = watch::channel(None);
    let (rescan_in, rescan) = mpsc::channel(1);
    let timing = files::Timing {
        rescan: settings.rescan_interval,
        ..files::Timing::default()
    };
    tokio::select! {
        ended = files::watch(folder, timing, rescan, loaded_in) => ended,
        ended = compiling::follow(loaded, settings.default_certificate(), out, metrics) => ended,
        ended = rescan_on_hangup(rescan_in) => ended,
    }
}

async fn serve_admin(settings: &Settings, view: admin::View) -> anyhow::Result<()> {
    match settings.admin {
        Some(address) => admin::serve(address, view).await,
        None => std::future::pending().await,
    }
}

async fn rescan_on_hangup(rescan: mpsc::Sender<()>) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        hangup.recv().await;
        info!("looking through the folder again");
        // A full queue already holds the wish.
        let _ = rescan.try_send(());
    }
}

/// Asks to be terminated when the parent ends.
fn follow_parent() -> anyhow::Result<()> {
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::TERM)).context("can't follow the parent process")?;
    // It may have ended in between.
    anyhow::ensure!(getppid() == parent, "the parent process has ended");
    Ok(())
}

/// How long blocking work may hold up the end of the process.
pub const SHUTDOWN: Duration = Duration::from_secs(1);
