//! Heads: the first line is the caller's, the fields are read here.

use super::field::{self, Declared, Framing};
use super::line::Lines;
use super::{Bounds, Fault, Spelling};

/// A head under way.
#[derive(Debug)]
pub(super) struct Head {
    lines: Lines,
    framing: Framing,
    bytes: usize,
    fields: usize,
    spelling: Spelling,
    /// Not set before the first line has been read.
    http_11: Option<bool>,
}

/// What a line was.
pub(super) enum Seen {
    /// None yet: all bytes were taken.
    Nothing,
    /// The first line or a field, and the bytes that it took.
    Line(usize),
    /// The end: the bytes that it took, and what the head says of its body.
    End(usize, Declared),
}

impl Head {
    /// Before the first byte. `before` counts what is to be counted along, such as earlier interim answers.
    pub(super) fn new(before: usize) -> Self {
        Self {
            lines: Lines::default(),
            framing: Framing::default(),
            bytes: before,
            fields: 0,
            spelling: Spelling::default(),
            http_11: None,
        }
    }

    /// Bytes so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How its fields' names were written.
    pub(super) fn take_spelling(&mut self) -> Spelling {
        std::mem::take(&mut self.spelling)
    }

    /// Reads one line. `first` judges the first one and says whether it is of HTTP/1.1, or that it is none
    /// (`None`); `repeats` as in [`Framing::see`].
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        bounds: &Bounds,
        repeats: bool,
        first: impl FnOnce(&[u8]) -> Result<Option<bool>, Fault>,
    ) -> Result<Seen, Fault> {
        let next = self.lines.next(bytes)?;
        let taken = next.as_ref().map_or(bytes.len(), |line| line.taken);
        self.bytes += taken;
        if self.http_11.is_none() {
            // What has begun may have the CR of its end already.
            let begun = self.lines.begun().saturating_sub(1);
            let line = next.as_ref().map_or(begun, |line| line.text.len());
            if line > bounds.line {
                return Err(Fault::LineTooLong);
            }
        }
        if self.bytes > bounds.head {
            return Err(Fault::HeadTooLarge);
        }
        let Some(line) = next.map(|line| line.text) else {
            return Ok(Seen::Nothing);
        };
        let Some(http_11) = self.http_11 else {
            self.http_11 = first(&line)?;
            return Ok(Seen::Line(taken));
        };
        if line.is_empty() {
            return Ok(Seen::End(taken, self.framing.declared(http_11)?));
        }
        let (name, value) = field::split(&line)?;
        self.fields += 1;
        if self.fields > bounds.fields {
            return Err(Fault::HeadTooLarge);
        }
        self.framing.see(name, value, repeats)?;
        self.spelling.see(name);
        Ok(Seen::Line(taken))
    }
}
