//! The last good table on disk, so that a restarted data plane serves while the controller is away.
//!
//! Owns the file; its content is [`routetable::wire::last_good`]'s, checksums included. It holds
//! nothing secret and is readable by its owner only.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use routetable::RouteTable;
use routetable::canonical::Tracked;
use routetable::wire::{FrameError, Version, last_good};
use thiserror::Error;

const NAME: &str = "table.last-good";

/// Why there is no table to start with, or why it can't be saved.
#[derive(Debug, Error)]
pub enum LastGoodError {
    /// The file can't be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file is larger than any table.
    #[error("it is larger than {} bytes", last_good::MAX_LEN)]
    TooLarge,
    /// Its content is damaged or of another release.
    #[error("{0}")]
    Content(#[from] last_good::LastGoodError),
    /// A resource is too large to be saved.
    #[error("{0}")]
    Encode(#[from] FrameError),
}

/// The file in the run directory.
#[derive(Clone, Debug)]
pub struct LastGood {
    path: PathBuf,
}

impl LastGood {
    /// The file in `run_dir`, which must exist before the first save.
    pub fn new(run_dir: &Path) -> Self {
        Self {
            path: run_dir.join(NAME),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the table; `None` when none was ever saved.
    ///
    /// # Errors
    /// The file must not be used: it is damaged or of another release.
    pub fn load(&self) -> Result<Option<(Tracked, Version)>, LastGoodError> {
        let bytes = match std::fs::metadata(&self.path) {
            Ok(meta) if meta.len() > last_good::MAX_LEN as u64 => return Err(LastGoodError::TooLarge),
            Ok(_) => std::fs::read(&self.path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(Some(last_good::decode(&bytes)?))
    }

    /// Replaces the file by one rename, so that a crash leaves the old or the new one.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn save(&self, table: &RouteTable, version: Version) -> Result<(), LastGoodError> {
        let bytes = last_good::encode(table, version)?;
        let fresh = self.path.with_extension("new");
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, &self.path)?;
        Ok(())
    }
}
