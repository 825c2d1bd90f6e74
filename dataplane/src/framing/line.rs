//! Lines, each ended by CRLF, out of bytes that come as they like.

use std::borrow::Cow;

use memchr::memchr;

use super::Fault;

/// The beginning of a line whose end has not come yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// The next line without its end, and how many of `bytes` it takes. Without a line all of them are kept;
    /// the caller has made sure that there is room.
    pub(super) fn next<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<(Cow<'a, [u8]>, usize)>, Fault> {
        let Some(end) = memchr(b'\n', bytes) else {
            self.begun.extend_from_slice(bytes);
            return Ok(None);
        };
        let taken = end + 1;
        let line = if self.begun.is_empty() {
            Cow::Borrowed(&bytes[..taken])
        } else {
            let mut line = std::mem::take(&mut self.begun);
            line.extend_from_slice(&bytes[..taken]);
            Cow::Owned(line)
        };
        let ended = |line: &[u8]| line.ends_with(b"\r\n");
        if !ended(&line) {
            return Err(Fault::Malformed("every line must end in CRLF"));
        }
        let line = match line {
            Cow::Borrowed(line) => Cow::Borrowed(&line[..line.len() - 2]),
            Cow::Owned(mut line) => {
                line.truncate(line.len() - 2);
                Cow::Owned(line)
            }
        };
        Ok(Some((line, taken)))
    }

    /// Bytes of the line that has begun.
    pub(super) fn begun(&self) -> usize {
        self.begun.len()
    }
}
