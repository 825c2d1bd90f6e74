//! Finds kube-apiserver, etcd, kubectl and helm where `make kube-tools` built them.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::binaries::workspace;

/// What a folder must have to be taken for that of the Kubernetes tools.
const ASSETS: [&str; 3] = ["kube-apiserver", "etcd", "kubectl"];

/// The path of one of them. KUBEBUILDER_ASSETS comes first for those it usually holds, if it holds them all.
///
/// # Errors
/// When it was not built.
pub fn find(name: &str) -> Result<PathBuf> {
    let assets = folder("KUBEBUILDER_ASSETS")
        .filter(|folder| ASSETS.contains(&name) && ASSETS.iter().all(|asset| folder.join(asset).exists()));
    let built = || folder("HOLDFAST_KUBE_TOOLS").unwrap_or_else(|| workspace().join(".tools/kube/bin"));
    let path = assets.unwrap_or_else(built).join(name);
    ensure!(
        path.exists(),
        "{} is missing: run `make kube-tools`",
        path.display()
    );
    Ok(path)
}

/// A folder that the environment names, as for `e2e/kube/build`.
fn folder(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
