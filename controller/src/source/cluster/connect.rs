//! The way to the API server: which one, as whom, and how often at most.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::pace::PaceLayer;

/// Time for a connection to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Silence after which a connection counts as dead: longer than any watch lasts.
const READ_TIMEOUT: Duration = Duration::from_secs(120);

/// Whose credentials are used.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// A kubeconfig file; the pod's service account if absent.
    pub kubeconfig: Option<PathBuf>,
    /// A context of that file; its current one if absent.
    pub context: Option<String>,
}

/// A client of the API server. Connects with its first request.
///
/// # Errors
/// No credentials, or such as can't be used.
pub async fn client(credentials: &Credentials) -> anyhow::Result<Client> {
    let mut config = match &credentials.kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)
                .with_context(|| format!("can't read the kubeconfig '{}'", path.display()))?;
            let options = KubeConfigOptions {
                context: credentials.context.clone(),
                ..KubeConfigOptions::default()
            };
            Config::from_custom_kubeconfig(file, &options)
                .await
                .with_context(|| format!("can't use the kubeconfig '{}'", path.display()))?
        }
        None => Config::incluster()
            .context("this is no pod with a service account; name a file with `--kubeconfig`")?,
    };
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.write_timeout = Some(CONNECT_TIMEOUT);
    // Whoever asks also knows when to ask again; two who do wait too long.
    config.default_retry = false;
    let builder = ClientBuilder::try_from(config).context("can't make a client of the API server")?;
    Ok(builder.with_layer(&PaceLayer::default()).build())
}
