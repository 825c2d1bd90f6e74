//! The cluster of the current kubeconfig: real pods, real Services. Runs kubectl and helm as whoever runs the
//! test.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::tools;
use crate::deadline::within;

/// Time for one command; `helm --wait` and `kubectl wait` have their own.
const LIMIT: Duration = Duration::from_secs(300);

/// The output of kubectl.
///
/// # Errors
/// When it fails; says what it printed.
pub async fn kubectl(arguments: &[&str]) -> Result<String> {
    run("kubectl", arguments, "").await
}

/// The output of helm.
///
/// # Errors
/// When it fails; says what it printed.
pub async fn helm(arguments: &[&str]) -> Result<String> {
    run("helm", arguments, "").await
}

/// Applies objects.
///
/// # Errors
/// When one is refused.
pub async fn apply(namespace: &str, yaml: &str) -> Result<()> {
    run("kubectl", &["apply", "-n", namespace, "-f", "-"], yaml)
        .await
        .map(drop)
}

/// What `kubectl get -o json` prints.
///
/// # Errors
/// When there is no such object.
pub async fn get(namespace: &str, what: &[&str]) -> Result<Value> {
    let arguments = [&["get", "-n", namespace, "-o", "json"], what].concat();
    Ok(serde_json::from_str(&kubectl(&arguments).await?)?)
}

async fn run(tool: &str, arguments: &[&str], input: &str) -> Result<String> {
    let what = format!("{tool} {}", arguments.join(" "));
    let work = async {
        let mut process = Command::new(tools::find(tool)?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut pipe = process.stdin.take().context("no standard input")?;
        // One that reads nothing closes the pipe.
        let _ = pipe.write_all(input.as_bytes()).await;
        drop(pipe);
        anyhow::Ok(process.wait_with_output().await?)
    };
    let output = within(&what, LIMIT, work).await?;
    ensure!(
        output.status.success(),
        "{what}: {}{}",
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout)
    );
    Ok(String::from_utf8(output.stdout)?)
}
