//! The form in which the last good table is kept on disk.
//!
//! A magic text, the protocol as u32 little-endian, then the frames of a snapshot: their checksums,
//! counts and digest tell whether the file is whole. It is read by the release that wrote it; one of
//! another protocol is refused rather than guessed at.

use thiserror::Error;

use super::assembly::{AssemblyError, SnapshotAssembly};
use super::{FrameError, PROTOCOL, ToDataplane, Version, decode_frame, snapshot_frames};
use crate::canonical::Tracked;
use crate::model::RouteTable;

/// Largest file that is worth reading, in bytes: more than a table within its bounds needs.
pub const MAX_LEN: usize = 256 << 20;

const MAGIC: [u8; 8] = *b"holdfast";

/// Why bytes are not a table to start with.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LastGoodError {
    /// Not written by us.
    #[error("it is not a route table")]
    Foreign,
    /// Written by another release.
    #[error("it was written for protocol {0}; this is {PROTOCOL}")]
    Protocol(u32),
    /// A frame in it is damaged.
    #[error("it is damaged: {0}")]
    Frame(#[from] FrameError),
    /// It does not add up.
    #[error("it is damaged: {0}")]
    Assembly(#[from] AssemblyError),
}

/// Encodes a table.
///
/// # Errors
/// [`FrameError::TooLong`] when a single resource exceeds a frame.
pub fn encode(table: &RouteTable, version: Version) -> Result<Vec<u8>, FrameError> {
    let frames = snapshot_frames(table, version)?;
    Ok([&MAGIC[..], &PROTOCOL.to_le_bytes(), &frames.concat()].concat())
}

/// Decodes what [`encode`] made.
///
/// # Errors
/// The table must not be used.
pub fn decode(bytes: &[u8]) -> Result<(Tracked, Version), LastGoodError> {
    let (magic, rest) = bytes.split_first_chunk().ok_or(LastGoodError::Foreign)?;
    if *magic != MAGIC {
        return Err(LastGoodError::Foreign);
    }
    let (protocol, mut rest) = rest.split_first_chunk().ok_or(FrameError::Truncated)?;
    let protocol = u32::from_le_bytes(*protocol);
    if protocol != PROTOCOL {
        return Err(LastGoodError::Protocol(protocol));
    }
    let mut assembly: Option<SnapshotAssembly> = None;
    loop {
        let (message, used) = decode_frame(rest)?;
        rest = &rest[used..];
        match (message, &mut assembly) {
            (ToDataplane::SnapshotBegin(begin), None) => assembly = Some(SnapshotAssembly::new(begin)?),
            (ToDataplane::SnapshotEnd(version), _) if rest.is_empty() => {
                let whole = assembly.ok_or(AssemblyError::OutOfTurn)?;
                return Ok((whole.finish(version)?.1, version));
            }
            (part, Some(assembly)) => assembly.add(part)?,
            _ => return Err(AssemblyError::OutOfTurn.into()),
        }
    }
}

#[cfg(test)]
mod tests;
