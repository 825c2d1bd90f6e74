//! The chart on an API server: what `helm` renders is applied whole; nothing runs its pods, so that
//! [`super::replica`] can take their place.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::process::Command;

use super::api_server::ApiServer;
use super::tools;
use crate::binaries::workspace;
use crate::deadline::within;

/// Namespace and name of the release.
pub const RELEASE: &str = "holdfast";
const RENDER: Duration = Duration::from_secs(60);

/// What a pod of the chart finds: credentials, and the settings of both processes.
#[derive(Clone, Debug)]
pub struct Chart {
    /// A kubeconfig with a token of the pods' ServiceAccount.
    pub kubeconfig: PathBuf,
    /// Settings of the controller.
    pub controller: PathBuf,
    /// Settings of the data plane.
    pub dataplane: PathBuf,
}

impl Chart {
    /// Installs it with values such as `ingressClass.default=true`.
    ///
    /// # Errors
    /// When it is not rendered, or an object is refused.
    pub async fn install(server: &ApiServer, values: &[&str]) -> Result<Self> {
        if server.object("", &format!("namespace/{RELEASE}")).await.is_err() {
            server.kubectl(&["create", "namespace", RELEASE]).await?;
        }
        let arguments: Vec<&str> = values.iter().flat_map(|value| ["--set", value]).collect();
        server.apply(&render(&arguments).await?).await?;
        server
            .kubectl(&[
                "wait",
                "--for=condition=Established",
                "--timeout=60s",
                "crd/websocketroutes.holdfast.dev",
            ])
            .await?;
        let settings = server.object(RELEASE, &format!("configmap/{RELEASE}")).await?;
        let save = |name: &str| -> Result<PathBuf> {
            let text = settings["data"][name].as_str().unwrap_or_default();
            ensure!(!text.is_empty(), "no {name} in {settings}");
            let path = server.path(name);
            fs::write(&path, text)?;
            Ok(path)
        };
        Ok(Self {
            kubeconfig: server.service_account(RELEASE, RELEASE).await?,
            controller: save("controller.yaml")?,
            dataplane: save("dataplane.yaml")?,
        })
    }
}

/// What `helm template` makes of the chart.
///
/// # Errors
/// Those of helm.
pub async fn render(arguments: &[&str]) -> Result<String> {
    let work = Command::new(tools::find("helm")?)
        .args(["template", RELEASE, "--namespace", RELEASE, "--no-hooks"])
        .arg(workspace().join("charts/holdfast"))
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = within("helm template", RENDER, work).await?;
    ensure!(
        output.status.success(),
        "helm template: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
