//! Frames out of a stream.

use super::{FrameError, HEADER_LEN, MAX_FRAME_LEN, decode_frame};
use crate::wire::Message;

/// Capacity that is kept when nothing is pending, in bytes.
const KEPT: usize = 64 << 10;

/// Collects bytes from a stream and yields the messages in them. Holds one frame that is not
/// complete and at most one push more.
#[derive(Debug, Default)]
pub struct Decoder {
    pending: Vec<u8>,
    /// Where the first frame that is not yet decoded starts.
    start: usize,
}

impl Decoder {
    /// Adds bytes as they were read. Take the messages out before the next push.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] when more than a largest frame is pending already.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        let pending = self.pending.len() - self.start;
        if pending > HEADER_LEN + MAX_FRAME_LEN {
            return Err(FrameError::TooLong(pending));
        }
        // Once per push, not once per message: many small frames in one push are moved only once.
        self.pending.drain(..self.start);
        self.start = 0;
        if pending == 0 {
            self.pending.shrink_to(KEPT);
        }
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole message, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// The stream is damaged from here on: close it.
    pub fn next_message<M: Message>(&mut self) -> Result<Option<M>, FrameError> {
        match decode_frame(&self.pending[self.start..]) {
            Ok((message, used)) => {
                self.start += used;
                Ok(Some(message))
            }
            Err(FrameError::Truncated) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Bytes of a frame that is not complete: whether the peer owes the rest of a message.
    pub fn pending(&self) -> usize {
        self.pending.len() - self.start
    }
}
