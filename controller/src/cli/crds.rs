//! `holdfast crds`: the custom resource definitions, generated from the types that are compiled in.

use clap::Subcommand;

use super::Exit;
use super::print::print;
use crate::crd::definition;

/// What to do with the definitions.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Print them as YAML, for 'kubectl apply --server-side -f -'
    Print,
}

pub(super) fn run(action: &Action) -> anyhow::Result<Exit> {
    match action {
        Action::Print => print(crate::yaml::print(&definition::websocketroute()?)?.trim_end()),
    }
    Ok(Exit::Fine)
}
