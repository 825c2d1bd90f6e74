//! Where HTTP/1.1 messages begin and end, by the one reading that is forwarded (RFC 9112).
//!
//! Pure and sans-I/O: bytes in, boundaries or a [`Fault`] out. It sees what a peer sends before anyone else does and
//! allows what strict and lenient parsers read alike. Where the RFC lets a recipient repair a message (bare LF,
//! folded fields, several lengths, whitespace before a colon), it refuses instead. It never changes a byte, and
//! judges neither Host nor target beyond their octets.
//!
//! A line is judged as a whole, without a copy unless a read ended within it.

mod answer;
mod body;
mod field;
mod head;
mod line;
mod octets;
mod request;
mod spelling;

pub use self::answer::{AnswerTracker, Asked};
pub use self::octets::is_target;
pub use self::request::RequestTracker;
pub use self::spelling::Spelling;

/// How much of a head is read.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of the first line.
    pub line: usize,
    /// Bytes of the head.
    pub head: usize,
    /// Fields of the head.
    pub fields: usize,
}

/// Why a message is not read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Two parsers could read it in two ways, or it is no HTTP/1.x at all.
    Malformed(&'static str),
    /// Another version of HTTP.
    Version,
    /// Its body is encoded in a way that we don't know.
    Coding,
    /// The first line is longer than we read.
    LineTooLong,
    /// The head is larger than we read, or has more fields.
    HeadTooLarge,
}

impl Fault {
    /// One sentence for whoever sent it.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Malformed(detail) => detail,
            Self::Version => "the version must be HTTP/1.1 or HTTP/1.0",
            Self::Coding => "the transfer coding is not known here",
            Self::LineTooLong => "the first line is too long",
            Self::HeadTooLarge => "the head is too large",
        }
    }
}

/// How far the bytes were taken: all of them, or up to a boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// This many of them.
    pub taken: usize,
    /// What they are.
    pub part: Part,
    /// They end a message.
    pub end: bool,
}

/// A part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A head to its end.
    Head,
    /// The head of an interim answer to its end; another head follows.
    Interim,
    /// Content of a body.
    Content,
    /// A head whose end has not come, what frames a body, or what is no HTTP any more.
    Framing,
}

impl Progress {
    /// No boundary, and no content.
    fn within(taken: usize) -> Self {
        Self {
            taken,
            part: Part::Framing,
            end: false,
        }
    }

    /// The end of a head that another follows.
    fn interim(taken: usize) -> Self {
        Self {
            part: Part::Interim,
            ..Self::within(taken)
        }
    }

    /// The end of a head; `end` if no body follows.
    fn head(taken: usize, end: bool) -> Self {
        Self {
            taken,
            part: Part::Head,
            end,
        }
    }

    /// A piece of a body.
    fn body(piece: body::Piece) -> Self {
        Self {
            taken: piece.taken,
            part: if piece.content {
                Part::Content
            } else {
                Part::Framing
            },
            end: piece.end,
        }
    }
}

#[cfg(test)]
mod tests;
