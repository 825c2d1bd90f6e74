//! A process that ends with its guard, and its logs.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

use crate::deadline;

/// Lines kept of a process; older ones are dropped.
const KEPT_LINES: usize = 20_000;
/// Lines printed of a process when its guard is dropped; the test runner shows them if the test failed.
const PRINTED_LINES: usize = 150;

/// Which stream a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What a process wrote, line by line.
#[derive(Clone, Debug, Default)]
pub struct Logs(Arc<Mutex<VecDeque<(Stream, String)>>>);

impl Logs {
    /// The first line for which `pick` yields something.
    pub fn find<T>(&self, mut pick: impl FnMut(Stream, &str) -> Option<T>) -> Option<T> {
        self.lines().iter().find_map(|(stream, line)| pick(*stream, line))
    }

    /// How many lines contain `text`.
    pub fn count(&self, text: &str) -> usize {
        self.lines()
            .iter()
            .filter(|(_, line)| line.contains(text))
            .count()
    }

    /// Waits for a line that contains all of `texts`.
    ///
    /// # Errors
    /// When there is none within `limit`.
    pub async fn line_with(&self, texts: &[&str], limit: Duration) -> Result<String> {
        deadline::until(&format!("a log line with {texts:?}"), limit, || async {
            self.find(|_, line| {
                texts
                    .iter()
                    .all(|text| line.contains(text))
                    .then(|| line.to_owned())
            })
        })
        .await
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, VecDeque<(Stream, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, stream: Stream, pipe: impl Read + Send + 'static) {
        let logs = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines() {
                let Ok(line) = line else { return };
                let mut lines = logs.lines();
                if lines.len() == KEPT_LINES {
                    lines.pop_front();
                }
                lines.push_back((stream, line));
            }
        });
    }
}

/// A running process. Dropping it kills the process and its children, and prints the end of its logs.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: std::process::Child,
    quiet: bool,
    /// What it wrote.
    pub logs: Logs,
}

impl Child {
    /// Starts `command` with nothing on its standard input.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(command: Command) -> Result<Self> {
        let name = format!("{:?}", command.get_program());
        Self::spawn(name, command)
    }

    /// The same; besides, the kernel kills it when the calling thread is gone, even if no guard is dropped.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start_bound(command: &Command) -> Result<Self> {
        let name = format!("{:?}", command.get_program());
        let mut bound = Command::new("setpriv");
        bound
            .args(["--pdeathsig", "KILL", "--"])
            .arg(command.get_program())
            .args(command.get_args());
        Self::spawn(name, bound)
    }

    fn spawn(name: String, mut command: Command) -> Result<Self> {
        raise_descriptor_limit();
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let logs = Logs::default();
        if let Some(pipe) = process.stdout.take() {
            logs.follow(Stream::Out, pipe);
        }
        if let Some(pipe) = process.stderr.take() {
            logs.follow(Stream::Err, pipe);
        }
        Ok(Self {
            name,
            process,
            quiet: false,
            logs,
        })
    }

    /// Prints nothing when it is dropped: for benchmarks, whose output nobody captures.
    pub fn quiet(&mut self) {
        self.quiet = true;
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        signal_pid(self.pid(), signal)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it still runs after `limit`.
    pub async fn exited(&mut self, limit: Duration) -> Result<ExitStatus> {
        let name = format!("the end of {}", self.name);
        deadline::until(&name, limit, || {
            let state = self.process.try_wait();
            async move { state.transpose() }
        })
        .await?
        .context(name)
    }

    /// Waits for a line on standard output that starts with `prefix`.
    ///
    /// # Errors
    /// When it does not come within `limit`, or the process ends before.
    pub async fn announced(&mut self, prefix: &str, limit: Duration) -> Result<String> {
        let what = format!("{} printing '{prefix}…'", self.name);
        let logs = self.logs.clone();
        let line = deadline::until(&what, limit, || {
            let line = logs.find(|stream, line| {
                (stream == Stream::Out && line.starts_with(prefix)).then(|| line.to_owned())
            });
            let found = match (line, self.process.try_wait()) {
                (Some(line), _) => Some(Ok(line)),
                (None, Ok(Some(status))) => Some(Err(status)),
                _ => None,
            };
            async move { found }
        })
        .await?;
        match line {
            Ok(line) => Ok(line),
            Err(status) => bail!("{what}: it ended with {status}"),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            // Stopped first, so that it can't restart a child that is killed here.
            let _ = self.signal(Signal::STOP);
            let children = crate::proc::children(self.pid());
            let _ = self.process.kill();
            for (pid, _) in children {
                let _ = signal_pid(pid, Signal::KILL);
            }
        }
        let status = self.process.wait();
        if self.quiet {
            return;
        }
        let lines = self.logs.lines();
        let mut text = format!("--- {} ({status:?}), {} lines\n", self.name, lines.len());
        for (stream, line) in lines.iter().skip(lines.len().saturating_sub(PRINTED_LINES)) {
            let _ = writeln!(text, "{stream:?} {line}");
        }
        crate::report::print(&text);
    }
}

/// Sends a signal to a process.
///
/// # Errors
/// When there is no such process.
pub fn signal_pid(pid: u32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(pid.cast_signed()).context("pid 0")?;
    kill_process(pid, signal).with_context(|| format!("signal {signal:?} to {pid}"))
}

/// Raises the soft descriptor limit to the hard one, for this process and those it starts; yields it.
pub fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
    .unwrap_or(u64::MAX)
}
