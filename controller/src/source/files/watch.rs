//! Keeps reading a folder.
//!
//! Events of the system (inotify) only say when to look; what is there is found by looking at the
//! whole folder, so that renames, editor saves and link swaps need no understanding. A slow look
//! at a steady pace heals whatever event was missed. A file that is written in pieces further
//! apart than [`Timing::quiet`] is seen in pieces; writers that rename a finished file into place
//! avoid that.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::store::{Depth, Store};
use super::{Loaded, scan};

/// When to look.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Time without an event after which a change counts as finished.
    pub quiet: Duration,
    /// Longest wait for that quiet.
    pub quiet_max: Duration,
    /// Pace of looking without an event.
    pub rescan: Duration,
    /// Pace of looking at a file that may be half written.
    pub unsettled: Duration,
}

impl Default for Timing {
    /// 30 ms, 250 ms, 5 s, 300 ms.
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(30),
            quiet_max: Duration::from_millis(250),
            rescan: Duration::from_secs(5),
            unsettled: Duration::from_millis(300),
        }
    }
}

/// Reads `root` and sends what it holds, now and whenever that changes, until nobody listens.
/// `rescan` asks for a look at once.
///
/// # Errors
/// `root` can't be read at the start. Later on that is a finding.
pub async fn watch(
    root: PathBuf,
    timing: Timing,
    mut rescan: mpsc::Receiver<()>,
    out: watch::Sender<Option<Arc<Loaded>>>,
) -> anyhow::Result<()> {
    let root = std::path::absolute(&root).with_context(|| format!("'{}' is not a path", root.display()))?;
    let (wake, mut woken) = mpsc::channel(1);
    let mut eyes = Eyes::open(&root, wake);
    // Before the first look, so that nothing falls between the two.
    eyes.follow();
    fs::metadata(&root).with_context(|| {
        format!(
            "can't read '{}'; `--files` must name a folder of manifests",
            root.display()
        )
    })?;
    let mut store = Store::new(&root);
    let mut depth = Depth::Thorough;
    loop {
        let look = tokio::task::spawn_blocking(move || {
            let loaded = look(&mut store, depth);
            (store, loaded)
        });
        let (returned, loaded) = look.await.context("reading the manifests")?;
        store = returned;
        // An empty folder is a complete first look, too.
        let loaded = loaded.or_else(|| out.borrow().is_none().then(|| store.merge()));
        if let Some(loaded) = loaded
            && out.send(Some(Arc::new(loaded))).is_err()
        {
            return Ok(());
        }
        let pace = if store.is_unsettled() {
            timing.unsettled
        } else {
            timing.rescan
        };
        let next = Instant::now() + pace;
        depth = tokio::select! {
            Some(()) = woken.recv() => {
                settle(&mut woken, timing).await;
                Depth::Thorough
            }
            Some(()) = rescan.recv() => Depth::Thorough,
            () = sleep_until(next) => Depth::Cursory,
            () = out.closed() => return Ok(()),
        };
        eyes.follow();
    }
}

/// Waits until no event came for a while.
async fn settle(woken: &mut mpsc::Receiver<()>, timing: Timing) {
    let limit = Instant::now() + timing.quiet_max;
    loop {
        let quiet = (Instant::now() + timing.quiet).min(limit);
        if timeout_at(quiet, woken.recv()).await.is_err() {
            return;
        }
    }
}

/// What the folder holds, if that is news.
fn look(store: &mut Store, depth: Depth) -> Option<Loaded> {
    let changed = match scan::list(store.root()) {
        Ok(listing) => store.take(listing, depth),
        Err(error) => store.root_is_unreadable(&error),
    };
    changed.then(|| store.merge())
}

/// The system's events about one folder.
struct Eyes {
    root: PathBuf,
    watcher: Option<RecommendedWatcher>,
    /// Device and inode of the folder that is watched.
    seen: Option<(u64, u64)>,
}

impl Eyes {
    fn open(root: &Path, wake: mpsc::Sender<()>) -> Self {
        let watched = root.to_owned();
        let on_event = move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| matters(&event, &watched)) {
                // A full queue already holds the wish to look.
                let _ = wake.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(on_event)
            .map_err(|error| warn(root, &error))
            .ok();
        let mut eyes = Self {
            root: root.to_owned(),
            watcher,
            seen: None,
        };
        // The folder may be removed and made again.
        if let (Some(watcher), Some(parent)) = (&mut eyes.watcher, root.parent())
            && let Err(error) = watcher.watch(parent, RecursiveMode::NonRecursive)
        {
            warn(parent, &error);
        }
        eyes
    }

    /// Watches the folder that is now at the path.
    fn follow(&mut self) {
        let now = identity(&self.root).ok();
        let Some(watcher) = self.watcher.as_mut().filter(|_| now != self.seen) else {
            return;
        };
        if self.seen.is_some() {
            // Fails when the old folder is gone, which is as well.
            let _ = watcher.unwatch(&self.root);
        }
        self.seen = now;
        if now.is_some()
            && let Err(error) = watcher.watch(&self.root, RecursiveMode::Recursive)
        {
            warn(&self.root, &error);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Reading a file is an event as well; ours must not wake us.
fn matters(event: &notify::Event, root: &Path) -> bool {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
        EventKind::Access(_) => return event.need_rescan(),
        _ => {}
    }
    event.paths.is_empty() || event.paths.iter().any(|path| path.starts_with(root))
}

fn warn(path: &Path, error: &notify::Error) {
    tracing::warn!(
        path = %path.display(),
        %error,
        "changes are only found by looking every few seconds; raise fs.inotify.max_user_watches if that is the limit",
    );
}
