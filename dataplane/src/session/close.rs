//! Close frames of our own: codes, reasons and their bytes.
//!
//! Owns what may be said in a Close frame; never decides when it is said.
//! Spec: RFC 6455 sections 5.5.1 and 7.4, and IANA's registry of close codes.

use std::fmt;
use std::sync::Arc;

use super::frame::CONTROL_MAX;

/// The longest reason: a control frame's payload without the two bytes of the code.
const REASON_MAX: usize = CONTROL_MAX as usize - 2;
/// Two header bytes, a masking key and the payload.
const CONTROL_FRAME_MAX: usize = 2 + 4 + CONTROL_MAX as usize;
const FIN_CLOSE: u8 = 0x88;
const MASK: u8 = 0x80;

/// A close code that may be sent in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

/// A Close that must not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CloseError {
    /// The code is reserved for local use, or not assigned.
    #[error("close code {0} must not be sent; use 1000–1003, 1007–1014 or a number between 3000 and 4999")]
    Code(u16),
    /// The reason does not fit in a control frame; the value is its length in bytes.
    #[error("a close reason must not exceed 123 bytes, this one has {0}")]
    Reason(usize),
}

impl CloseCode {
    /// Going away: a timeout, a removed route, or our word to a backend.
    pub const GOING_AWAY: Self = Self(1001);
    /// Protocol error.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// Service restart: the client may come back at once.
    pub const SERVICE_RESTART: Self = Self(1012);

    /// Checks a number. Refuses what RFC 6455 section 7.4 and the registry keep from the wire:
    /// below 1000, 1004–1006, 1015, the unassigned ones up to 2999 and all from 5000.
    pub fn new(code: u16) -> Result<Self, CloseError> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(Self(code)),
            _ => Err(CloseError::Code(code)),
        }
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a Close frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    code: CloseCode,
    reason: Arc<str>,
}

impl Close {
    /// A Close with a reason of at most 123 bytes.
    pub fn new(code: CloseCode, reason: impl Into<Arc<str>>) -> Result<Self, CloseError> {
        let reason = reason.into();
        if reason.len() > REASON_MAX {
            return Err(CloseError::Reason(reason.len()));
        }
        Ok(Self { code, reason })
    }

    /// A Close with one of our own texts, cut to what fits.
    pub(crate) fn of(code: CloseCode, reason: &str) -> Self {
        let fits = reason.floor_char_boundary(REASON_MAX);
        Self {
            code,
            reason: reason[..fits].into(),
        }
    }

    /// The same reason under another code.
    pub(crate) fn with_code(&self, code: CloseCode) -> Self {
        Self {
            code,
            reason: Arc::clone(&self.reason),
        }
    }

    /// The code.
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The frame: unmasked towards a client, masked with `key` towards a backend.
    pub fn encode(&self, key: Option<[u8; 4]>) -> ControlFrame {
        let mut frame = ControlFrame {
            bytes: [0; CONTROL_FRAME_MAX],
            len: 0,
        };
        // At most 125, see `new` and `of`.
        let payload_len = 2 + self.reason.len() as u8;
        frame.push(&[FIN_CLOSE, payload_len | if key.is_some() { MASK } else { 0 }]);
        if let Some(key) = key {
            frame.push(&key);
        }
        let start = usize::from(frame.len);
        frame.push(&self.code.0.to_be_bytes());
        frame.push(self.reason.as_bytes());
        if let Some(key) = key {
            let payload = &mut frame.bytes[start..usize::from(frame.len)];
            for (byte, key) in payload.iter_mut().zip(key.iter().cycle()) {
                *byte ^= key;
            }
        }
        frame
    }
}

/// The bytes of one control frame.
#[derive(Debug, Clone)]
pub struct ControlFrame {
    bytes: [u8; CONTROL_FRAME_MAX],
    len: u8,
}

impl ControlFrame {
    /// The frame as it goes on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    fn push(&mut self, bytes: &[u8]) {
        let start = usize::from(self.len);
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len() as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_for_the_wire_are_accepted() {
        for code in [1000, 1001, 1002, 1003, 1007, 1012, 1013, 1014, 3000, 4999] {
            assert_eq!(CloseCode::new(code).unwrap().get(), code);
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
            assert_eq!(CloseCode::new(code), Err(CloseError::Code(code)));
        }
    }

    #[test]
    fn a_reason_fits_a_control_frame_or_is_refused() {
        let longest = Close::new(CloseCode::GOING_AWAY, "x".repeat(123)).unwrap();
        assert_eq!(longest.encode(None).as_bytes().len(), 127);
        assert_eq!(longest.encode(Some([1; 4])).as_bytes().len(), 131);
        assert_eq!(
            Close::new(CloseCode::GOING_AWAY, "x".repeat(124)),
            Err(CloseError::Reason(124))
        );
        assert_eq!(
            Close::of(CloseCode::GOING_AWAY, &"é".repeat(99)).reason(),
            "é".repeat(61)
        );
    }

    #[test]
    fn the_frames_are_those_of_the_rfc() {
        let close = Close::new(CloseCode::SERVICE_RESTART, "bye").unwrap();
        assert_eq!(close.encode(None).as_bytes(), b"\x88\x05\x03\xf4bye");
        assert_eq!(
            close.encode(Some([1, 2, 3, 4])).as_bytes(),
            [
                0x88,
                0x85,
                1,
                2,
                3,
                4,
                0x03 ^ 1,
                0xf4 ^ 2,
                b'b' ^ 3,
                b'y' ^ 4,
                b'e' ^ 1
            ]
        );
    }
}
