//! From ready to gone: the ready line, signals, and the drain.

use std::convert::Infallible;
use std::io::{self, Write};
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use super::logs::Level;
use crate::config::Settings;
use crate::control::ChannelStatus;
use crate::fleet::Fleet;

/// What the end of the process needs.
pub(super) struct Life {
    pub(super) log_level: Level,
    pub(super) settings: Arc<Settings>,
    pub(super) fleet: Fleet,
    pub(super) channel: watch::Receiver<ChannelStatus>,
    pub(super) draining: watch::Sender<bool>,
}

impl Life {
    /// Says `ready` once a table serves, then waits for a signal and drains. Ends early when a
    /// second signal comes; fails when a worker ends unasked.
    pub(super) async fn run(self, ready: &str) -> anyhow::Result<()> {
        let mut signals = Signals::new()?;
        tokio::select! {
            never = self.reread() => match never? {},
            never = announce(self.channel.clone(), ready) => match never {},
            () = signals.next() => {}
            worker = self.fleet.any_ended() => bail!("worker {worker} ended unasked"),
        }
        info!("draining; a second signal ends at once");
        // Readiness first, so that nobody sends newcomers any more.
        self.draining.send_replace(true);
        tokio::select! {
            () = self.drain() => info!("drained"),
            () = signals.next() => info!("ending at once"),
        }
        Ok(())
    }

    /// Takes the log level from the settings file again at each SIGHUP; everything else needs a restart.
    async fn reread(&self) -> anyhow::Result<Infallible> {
        let mut hangup = listen(SignalKind::hangup())?;
        loop {
            hangup.recv().await;
            match Settings::load(std::env::args_os()) {
                Ok(settings) => {
                    self.log_level.set(settings.log_level);
                    info!(log_level = ?settings.log_level, "reread the log level; other settings need a restart");
                }
                Err(error) => warn!(%error, "the settings are not reread"),
            }
        }
    }

    async fn drain(&self) {
        tokio::select! {
            () = sleep(self.settings.drain_delay) => {}
            // A worker that is gone takes no newcomers either.
            _ = self.fleet.any_ended() => {}
        }
        let Settings {
            drain_window,
            drain_deadline,
            ..
        } = *self.settings;
        self.fleet.drain(drain_window, drain_deadline).await;
        self.fleet.all_ended().await;
    }
}

/// Says `ready` once a table serves. Never ends: what comes after it is a signal.
async fn announce(mut channel: watch::Receiver<ChannelStatus>, ready: &str) -> Infallible {
    let served = channel.wait_for(|status| status.table_received).await.is_ok();
    if served {
        // Nobody may be reading; the admin port says it too.
        let _ = writeln!(io::stdout(), "{ready}").and_then(|()| io::stdout().flush());
    }
    std::future::pending().await
}

fn listen(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).context("cannot listen for signals")
}

/// SIGTERM and SIGINT, which mean the same here.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            term: listen(SignalKind::terminate())?,
            int: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
