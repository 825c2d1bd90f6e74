//! A folder of manifests as the source of objects.
//!
//! Holds the same objects as a cluster. An object whose document breaks keeps its last good
//! version; deleting a document or a file removes the object. [`load`] reads the folder once,
//! [`watch`](watch::watch) keeps reading it.

mod scan;
mod store;
pub mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;

pub use store::Store;

use super::manifest::Place;
use crate::compile::{Compiled, Finding, Location};
use crate::world::{ObjectKey, World};

/// Largest file that is read, in bytes.
pub const MAX_FILE_LEN: u64 = 4 << 20;
/// Most files that are read.
pub const MAX_FILES: usize = 10_000;
/// Deepest folder that is read; the given one is at 1.
pub const MAX_DEPTH: usize = 16;

/// What a folder held at one moment.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The objects.
    pub world: World,
    /// What is wrong with the files or worth knowing, in the order of files and lines.
    pub findings: Vec<Finding>,
    /// Where each object is written.
    pub locations: Locations,
}

impl Loaded {
    /// All findings, those of the compilation located, in the order of files and lines.
    pub fn report(&self, compiled: &Compiled) -> Vec<Finding> {
        let mut findings = self.findings.clone();
        findings.extend(
            compiled
                .findings
                .iter()
                .map(|finding| self.locations.locate(Finding::clone(finding))),
        );
        findings.sort_by(|a, b| (&a.location, a.severity).cmp(&(&b.location, b.severity)));
        findings
    }
}

/// Where objects are written.
#[derive(Clone, Debug, Default)]
pub struct Locations {
    by_object: BTreeMap<ObjectKey, (PathBuf, Place)>,
}

impl Locations {
    /// The line of `field` of `object`.
    pub fn find(&self, object: &ObjectKey, field: &str) -> Option<Location> {
        let (file, place) = self.by_object.get(object)?;
        Some(Location {
            file: file.clone(),
            line: place.line_of(field),
        })
    }

    /// The finding with its file and line, if its object is known.
    #[must_use]
    pub fn locate(&self, mut finding: Finding) -> Finding {
        if let (None, Some(object)) = (&finding.location, &finding.object) {
            finding.location = self.find(object, &finding.field);
        }
        finding
    }
}

/// Reads the folder (or the one file) `dir` once.
///
/// # Errors
/// `dir` itself can't be read. What is wrong with a file in it is a finding.
pub fn load(dir: &Path) -> anyhow::Result<Loaded> {
    let listing = scan::list(dir).with_context(|| {
        format!(
            "can't read '{}'; give a folder that holds *.yaml, *.yml or *.json files",
            dir.display()
        )
    })?;
    let mut store = Store::new(dir);
    store.take(listing, store::Depth::Thorough);
    Ok(store.merge())
}

#[cfg(test)]
mod tests;
