//! Frames: length, checksum, postcard. Every size is checked before memory is taken for it.

mod decoder;
mod snapshot;

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

pub use self::decoder::Decoder;
pub use self::snapshot::snapshot_frames;
use super::{Message, PROTOCOL};
use crate::encoding::append;

/// Length of a frame's header: u32 payload length, u64 checksum.
pub const HEADER_LEN: usize = 12;

/// Largest payload, in bytes. Parts of a snapshot stay near 1 MiB; only a single delta of tens of
/// thousands of changed routes comes near it, and then a snapshot goes instead.
pub const MAX_FRAME_LEN: usize = 16 << 20;

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
    let mut frame = vec![0; HEADER_LEN];
    append(&mut frame, message).map_err(|_| FrameError::Malformed)?;
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
