//! The messages of one data plane, as its bytes come in.

use routetable::wire::{Decoder, ToController};
use tokio::io::AsyncReadExt;
use tokio::net::unix::OwnedReadHalf;

use super::SessionError;

/// Bytes asked of the socket at a time.
const CHUNK: usize = 16 << 10;

pub(super) struct Inbox {
    read: OwnedReadHalf,
    decoder: Decoder,
    chunk: Vec<u8>,
}

impl Inbox {
    pub(super) fn new(read: OwnedReadHalf) -> Self {
        Self {
            read,
            decoder: Decoder::default(),
            chunk: vec![0; CHUNK],
        }
    }

    /// The next message. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Result<ToController, SessionError> {
        loop {
            if let Some(message) = self.decoder.next_message()? {
                return Ok(message);
            }
            match self.read.read(&mut self.chunk).await? {
                0 => return Err(SessionError::Closed),
                len => self.decoder.push(&self.chunk[..len])?,
            }
        }
    }
}
