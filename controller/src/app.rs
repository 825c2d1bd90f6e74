//! The controller, put together: files → world → compile → versions → data planes.

mod journal;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing::info;

use crate::compile::{self, Compiled};
use crate::config::Settings;
use crate::publish::debounce::{Pace, debounce};
use crate::publish::listener::Listener;
use crate::publish::peers::Peers;
use crate::source::files::{Loaded, watch as files};

use journal::Journal;

/// Runs until a signal asks it to end.
///
/// # Errors
/// It can't start; the message says what to do.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    if settings.exit_with_parent {
        follow_parent()?;
    }
    let folder = settings
        .files
        .context("nothing to serve; name a folder of manifests with `--files`")?;
    let listener = Listener::bind(&settings.socket)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    info!(files = %folder.display(), socket = %settings.socket.display(), "started");

    let (loaded_in, loaded) = watch::channel(None);
    let (compiled_in, compiled) = watch::channel(None);
    let (published_in, published) = watch::channel(None);
    let (rescan_in, rescan) = mpsc::channel(1);
    let timing = files::Timing {
        rescan: settings.rescan_interval,
        ..files::Timing::default()
    };
    // No secret and no clock: only two starts must differ.
    let epoch = RandomState::new().build_hasher().finish();
    tokio::select! {
        ended = files::watch(folder, timing, rescan, loaded_in) => ended,
        ended = compile_each(loaded, compiled_in) => ended,
        () = debounce(compiled, epoch, Pace::default(), published_in) => Ok(()),
        () = listener.serve(published, Peers::default(), settings.peer_timeout) => Ok(()),
        ended = rescan_on_hangup(rescan_in) => ended,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }?;
    info!("ended; data planes keep the last table");
    Ok(())
}

/// Compiles whatever the source brings, off the runtime's thread, and logs what is new.
async fn compile_each(
    mut loaded: watch::Receiver<Option<Arc<Loaded>>>,
    out: watch::Sender<Option<Arc<Compiled>>>,
) -> anyhow::Result<()> {
    let settings = Arc::new(compile::Settings::for_files());
    let mut journal = Journal::default();
    loop {
        let now = loaded.borrow_and_update().clone();
        if let Some(now) = now {
            let settings = Arc::clone(&settings);
            let compile = tokio::task::spawn_blocking(move || {
                let compiled = compile::compile(&now.world, &settings);
                let report = now.report(&compiled);
                (compiled, report)
            });
            let (compiled, report) = compile.await.context("compiling the objects")?;
            let compiled = Arc::new(compiled);
            journal.note(&compiled, report);
            if out.send(Some(compiled)).is_err() {
                return Ok(());
            }
        }
        if loaded.changed().await.is_err() {
            return Ok(());
        }
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
