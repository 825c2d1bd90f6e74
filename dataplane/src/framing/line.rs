//! Lines, each ended by CRLF, out of bytes that come as they like.

use std::borrow::Cow;

use memchr::memchr;

use super::Fault;

/// The beginning of a line whose end has not come yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
}

/// A line without its end.
pub(super) struct Line<'a> {
    pub(super) text: Cow<'a, [u8]>,
    /// Bytes that it took of those that were given.
    pub(super) taken: usize,
}

impl Lines {
    /// The next line. Without one all of the bytes are kept, for the caller to bound.
    pub(super) fn next<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<Line<'a>>, Fault> {
        let Some(end) = memchr(b'\n', bytes) else {
            self.begun.extend_from_slice(bytes);
            return Ok(None);
        };
        let taken = end + 1;
        let text = if self.begun.is_empty() {
            bytes[..end].strip_suffix(b"\r").map(Cow::Borrowed)
        } else {
            self.begun.extend_from_slice(&bytes[..end]);
            let mut line = std::mem::take(&mut self.begun);
            (line.pop() == Some(b'\r')).then_some(Cow::Owned(line))
        };
        let text = text.ok_or(Fault::Malformed("every line must end in CRLF"))?;
        Ok(Some(Line { text, taken }))
    }

    /// Bytes of the line that has begun.
    pub(super) fn begun(&self) -> usize {
        self.begun.len()
    }
}
