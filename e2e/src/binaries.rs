//! Finds the product's binaries beside the test executable, and refuses stale ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

const REMEDY: &str = "run `make test`, or `cargo build --workspace` before the tests";

/// The workspace's folder.
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The path of a binary of the product, such as `holdfast`.
///
/// # Errors
/// When it was not built, or is older than one of its sources.
pub fn find(name: &str) -> Result<PathBuf> {
    let binary = beside_tests(name)?;
    let Ok(built) = modified(&binary) else {
        bail!("{} is missing: {REMEDY}", binary.display());
    };
    // Cargo lists beside each binary the sources that went into it.
    let listing = fs::read_to_string(binary.with_extension("d"))
        .with_context(|| format!("{name}.d is missing: {REMEDY}"))?;
    for source in listing
        .split_once(": ")
        .map_or("", |(_, sources)| sources)
        .split_whitespace()
    {
        if modified(Path::new(source)).is_ok_and(|changed| changed > built) {
            bail!("{} is older than {source}: {REMEDY}", binary.display());
        }
    }
    Ok(binary)
}

/// Where a binary of this workspace is built to. Cargo builds this crate's own together with its tests.
pub(crate) fn beside_tests(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let profile = test.ancestors().nth(2);
    Ok(profile
        .with_context(|| format!("{} is not in a target folder", test.display()))?
        .join(name))
}

fn modified(path: &Path) -> std::io::Result<SystemTime> {
    fs::metadata(path)?.modified()
}
