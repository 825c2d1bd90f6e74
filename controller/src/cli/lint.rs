//! `holdfast lint`: what is wrong with manifests, before they go anywhere.
//!
//! The same reading and the same compile as when they are served; the words are theirs.

use std::path::PathBuf;

use super::Exit;
use super::offline::Offline;
use super::print::print;
use crate::compile::Severity;

/// Arguments of `holdfast lint`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Prints one line for each finding: FILE:LINE: SEVERITY: OBJECT: what to write instead \
    (REASON).\nExit codes: 0 fine, 1 errors or warnings, 2 usage or failure"
)]
pub(super) struct Args {
    /// Folder or file of manifests, or - for stdin
    path: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let offline = Offline::read(&args.path)?;
    for finding in &offline.findings {
        print(finding);
    }
    let (errors, warnings) = (offline.count(Severity::Error), offline.count(Severity::Warning));
    let routes = offline.compiled.table.routes.len();
    eprintln!(
        "{}, {}; {} served",
        count(errors, "error"),
        count(warnings, "warning"),
        count(routes, "rule")
    );
    Ok(if errors + warnings == 0 {
        Exit::Fine
    } else {
        Exit::Findings
    })
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
