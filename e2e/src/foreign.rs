//! Peers in processes of their own, which speak JSON lines (see `peers/README.md`): scripts in Python and
//! for Node.js, and this crate's own `swarm`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::binaries::{beside_tests, workspace};
use crate::child::raise_descriptor_limit;
use crate::deadline::{SOON, within};

/// A running peer. Dropping it kills the process and prints what it wrote to standard error.
#[derive(Debug)]
pub struct Peer {
    name: String,
    process: Child,
    calls: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    events: VecDeque<Value>,
    errors: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// Starts a script of `e2e/peers/`: `NAME.py` with Python, `NAME.cjs` with Node.js.
    ///
    /// # Errors
    /// When the peers are not installed.
    pub fn script(name: &str) -> Result<Self> {
        let script = workspace().join("e2e/peers").join(name);
        if name.ends_with(".py") {
            let python = installed("python/bin/python")?;
            return Self::start(name, Command::new(python).arg("-u").arg(script));
        }
        let modules = installed("node/node_modules")?;
        Self::start(name, Command::new("node").arg(script).env("NODE_PATH", modules))
    }

    /// Starts a process of this crate's `swarm`.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn swarm() -> Result<Self> {
        Self::start("swarm", &mut Command::new(beside_tests("swarm")?))
    }

    fn start(name: &str, command: &mut Command) -> Result<Self> {
        raise_descriptor_limit();
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let calls = process.stdin.take().context("no standard input")?;
        let output = process.stdout.take().context("no standard output")?;
        let errors = Arc::new(Mutex::new(vec![]));
        let mut complaints = BufReader::new(process.stderr.take().context("no standard error")?).lines();
        let sink = errors.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = complaints.next_line().await {
                sink.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Ok(Self {
            name: name.to_owned(),
            process,
            calls,
            lines: BufReader::new(output).lines(),
            events: VecDeque::new(),
            errors,
        })
    }

    /// Its process id; `None` after its end.
    pub fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Calls an operation and awaits its reply, three minutes at most.
    ///
    /// # Errors
    /// What the peer replies as `error`.
    pub async fn call(&mut self, op: &str, mut arguments: Value) -> Result<Value> {
        arguments["op"] = json!(op);
        self.calls.write_all(format!("{arguments}\n").as_bytes()).await?;
        loop {
            let line = self.next(op, SOON * 6).await?;
            if line.get("event").is_some() {
                self.events.push_back(line);
            } else if let Some(error) = line.get("error") {
                bail!("{} {op}: {error}", self.name);
            } else {
                return Ok(line);
            }
        }
    }

    /// Awaits the next event of that name.
    ///
    /// # Errors
    /// When none comes.
    pub async fn event(&mut self, name: &str) -> Result<Value> {
        loop {
            if let Some(at) = self.events.iter().position(|event| event["event"] == name) {
                return self.events.remove(at).context("an event that was there");
            }
            let line = self.next(name, SOON).await?;
            ensure!(
                line.get("event").is_some(),
                "{}: no call is open for {line}",
                self.name
            );
            self.events.push_back(line);
        }
    }

    /// Calls `listen` and yields where it listens.
    ///
    /// # Errors
    /// As [`Peer::call`].
    pub async fn listen(&mut self, arguments: Value) -> Result<SocketAddr> {
        let port = self.call("listen", arguments).await?["port"]
            .as_u64()
            .context("no port")?;
        Ok(SocketAddr::from(([127, 0, 0, 1], u16::try_from(port)?)))
    }

    async fn next(&mut self, what: &str, limit: std::time::Duration) -> Result<Value> {
        let what = format!("{} {what}", self.name);
        let line = within(&what, limit, self.lines.next_line()).await?;
        let line = line.with_context(|| format!("{what}: it ended"))?;
        serde_json::from_str(&line).with_context(|| format!("{what}: '{line}'"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if !errors.is_empty() {
            println!("--- {}\n{}", self.name, errors.join("\n"));
        }
    }
}

/// The arguments of `connect` that all clients take.
pub fn target(proxy: SocketAddr, host: &str, path: &str) -> Value {
    json!({ "address": proxy.ip().to_string(), "port": proxy.port(), "host": host, "path": path })
}

fn installed(path: &str) -> Result<PathBuf> {
    let path = workspace().join(".tools").join(path);
    ensure!(
        Path::exists(&path),
        "{} is missing: run `make test`, or `make peers` first",
        path.display()
    );
    Ok(path)
}
