//! One connection to the controller: frames in, frames out, each with its time limit.

use std::io;
use std::path::Path;
use std::time::Duration;

use routetable::wire::assembly::AssemblyError;
use routetable::wire::{FrameError, ToController, ToDataplane, decode_frame, encode_frame};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout, timeout_at};

/// Bytes asked of the socket at a time.
const CHUNK: usize = 64 << 10;

/// Why a connection is over.
#[derive(Debug, Error)]
pub enum ConnectionError {
    /// The socket failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The controller went away.
    #[error("the controller closed the connection")]
    Closed,
    /// The bytes are damaged.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// A snapshot is not what it announced.
    #[error("{0}")]
    Assembly(#[from] AssemblyError),
    /// The rest of a frame or of a snapshot did not come.
    #[error("the controller stopped in the middle of a message")]
    Stalled,
    /// The controller does not read.
    #[error("the controller does not read what we send")]
    Blocked,
    /// Another user listens on the socket.
    #[error("the socket belongs to user {0}; it must belong to the user of this process")]
    Peer(u32),
    /// A worker did not take note of a change.
    #[error("the workers were not told of a change in time")]
    Workers,
}

/// A connection whose other end is ours.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    pending: Vec<u8>,
    last_byte: Instant,
    limit: Duration,
}

impl Connection {
    /// Connects. `limit` bounds every wait for promised bytes and every write.
    pub(super) async fn open(socket: &Path, limit: Duration) -> Result<Self, ConnectionError> {
        let stream = timeout(limit, UnixStream::connect(socket))
            .await
            .map_err(|_| ConnectionError::Blocked)??;
        let peer = stream.peer_cred()?.uid();
        if peer != rustix::process::geteuid().as_raw() {
            return Err(ConnectionError::Peer(peer));
        }
        Ok(Self {
            stream,
            pending: Vec::new(),
            last_byte: Instant::now(),
            limit,
        })
    }

    /// The next message. `promised`: the protocol says that one is on its way, so that silence is a
    /// failure. Dropping the future loses nothing.
    pub(super) async fn receive(&mut self, promised: bool) -> Result<ToDataplane, ConnectionError> {
        loop {
            match decode_frame(&self.pending) {
                Ok((message, used)) => {
                    self.pending.drain(..used);
                    return Ok(message);
                }
                Err(FrameError::Truncated) => self.fill(promised).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn fill(&mut self, promised: bool) -> Result<(), ConnectionError> {
        let promised = promised || !self.pending.is_empty();
        self.pending.reserve(CHUNK);
        let read = self.stream.read_buf(&mut self.pending);
        let read = if promised {
            timeout_at(self.last_byte + self.limit, read)
                .await
                .map_err(|_| ConnectionError::Stalled)??
        } else {
            read.await?
        };
        if read == 0 {
            return Err(ConnectionError::Closed);
        }
        self.last_byte = Instant::now();
        Ok(())
    }

    /// Sends one message.
    pub(super) async fn send(&mut self, message: &ToController) -> Result<(), ConnectionError> {
        let frame = encode_frame(message)?;
        timeout(self.limit, self.stream.write_all(&frame))
            .await
            .map_err(|_| ConnectionError::Blocked)??;
        Ok(())
    }
}
