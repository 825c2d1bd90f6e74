//! `holdfast-controller` as a process: signals, exit codes, first words.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr};
use tokio::time::timeout;

/// Bound on everything that must happen.
const SOON: Duration = Duration::from_secs(20);
const BINARY: &str = env!("CARGO_BIN_EXE_holdfast-controller");

fn run(args: &[&str]) -> Output {
    Command::new(BINARY).args(args).output().unwrap()
}

struct Running {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
}

impl Running {
    fn start(folder: &Path) -> Self {
        let mut command = tokio::process::Command::new(BINARY);
        command
            .arg("--files")
            .arg(folder.join("manifests"))
            .arg("--socket")
            .arg(folder.join("run/sock"));
        command.args(["--log-format", "json", "--exit-with-parent"]);
        let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, log }
    }

    async fn says(&mut self, words: &str) -> serde_json::Value {
        let search = async {
            while let Some(line) = self.log.next_line().await.unwrap() {
                if line.contains(words) {
                    return serde_json::from_str(&line).unwrap();
                }
            }
            panic!("ended without '{words}'");
        };
        timeout(SOON, search).await.unwrap()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

#[tokio::test]
async fn a_run_from_start_to_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("manifests")).unwrap();
    let route = "apiVersion: holdfast.dev/v1alpha1\nkind: WebSocketRoute\nmetadata: {name: chat}\nspec:\n  hostnames: [a.example.com]\n  rules:\n  - backendRefs: [{name: chat, port: 80}]\n";
    fs::write(folder.path().join("manifests/a.yaml"), route).unwrap();
    let mut running = Running::start(folder.path());
    let said = running.says("BackendNotFound").await;
    assert_eq!(said["level"], "ERROR");
    let message = said["message"].as_str().unwrap();
    assert!(message.ends_with("a.yaml:7: WebSocketRoute default/chat: `spec.rules[0].backendRefs[0]`: Service 'chat' not found in 'default'"), "{message}");
    let said = running.says("compiled a new table").await;
    assert_eq!((&said["routes"], &said["errors"]), (&1.into(), &1.into()));
    running.signal(Signal::HUP);
    running.says("looking through the folder again").await;

    // A second controller on the same socket says who is in the way.
    let mut second = Running::start(folder.path());
    second.says("another controller listens on").await;
    assert_eq!(
        timeout(SOON, second.child.wait()).await.unwrap().unwrap().code(),
        Some(2)
    );

    running.signal(Signal::TERM);
    assert_eq!(
        timeout(SOON, running.child.wait()).await.unwrap().unwrap().code(),
        Some(0)
    );
    assert!(!folder.path().join("run/sock").exists());
}

#[test]
fn failures_exit_with_2_and_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("sock").display().to_string();
    for (args, words) in [
        (&["--socket", &socket][..], "--files"),
        (
            &["--socket", &socket, "--files", "/nowhere"],
            "must name a folder of manifests",
        ),
        (&["--socket", "/proc/sock", "--files", "/"], "--socket"),
        (&["--fils", "x"], "'--files'"),
        (&["--peer-timeout", "5"], "write '5s'"),
        (&["--config", "/nowhere"], "can't read '/nowhere'"),
    ] {
        let output = run(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
}

#[test]
fn help_names_every_setting_and_its_variable() {
    let output = run(&["--help"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0));
    for word in [
        "--files",
        "HOLDFAST_SOCKET",
        "HOLDFAST_EXIT_WITH_PARENT",
        "HOLDFAST_CONFIG",
        "SIGHUP",
        "Exit codes",
    ] {
        assert!(said.contains(word), "{word} is missing in\n{said}");
    }
}
