//! Bodies: a length, chunks (RFC 9112 section 7.1), or all that comes.

use super::Fault;
use super::field::{self, Declared};
use super::line::Lines;
use super::octets::is_value;

/// Hexadecimal digits of a chunk's size: it fits 60 bits.
const MAX_SIZE_DIGITS: usize = 15;
/// Longest extension of a chunk, in bytes; nobody uses them but to keep servers busy.
const MAX_EXTENSION: usize = 256;
/// Longest extensions of a whole body.
const MAX_EXTENSIONS: usize = 8 << 10;
/// Largest trailer section, in bytes.
const MAX_TRAILERS: usize = 8 << 10;
/// Most trailer fields.
const MAX_TRAILER_FIELDS: usize = 64;

/// A body under way.
#[derive(Debug)]
pub(super) enum Body {
    /// So much is still to come.
    Sized(u64),
    /// Chunks.
    Chunked(Chunks),
    /// It ends with the connection.
    Endless,
}

/// A chunked body under way.
#[derive(Debug)]
pub(super) struct Chunks {
    lines: Lines,
    at: At,
    extensions: usize,
    trailers: usize,
    trailer_fields: usize,
}

/// Where in a chunked body.
#[derive(Clone, Copy, Debug)]
enum At {
    Size,
    Data(u64),
    /// The CRLF behind a chunk's data.
    DataEnd,
    Trailer,
    End,
}

impl Body {
    /// The body that a head declares; `None` if there is none. `endless`: what is not framed goes on to the end.
    pub(super) fn new(declared: Declared, endless: bool) -> Option<Self> {
        match declared {
            Declared::Nothing => endless.then_some(Self::Endless),
            Declared::Length(0) => None,
            Declared::Length(length) => Some(Self::Sized(length)),
            Declared::Chunked => Some(Self::Chunked(Chunks {
                lines: Lines::default(),
                at: At::Size,
                extensions: 0,
                trailers: 0,
                trailer_fields: 0,
            })),
        }
    }

    /// What comes next is content.
    fn is_in_content(&self) -> bool {
        match self {
            Self::Sized(_) | Self::Endless => true,
            Self::Chunked(chunks) => matches!(chunks.at, At::Data(_)),
        }
    }

    /// Goes on through content as far as it comes, or by a line between chunks.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Piece, Fault> {
        let content = self.is_in_content();
        let (taken, end) = match self {
            Self::Sized(left) => (skip(left, bytes.len()), *left == 0),
            Self::Chunked(chunks) => (chunks.step(bytes)?, matches!(chunks.at, At::End)),
            Self::Endless => (bytes.len(), false),
        };
        Ok(Piece { taken, content, end })
    }
}

/// A part of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    /// Its bytes.
    pub(super) taken: usize,
    /// They are content, rather than what frames it.
    pub(super) content: bool,
    /// The body ends with it.
    pub(super) end: bool,
}

/// Takes as much of `left` as there is.
fn skip(left: &mut u64, there: usize) -> usize {
    let taken = usize::try_from(*left).map_or(there, |left| left.min(there));
    *left -= taken as u64;
    taken
}

impl Chunks {
    /// Goes on by a line, or through a chunk's data.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        if let At::Data(left) = &mut self.at {
            let taken = skip(left, bytes.len());
            if *left == 0 {
                self.at = At::DataEnd;
            }
            return Ok(taken);
        }
        let next = self.lines.next(bytes)?;
        let taken = next.as_ref().map_or(bytes.len(), |line| line.taken);
        let length = next.as_ref().map_or(self.lines.begun(), |line| line.text.len());
        match self.at {
            // A lone CR may wait for its LF.
            At::DataEnd if length > usize::from(next.is_none()) => {
                return Err(Fault::Malformed("a chunk must be as long as it says"));
            }
            At::Size if length > MAX_SIZE_DIGITS + MAX_EXTENSION + 2 => {
                return Err(Fault::Malformed("a chunk's size or extension is too long"));
            }
            At::Trailer => {
                self.trailers += taken;
                if self.trailers > MAX_TRAILERS {
                    return Err(Fault::Malformed("the trailers are too large"));
                }
            }
            _ => {}
        }
        if let Some(line) = next.map(|line| line.text) {
            self.at = match self.at {
                At::Size => self.size(&line)?,
                At::DataEnd => At::Size,
                _ if line.is_empty() => At::End,
                _ => self.trailer(&line)?,
            };
        }
        Ok(taken)
    }

    /// `size [;extension]`, with no whitespace between them.
    fn size(&mut self, line: &[u8]) -> Result<At, Fault> {
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let (size, extension) = line.split_at(digits);
        if size.is_empty() || digits > MAX_SIZE_DIGITS {
            return Err(Fault::Malformed("a chunk's size must be a hexadecimal number"));
        }
        if !extension.is_empty() && (extension[0] != b';' || !is_value(extension)) {
            return Err(Fault::Malformed(
                "a chunk's size must be followed by CRLF or an extension",
            ));
        }
        self.extensions += extension.len();
        if extension.len() > MAX_EXTENSION || self.extensions > MAX_EXTENSIONS {
            return Err(Fault::Malformed("the extensions of chunks are too long"));
        }
        let size = size.iter().fold(0_u64, |size, b| {
            let digit = char::from(*b).to_digit(16).unwrap_or_default();
            size << 4 | u64::from(digit)
        });
        Ok(if size == 0 { At::Trailer } else { At::Data(size) })
    }

    fn trailer(&mut self, line: &[u8]) -> Result<At, Fault> {
        field::split(line)?;
        self.trailer_fields += 1;
        if self.trailer_fields > MAX_TRAILER_FIELDS {
            return Err(Fault::Malformed("there are too many trailers"));
        }
        Ok(At::Trailer)
    }
}
