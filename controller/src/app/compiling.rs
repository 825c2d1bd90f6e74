//! Compiles whatever the folder of manifests holds, off the runtime's thread.

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::watch;

use super::journal::Journal;
use crate::compile::{self, Compiled};
use crate::metrics::Metrics;
use crate::source::files::Loaded;

/// Compiles what `loaded` brings, and logs what is new about it.
pub(super) async fn follow(
    mut loaded: watch::Receiver<Option<Arc<Loaded>>>,
    out: watch::Sender<Option<Arc<Compiled>>>,
    metrics: &Metrics,
) -> anyhow::Result<()> {
    // A folder holds all there is: nobody else could be meant by an object without a class.
    let settings = compile::Settings {
        watch_without_class: true,
        ..compile::Settings::default()
    };
    let mut journal = Journal::default();
    loop {
        let now = loaded.borrow_and_update().clone();
        if let Some(now) = now {
            let settings = settings.clone();
            let compile = tokio::task::spawn_blocking(move || {
                let compiled = compile::compile(&now.world, &settings);
                let report = now.report(&compiled);
                (compiled, report)
            });
            let (compiled, report) = compile.await.context("compiling the objects")?;
            let compiled = Arc::new(compiled);
            metrics.compiled(&compiled);
            journal.note(&compiled, &report);
            if out.send(Some(compiled)).is_err() {
                return Ok(());
            }
        }
        if loaded.changed().await.is_err() {
            return Ok(());
        }
    }
}
