//! The last good table on disk, so that a restarted data plane serves while the controller is away.
//!
//! The file is the frames of a snapshot behind a short head; their checksums and the snapshot's
//! digest tell whether it is whole. It holds nothing secret and is readable by its owner only.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use routetable::RouteTable;
use routetable::wire::{FrameError, PROTOCOL, ToDataplane, Version, decode_frame, snapshot_frames};
use thiserror::Error;

use super::assembly::{Assembly, AssemblyError};

const NAME: &str = "table.last-good";
const MAGIC: &[u8; 8] = b"holdfast";
const HEAD_LEN: usize = MAGIC.len() + size_of::<u32>();

/// Largest file that is read, in bytes: hundreds of thousands of routes.
const MAX_LEN: u64 = 256 << 20;

/// Why there is no table to start with.
#[derive(Debug, Error)]
pub enum LastGoodError {
    /// The file can't be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file is damaged or no file of ours.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// A frame in it is damaged.
    #[error("it is damaged: {0}")]
    Frame(#[from] FrameError),
    /// It does not add up.
    #[error("it is damaged: {0}")]
    Assembly(#[from] AssemblyError),
    /// Written by another release.
    #[error("it was written for protocol {0}; this is {PROTOCOL}")]
    Protocol(u32),
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
    pub fn load(&self) -> Result<Option<(RouteTable, Version)>, LastGoodError> {
        let bytes = match std::fs::metadata(&self.path) {
            Ok(meta) if meta.len() > MAX_LEN => return Err(LastGoodError::Damaged("it is too large")),
            Ok(_) => std::fs::read(&self.path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        decode(&bytes).map(Some)
    }

    /// Replaces the file by one rename, so that a crash leaves the old or the new one.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn save(&self, table: &RouteTable, version: Version) -> Result<(), LastGoodError> {
        let fresh = self.path.with_extension("new");
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(&head(PROTOCOL))?;
        for frame in snapshot_frames(table, version)? {
            file.write_all(&frame)?;
        }
        file.sync_all()?;
        std::fs::rename(&fresh, &self.path)?;
        Ok(())
    }
}

fn head(protocol: u32) -> Vec<u8> {
    [&MAGIC[..], &protocol.to_le_bytes()].concat()
}

fn decode(bytes: &[u8]) -> Result<(RouteTable, Version), LastGoodError> {
    let (head, mut rest) = bytes
        .split_at_checked(HEAD_LEN)
        .ok_or(LastGoodError::Damaged("it is cut short"))?;
    let (magic, protocol) = head.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(LastGoodError::Damaged("it is not a table"));
    }
    let protocol = protocol.try_into().map_or(0, u32::from_le_bytes);
    if protocol != PROTOCOL {
        return Err(LastGoodError::Protocol(protocol));
    }
    let mut assembly: Option<Assembly> = None;
    loop {
        let (message, used) = decode_frame(rest)?;
        rest = &rest[used..];
        match (message, &mut assembly) {
            (ToDataplane::SnapshotBegin(begin), None) => assembly = Some(Assembly::new(begin)),
            (ToDataplane::SnapshotRoutes(part), Some(assembly)) => assembly.routes(part)?,
            (ToDataplane::SnapshotEndpointSets(part), Some(assembly)) => assembly.endpoint_sets(part)?,
            (ToDataplane::SnapshotEnd(version), _) if rest.is_empty() => {
                let assembly = assembly.ok_or(AssemblyError::OutOfTurn)?;
                return Ok((assembly.finish(version)?.1, version));
            }
            _ => return Err(AssemblyError::OutOfTurn.into()),
        }
    }
}
