//! What people type: kubectl, as the administrator or as someone else.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::api_server::ApiServer;
use super::tools;
use crate::deadline::within;

/// Time for one command; `kubectl wait` has its own.
const LIMIT: Duration = Duration::from_secs(120);

impl ApiServer {
    /// The output of a command that must succeed.
    ///
    /// # Errors
    /// When it fails; says what it printed.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        succeeded(arguments, run(&self.admin_kubeconfig(), arguments, "").await?)
    }

    /// The same for someone else.
    ///
    /// # Errors
    /// When it fails; says what it printed.
    pub async fn kubectl_as(&self, kubeconfig: &Path, arguments: &[&str]) -> Result<String> {
        succeeded(arguments, run(kubeconfig, arguments, "").await?)
    }

    /// Applies objects; those without a namespace go to `default`.
    ///
    /// # Errors
    /// When one is refused.
    pub async fn apply(&self, yaml: &str) -> Result<()> {
        self.apply_with(yaml, &[]).await.map(drop)
    }

    /// Applies objects with more arguments; yields what was printed on both streams.
    ///
    /// # Errors
    /// When one is refused.
    pub async fn apply_with(&self, yaml: &str, more: &[&str]) -> Result<String> {
        let arguments = [&["apply", "--server-side", "--force-conflicts", "-f", "-"], more].concat();
        let output = run(&self.admin_kubeconfig(), &arguments, yaml).await?;
        let warnings = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(succeeded(&arguments, output).with_context(|| yaml.to_owned())? + &warnings)
    }

    /// What is said to objects that must be refused.
    ///
    /// # Errors
    /// When they are not.
    pub async fn refused(&self, yaml: &str) -> Result<String> {
        let arguments = ["apply", "--dry-run=server", "-f", "-"];
        let output = run(&self.admin_kubeconfig(), &arguments, yaml).await?;
        if output.status.success() {
            bail!("must be refused, was not:\n{yaml}");
        }
        Ok(String::from_utf8(output.stderr)?)
    }

    /// Deletes an object such as `ingress/chat`.
    ///
    /// # Errors
    /// When there is none.
    pub async fn delete(&self, object: &str) -> Result<()> {
        self.kubectl(&["delete", "--wait=false", object]).await.map(drop)
    }

    /// An object such as `ingress/chat` with a namespace.
    ///
    /// # Errors
    /// When there is none.
    pub async fn object(&self, namespace: &str, object: &str) -> Result<Value> {
        let text = self
            .kubectl(&["get", object, "-n", namespace, "-o", "json"])
            .await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Writes a kubeconfig for a ServiceAccount, whose token comes from the TokenRequest API, and yields its
    /// path. The token is in a file of its own, so that it can be renewed.
    ///
    /// # Errors
    /// When there is no such ServiceAccount.
    pub async fn service_account(&self, namespace: &str, name: &str) -> Result<std::path::PathBuf> {
        let token = self.path(&format!("{namespace}-{name}.token"));
        let text = self
            .kubectl(&["create", "token", name, "-n", namespace, "--duration", "4h"])
            .await?;
        ensure!(text.trim().split('.').count() == 3, "no token: {text}");
        std::fs::write(&token, text.trim())?;
        let path = self.path(&format!("{namespace}-{name}.conf"));
        std::fs::write(&path, self.kubeconfig(&format!("tokenFile: {}", token.display())))?;
        Ok(path)
    }
}

async fn run(kubeconfig: &Path, arguments: &[&str], input: &str) -> Result<Output> {
    let what = format!("kubectl {}", arguments.join(" "));
    let work = async {
        let mut process = Command::new(tools::find("kubectl")?)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            // Its own is for each address, and addresses come again.
            .arg("--cache-dir")
            .arg(kubeconfig.with_file_name("kubectl-cache"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut pipe = process.stdin.take().context("no standard input")?;
        // Both at once: a long input and a long output would wait for each other.
        let write = async move {
            // One that reads nothing closes the pipe.
            let _ = pipe.write_all(input.as_bytes()).await;
        };
        let (output, ()) = tokio::join!(process.wait_with_output(), write);
        anyhow::Ok(output?)
    };
    within(&what, LIMIT, work).await
}

fn succeeded(arguments: &[&str], output: Output) -> Result<String> {
    ensure!(
        output.status.success(),
        "kubectl {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
