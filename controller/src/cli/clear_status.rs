//! `holdfast clear-status`: takes back what the controller wrote into statuses, when it is removed.

use std::path::PathBuf;

use super::Exit;
use crate::compile::CONTROLLER;
use crate::source::cluster::connect::{Credentials, client};
use crate::status::clear;

/// Arguments of `holdfast clear-status`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Ingresses keep nothing of the addresses that Holdfast gave them, WebSocketRoutes nothing of their \
    conditions. A controller that still runs writes them again: stop it first.\n\
    Exit codes: 0 fine; 2 usage, or the API server refuses"
)]
pub(super) struct Args {
    /// Kubeconfig file; the pod's service account if absent
    #[arg(long, env = "KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; its current one if absent
    #[arg(long, value_name = "NAME", requires = "kubeconfig")]
    context: Option<String>,
    /// Name of the controller that wrote them
    #[arg(long, value_name = "NAME", default_value = CONTROLLER)]
    controller_name: String,
    /// Only in these namespaces, such as 'team-a,team-b'; in all if absent
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    namespaces: Vec<String>,
}

/// Clears them all.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let credentials = Credentials {
        kubeconfig: args.kubeconfig,
        context: args.context,
    };
    let client = client(&credentials).await?;
    let mut cleared = 0;
    if args.namespaces.is_empty() {
        cleared += clear(&client, &args.controller_name, None).await?;
    }
    for namespace in &args.namespaces {
        cleared += clear(&client, &args.controller_name, Some(namespace)).await?;
    }
    println!(
        "cleared {cleared} {}",
        if cleared == 1 { "status" } else { "statuses" }
    );
    Ok(Exit::Fine)
}
