//! Frames: length, checksum, postcard. Every size is checked before memory is taken for it.

mod decoder;

use std::sync::Arc;

use serde::Serialize;
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

pub use self::decoder::Decoder;
use super::{Message, PROTOCOL, SnapshotBegin, ToDataplane, Version};
use crate::model::RouteTable;

/// Length of a frame's header: u32 payload length, u64 checksum.
pub const HEADER_LEN: usize = 12;

/// Largest payload, in bytes. Parts of a snapshot stay near [`PART_LEN`]; only a single delta of
/// tens of thousands of changed routes comes near it, and then a snapshot goes instead.
pub const MAX_FRAME_LEN: usize = 16 << 20;

/// Aimed payload of one snapshot part, in bytes.
const PART_LEN: usize = 1 << 20;

/// Why bytes are not a frame.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// The bytes end inside the frame.
    #[error("frame is cut short")]
    Truncated,
    /// The announced length is beyond [`MAX_FRAME_LEN`].
    #[error("frame of {0} bytes exceeds the limit of {MAX_FRAME_LEN}")]
    TooLong(usize),
    /// The payload is damaged.
    #[error("frame checksum does not match")]
    Checksum,
    /// The payload is not a message of this protocol, or bytes follow it.
    #[error("frame does not hold a known message")]
    Malformed,
    /// A list or text in the message is longer than allowed.
    #[error("message has too many {0}")]
    Bounds(&'static str),
    /// A `Hello` of another protocol.
    #[error("the peer speaks protocol {0}; this is {PROTOCOL}")]
    Protocol(u32),
}

/// Encodes one message as a frame.
///
/// # Errors
/// [`FrameError::TooLong`] or [`FrameError::Bounds`] when the other side would refuse it for its size.
pub fn encode_frame<M: Message>(message: &M) -> Result<Vec<u8>, FrameError> {
    message.check()?;
    let mut frame = postcard::to_extend(message, vec![0; HEADER_LEN]).map_err(|_| FrameError::Malformed)?;
    seal(&mut frame)?;
    Ok(frame)
}

/// Fills in the header of a frame whose payload is complete.
fn seal(frame: &mut [u8]) -> Result<(), FrameError> {
    let len = frame.len() - HEADER_LEN;
    if len > MAX_FRAME_LEN {
        return Err(FrameError::TooLong(len));
    }
    let checksum = xxh3_64(&frame[HEADER_LEN..]);
    frame[..4].copy_from_slice(&(len as u32).to_le_bytes());
    frame[4..HEADER_LEN].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// Decodes the frame at the start of `bytes`; returns the message and the frame's length.
///
/// Takes memory in proportion to the bytes that are there, never to what they announce.
///
/// # Errors
/// [`FrameError::Truncated`] when more bytes may complete the frame, else why it never will be one.
pub fn decode_frame<M: Message>(bytes: &[u8]) -> Result<(M, usize), FrameError> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Err(FrameError::Truncated);
    };
    let [l0, l1, l2, l3, checksum @ ..] = *header;
    let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if len > MAX_FRAME_LEN {
        return Err(FrameError::TooLong(len));
    }
    let payload = rest.get(..len).ok_or(FrameError::Truncated)?;
    if xxh3_64(payload) != u64::from_le_bytes(checksum) {
        return Err(FrameError::Checksum);
    }
    let message = M::decode(payload)?;
    message.check()?;
    Ok((message, HEADER_LEN + len))
}

/// Encodes a whole table as the frames of one snapshot.
///
/// # Errors
/// [`FrameError::TooLong`] when a single resource exceeds a frame.
pub fn snapshot_frames(table: &RouteTable, version: Version) -> Result<Vec<Vec<u8>>, FrameError> {
    let begin = SnapshotBegin {
        version,
        routes: table.routes.len() as u32,
        endpoint_sets: table.endpoint_sets.len() as u32,
        digest: table.digest(),
        deliberately_empty: table.is_empty(),
    };
    let mut frames = vec![encode_frame(&ToDataplane::SnapshotBegin(begin))?];
    for part in parts(table.endpoint_sets.values()) {
        frames.push(encode_frame(&ToDataplane::SnapshotEndpointSets(part))?);
    }
    for part in parts(table.routes.values()) {
        frames.push(encode_frame(&ToDataplane::SnapshotRoutes(part))?);
    }
    frames.push(encode_frame(&ToDataplane::SnapshotEnd(version))?);
    Ok(frames)
}

/// Cuts resources into groups whose encoding is near [`PART_LEN`].
fn parts<'a, T: Serialize + 'a>(resources: impl Iterator<Item = &'a Arc<T>>) -> Vec<Vec<Arc<T>>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut size = 0;
    for resource in resources {
        size += postcard::experimental::serialized_size(resource).unwrap_or(PART_LEN);
        part.push(Arc::clone(resource));
        if size >= PART_LEN {
            parts.push(std::mem::take(&mut part));
            size = 0;
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}
