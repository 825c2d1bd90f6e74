//! Finds the manifest files of a folder.
//!
//! Follows links, so that the `..data` swap of a mounted ConfigMap works, but enters no folder
//! twice. Hidden files and folders, which editors and ConfigMap mounts use, are passed over; so is
//! everything but `*.yaml`, `*.yml` and `*.json`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{MAX_DEPTH, MAX_FILES};

/// What a folder lists.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Manifest files in the order of their paths.
    pub(super) files: BTreeSet<PathBuf>,
    /// Folders that could not be read in full, with the reason.
    pub(super) unreadable: Vec<(PathBuf, String)>,
}

/// Lists the files of `root`, or `root` itself if it is a file.
///
/// # Errors
/// `root` can't be read.
pub(super) fn list(root: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    if fs::metadata(root)?.is_file() {
        listing.files.insert(root.to_owned());
        return Ok(listing);
    }
    let mut walk = Walk {
        listing,
        entered: BTreeSet::new(),
        is_full: false,
    };
    walk.folder(root, 1)?;
    if walk.is_full {
        let message = format!("holds more than {MAX_FILES} manifests; the rest is not read");
        walk.listing.unreadable.push((root.to_owned(), message));
    }
    Ok(walk.listing)
}

struct Walk {
    listing: Listing,
    entered: BTreeSet<PathBuf>,
    is_full: bool,
}

impl Walk {
    fn folder(&mut self, folder: &Path, depth: usize) -> io::Result<()> {
        if !self.entered.insert(fs::canonicalize(folder)?) {
            return Ok(());
        }
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if !entry.file_name().to_string_lossy().starts_with('.') {
                paths.push(entry.path());
            }
        }
        paths.sort();
        for path in paths {
            // Gone again since it was listed, or a link to nowhere.
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            if metadata.is_dir() {
                self.subfolder(path, depth + 1);
            } else if metadata.is_file() && is_manifest(&path) {
                if self.listing.files.len() >= MAX_FILES {
                    self.is_full = true;
                    return Ok(());
                }
                self.listing.files.insert(path);
            }
        }
        Ok(())
    }

    fn subfolder(&mut self, path: PathBuf, depth: usize) {
        let outcome = if depth > MAX_DEPTH {
            Err(format!(
                "is nested deeper than {MAX_DEPTH} folders and is not read"
            ))
        } else {
            self.folder(&path, depth)
                .map_err(|error| format!("can't be read: {error}"))
        };
        if let Err(message) = outcome {
            self.listing.unreadable.push((path, message));
        }
    }
}

fn is_manifest(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
}
