//! Compiles whatever the folder of manifests holds, off the runtime's thread.

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::watch;

use super::journal::Journal;
use crate::compile::{Compiled, Compiler, Settings};
use crate::metrics::Metrics;
use crate::source::files::Loaded;
use crate::world::Name;

/// Compiles what `loaded` brings, and logs what is new about it.
pub(super) async fn follow(
    mut loaded: watch::Receiver<Option<Arc<Loaded>>>,
    default_certificate: Option<Name>,
    out: watch::Sender<Option<Arc<Compiled>>>,
    metrics: &Metrics,
) -> anyhow::Result<()> {
    let mut compiler = Compiler::new(Settings {
        default_certificate,
        ..Settings::for_files()
    });
    let mut journal = Journal::default();
    loop {
        let now = loaded.borrow_and_update().clone();
        if let Some(now) = now {
            let compile = tokio::task::spawn_blocking(move || {
                let compiled = compiler.compile(&now.world);
                let report = now.report(&compiled);
                (compiler, compiled, report)
            });
            let (compiled, report);
            (compiler, compiled, report) = compile.await.context("compiling the objects")?;
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
