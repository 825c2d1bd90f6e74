//! Buffers of a worker's tunnels, and the place of the bytes in them.
//!
//! Owns the pool and the marks within a buffer; never touches a socket.
//! A direction holds at most one buffer, and only while bytes are in flight or its receiver does
//! not read, so a session never holds more than two times 64 KiB. What waits for a slow receiver
//! moves to a buffer of its own size when it is little.

/// One read takes up to this much. 16 KiB costs more calls on streams; more brings nothing.
pub(super) const BUFFER: usize = 64 * 1024;
/// Up to this many waiting bytes are worth a copy to free the buffer.
const LITTLE: usize = 8 * 1024;

/// Bytes between two sockets: `written` ≤ `allowed` ≤ `judged` ≤ `filled`.
#[derive(Debug)]
pub(super) struct Chunk {
    data: Box<[u8]>,
    written: usize,
    /// Up to here the session lets bytes go on.
    allowed: usize,
    /// Up to here the session knows the bytes.
    judged: usize,
    filled: usize,
}

impl Chunk {
    fn empty() -> Box<Self> {
        Box::new(Self {
            data: vec![0; BUFFER].into_boxed_slice(),
            written: 0,
            allowed: 0,
            judged: 0,
            filled: 0,
        })
    }

    /// Bytes that the session has still to see.
    pub(super) fn unjudged(bytes: &[u8]) -> Box<Self> {
        Box::new(Self {
            data: bytes.into(),
            written: 0,
            allowed: 0,
            judged: 0,
            filled: bytes.len(),
        })
    }

    /// Bytes that go out as they are.
    pub(super) fn allowed(bytes: &[u8]) -> Box<Self> {
        let filled = bytes.len();
        Box::new(Self {
            data: bytes.into(),
            written: 0,
            allowed: filled,
            judged: filled,
            filled,
        })
    }

    /// Room for a read; only when [`Chunk::is_spent`].
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// Marks the first `len` bytes of the room as read.
    pub(super) fn fill(&mut self, len: usize) {
        self.written = 0;
        self.allowed = 0;
        self.judged = 0;
        self.filled = len;
    }

    /// What may be written.
    pub(super) fn to_write(&self) -> &[u8] {
        &self.data[self.written..self.allowed]
    }

    pub(super) fn wrote(&mut self, len: usize) {
        self.written += len;
        if self.written == self.allowed {
            self.written = self.judged;
            self.allowed = self.judged;
        }
    }

    /// Gives up what may be written: its receiver is gone.
    pub(super) fn discard(&mut self) {
        self.wrote(self.allowed - self.written);
    }

    /// What the session has not seen; only once nothing is left to write.
    pub(super) fn to_judge(&self) -> &[u8] {
        &self.data[self.judged..self.filled]
    }

    /// Notes the session's word on the next `consumed` bytes, of which `forward` go on.
    pub(super) fn judge(&mut self, forward: usize, consumed: usize) {
        self.allowed = self.judged + forward;
        self.judged += consumed;
        // Nothing to write: what was dropped is behind us.
        if forward == 0 {
            self.written = self.judged;
            self.allowed = self.judged;
        }
    }

    /// Whether everything was judged and written.
    pub(super) fn is_spent(&self) -> bool {
        self.written == self.filled
    }

    /// Memory that it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        self.data.len()
    }

    /// A smaller copy of what waits, when it is little.
    fn shrunk(&self) -> Option<Box<Self>> {
        let waiting = self.filled - self.written;
        if self.data.len() < BUFFER || waiting > LITTLE {
            return None;
        }
        Some(Box::new(Self {
            data: self.data[self.written..self.filled].into(),
            written: 0,
            allowed: self.allowed - self.written,
            judged: self.judged - self.written,
            filled: waiting,
        }))
    }
}

/// Buffers that nobody holds at the moment.
#[derive(Debug)]
pub(super) struct Pool {
    #[expect(
        clippy::vec_box,
        reason = "they move in and out of rows, which hold a pointer each"
    )]
    free: Vec<Box<Chunk>>,
    keep: usize,
}

impl Pool {
    /// A pool that keeps up to `keep` free buffers.
    pub(super) fn new(keep: usize) -> Self {
        Self {
            free: Vec::new(),
            keep,
        }
    }

    /// Memory that the free buffers take, in bytes.
    pub(super) fn size(&self) -> usize {
        self.free.len() * BUFFER
    }

    pub(super) fn take(&mut self) -> Box<Chunk> {
        self.free.pop().unwrap_or_else(Chunk::empty)
    }

    pub(super) fn give(&mut self, mut chunk: Box<Chunk>) {
        if chunk.data.len() == BUFFER && self.free.len() < self.keep {
            chunk.fill(0);
            self.free.push(chunk);
        }
    }

    /// Frees a buffer that has little to hold for a receiver that does not read.
    pub(super) fn shrink(&mut self, chunk: &mut Box<Chunk>) {
        if let Some(small) = chunk.shrunk() {
            let large = std::mem::replace(chunk, small);
            self.give(large);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_judged_written_and_dropped_in_order() {
        let mut pool = Pool::new(1);
        let mut chunk = pool.take();
        chunk.room()[..6].copy_from_slice(b"abcdef");
        chunk.fill(6);
        assert_eq!((chunk.to_write(), chunk.to_judge()), (&b""[..], &b"abcdef"[..]));
        chunk.judge(2, 2);
        assert_eq!(chunk.to_write(), b"ab");
        chunk.wrote(1);
        pool.shrink(&mut chunk);
        assert_eq!((chunk.to_write(), chunk.to_judge()), (&b"b"[..], &b"cdef"[..]));
        assert_eq!(pool.free.len(), 1);
        chunk.wrote(1);
        chunk.judge(1, 3);
        assert_eq!((chunk.to_write(), chunk.to_judge()), (&b"c"[..], &b"f"[..]));
        chunk.discard();
        chunk.judge(0, 1);
        assert!(chunk.is_spent());
    }

    #[test]
    fn the_pool_keeps_no_more_than_it_may() {
        let mut pool = Pool::new(1);
        let (one, two) = (pool.take(), pool.take());
        pool.give(one);
        pool.give(two);
        pool.give(Chunk::unjudged(b"small"));
        assert_eq!(pool.free.len(), 1);
    }
}
