//! The frame tracker: follows one direction of a WebSocket by its frame headers alone.
//!
//! Owns the place in the stream (frame, fragment, message), the counts and the peer's Close code.
//! Never copies, unmasks or keeps payload, but for the two bytes of a Close code.
//! Spec: RFC 6455 sections 5.2–5.5. Two deviations, both towards leniency, because the endpoint
//! behind judges them too and nothing is ambiguous: a length that is not in its shortest form is
//! accepted, and a Close payload (length 1, odd codes, bad UTF-8) is not judged.
//! Reserved opcodes stay forbidden even with extensions: none of the registered ones uses them.

#[cfg(test)]
pub(super) mod tests;

mod header;
pub(super) use header::CONTROL_MAX;
pub use header::Violation;

use header::{CLOSE, CONTROL, FIN, HEADER_MAX, Header, OPCODE, Rules};

/// What section 7.1.5 calls the code of a Close frame that carries none.
const NO_CODE: u16 = 1005;

/// Where [`FrameTracker::feed`] stops before the end of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Nowhere but at a Close or a violation.
    Never,
    /// At the end of a frame, or in front of a Close.
    Frame,
    /// At the end of a frame with which no message stays open, or in front of a Close.
    Message,
}

/// Why [`FrameTracker::feed`] stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// The bytes are used up.
    Drained,
    /// The boundary that was asked for.
    Boundary,
    /// The next frame is a Close (only when a boundary was asked for).
    CloseAhead,
    /// A Close frame ended. Whatever follows it is no longer part of the WebSocket.
    Closed,
    /// The next frame is forbidden.
    Violation(Violation),
}

/// The outcome of [`FrameTracker::feed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fed {
    /// How many bytes belong to the stream so far; with a violation none of them is part of the
    /// forbidden frame.
    pub consumed: usize,
    /// Why it stopped there.
    pub halt: Halt,
}

/// The place in one direction of a WebSocket.
#[derive(Debug, Clone)]
pub struct FrameTracker {
    /// Payload bytes of the current frame that are still to come.
    remaining: u64,
    frames: u64,
    messages: u64,
    /// A header that was cut by the end of a chunk.
    header: [u8; HEADER_MAX],
    header_len: u8,
    /// First byte of the current frame.
    first: u8,
    /// Starts as the masking key and becomes the Close code as its bytes arrive.
    code: [u8; 2],
    code_len: u8,
    rules: Rules,
    closed: bool,
}

impl FrameTracker {
    /// A tracker at the start of a stream. `masked`: the sender is the client.
    /// `extensions`: some were negotiated, so reserved bits are allowed.
    pub fn new(masked: bool, extensions: bool) -> Self {
        Self {
            remaining: 0,
            frames: 0,
            messages: 0,
            header: [0; HEADER_MAX],
            header_len: 0,
            first: 0,
            code: [0; 2],
            code_len: 0,
            rules: Rules {
                masked,
                extensions,
                in_message: false,
            },
            closed: false,
        }
    }

    /// Follows the stream through `bytes`. After a violation it must not be fed again.
    pub fn feed(&mut self, bytes: &[u8], stop: Stop) -> Fed {
        let mut at = 0;
        let fed = |consumed, halt| Fed { consumed, halt };
        if self.closed {
            return fed(0, Halt::Closed);
        }
        loop {
            if self.remaining > 0 {
                at += self.payload(&bytes[at..]);
                if self.remaining > 0 {
                    return fed(at, Halt::Drained);
                }
                if let Some(halt) = self.frame_ended(stop) {
                    return fed(at, halt);
                }
            }
            let rest = &bytes[at..];
            let Some(&first) = rest.first() else {
                return fed(at, Halt::Drained);
            };
            if stop != Stop::Never && self.header_len == 0 && first & OPCODE == CLOSE {
                return fed(at, Halt::CloseAhead);
            }
            let header = if self.header_len == 0 {
                self.parse(rest)
            } else {
                self.parse_cut(rest)
            };
            match header {
                Ok(Header::Whole { used, payload }) => {
                    at += used;
                    self.remaining = payload;
                    if payload == 0
                        && let Some(halt) = self.frame_ended(stop)
                    {
                        return fed(at, halt);
                    }
                }
                Ok(Header::Cut) => return fed(bytes.len(), Halt::Drained),
                Err(violation) => return fed(at, Halt::Violation(violation)),
            }
        }
    }

    /// Whether the stream stands between two frames.
    pub fn at_frame_boundary(&self) -> bool {
        self.remaining == 0 && self.header_len == 0
    }

    /// Whether the stream stands between two messages.
    pub fn at_message_boundary(&self) -> bool {
        self.at_frame_boundary() && !self.rules.in_message
    }

    /// Whole frames so far, control frames among them.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Whole text and binary messages so far.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// The code of the Close frame, once it has passed; 1005 when it carried none.
    pub fn close_code(&self) -> Option<u16> {
        let code = if self.code_len == 2 {
            u16::from_be_bytes(self.code)
        } else {
            NO_CODE
        };
        self.closed.then_some(code)
    }

    /// Whether a Close frame has passed.
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// Enters the frame of a whole header.
    #[inline]
    fn begin(&mut self, header: &[u8]) {
        self.first = header[0];
        if self.first & OPCODE == CLOSE {
            self.code = match header {
                [.., a, b, _, _] if self.rules.masked => [*a, *b],
                _ => [0; 2],
            };
        }
    }

    fn payload(&mut self, bytes: &[u8]) -> usize {
        let len = self.remaining.min(bytes.len() as u64) as usize;
        if self.first & OPCODE == CLOSE {
            for byte in &bytes[..len.min(usize::from(2 - self.code_len))] {
                self.code[usize::from(self.code_len)] ^= byte;
                self.code_len += 1;
            }
        }
        self.remaining -= len as u64;
        len
    }

    #[inline]
    fn frame_ended(&mut self, stop: Stop) -> Option<Halt> {
        self.frames += 1;
        if self.first & CONTROL == 0 {
            let last = self.first & FIN != 0;
            self.rules.in_message = !last;
            self.messages += u64::from(last);
        } else if self.first & OPCODE == CLOSE {
            self.closed = true;
            return Some(Halt::Closed);
        }
        match stop {
            Stop::Never => None,
            Stop::Message if self.rules.in_message => None,
            Stop::Frame | Stop::Message => Some(Halt::Boundary),
        }
    }

    /// Reads a header that begins with `bytes`; keeps it when their end cuts it.
    #[inline]
    fn parse(&mut self, bytes: &[u8]) -> Result<Header, Violation> {
        let header = header::parse(bytes, self.rules)?;
        match header {
            Header::Whole { used, .. } => self.begin(&bytes[..used]),
            Header::Cut => {
                self.header[..bytes.len()].copy_from_slice(bytes);
                self.header_len = bytes.len() as u8;
            }
        }
        Ok(header)
    }

    /// Goes on with a header that the end of a chunk cut.
    fn parse_cut(&mut self, bytes: &[u8]) -> Result<Header, Violation> {
        let mut header = self.header;
        let mut len = usize::from(self.header_len);
        for (index, byte) in bytes.iter().enumerate() {
            header[len] = *byte;
            len += 1;
            if let Header::Whole { payload, .. } = header::parse(&header[..len], self.rules)? {
                self.begin(&header[..len]);
                self.header_len = 0;
                let used = index + 1;
                return Ok(Header::Whole { used, payload });
            }
        }
        self.header = header;
        self.header_len = len as u8;
        Ok(Header::Cut)
    }
}
