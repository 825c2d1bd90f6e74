//! One frame header: its layout, its length, and whether it is allowed.
//!
//! Owns the rules of RFC 6455 sections 5.2, 5.4 and 5.5 for a single header; keeps no state.

/// The longest frame header: two bytes, a 64-bit length and a masking key.
pub(super) const HEADER_MAX: usize = 14;
/// The longest payload of a control frame.
pub(crate) const CONTROL_MAX: u8 = 125;
pub(super) const FIN: u8 = 0x80;
pub(super) const OPCODE: u8 = 0x0f;
pub(super) const CONTROL: u8 = 0x08;
pub(super) const CLOSE: u8 = 0x08;
const RESERVED: u8 = 0x70;
const MASK: u8 = 0x80;

/// A frame that RFC 6455 forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Violation {
    /// A reserved bit is set and no extension was negotiated.
    #[error("reserved bits must be zero")]
    ReservedBits,
    /// The opcode is one of 3–7 or 11–15.
    #[error("unknown opcode")]
    Opcode,
    /// A control frame has no FIN bit.
    #[error("control frames must not be fragmented")]
    FragmentedControl,
    /// A control frame's payload is longer than 125 bytes.
    #[error("control frames must not exceed 125 bytes")]
    LongControl,
    /// A continuation frame outside a message.
    #[error("continuation without a message")]
    StrayContinuation,
    /// A text or binary frame inside a fragmented message.
    #[error("a new message within a message")]
    MessageWithinMessage,
    /// A client's frame is not masked.
    #[error("client frames must be masked")]
    Unmasked,
    /// A server's frame is masked.
    #[error("server frames must not be masked")]
    Masked,
    /// The top bit of a 64-bit length is set.
    #[error("length must fit 63 bits")]
    Length,
}

/// What decides whether a header is allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// The sender is the client.
    pub(super) masked: bool,
    /// Some were negotiated.
    pub(super) extensions: bool,
    /// A fragmented message is open.
    pub(super) in_message: bool,
}

/// A header as far as it could be read.
pub(super) enum Header {
    Cut,
    Whole { used: usize, payload: u64 },
}

/// Judges as much of a header as there is, which is at least a byte.
#[inline]
pub(super) fn parse(bytes: &[u8], rules: Rules) -> Result<Header, Violation> {
    let first = bytes[0];
    judge_first(first, rules)?;
    let Some(&second) = bytes.get(1) else {
        return Ok(Header::Cut);
    };
    if (second & MASK != 0) != rules.masked {
        return Err(if rules.masked {
            Violation::Unmasked
        } else {
            Violation::Masked
        });
    }
    let short = second & !MASK;
    if first & CONTROL != 0 && short > CONTROL_MAX {
        return Err(Violation::LongControl);
    }
    let (length_end, payload) = match short {
        126 => match bytes.get(2..4) {
            Some(&[a, b]) => (4, u64::from(u16::from_be_bytes([a, b]))),
            _ => return Ok(Header::Cut),
        },
        127 => {
            if bytes.get(2).is_some_and(|top| top & 0x80 != 0) {
                return Err(Violation::Length);
            }
            match bytes.get(2..10) {
                Some(&[a, b, c, d, e, f, g, h]) => (10, u64::from_be_bytes([a, b, c, d, e, f, g, h])),
                _ => return Ok(Header::Cut),
            }
        }
        _ => (2, u64::from(short)),
    };
    let used = length_end + if rules.masked { 4 } else { 0 };
    if bytes.len() < used {
        return Ok(Header::Cut);
    }
    Ok(Header::Whole { used, payload })
}

#[inline]
fn judge_first(first: u8, rules: Rules) -> Result<(), Violation> {
    if first & RESERVED != 0 && !rules.extensions {
        return Err(Violation::ReservedBits);
    }
    match first & OPCODE {
        0 if rules.in_message => Ok(()),
        0 => Err(Violation::StrayContinuation),
        1 | 2 if rules.in_message => Err(Violation::MessageWithinMessage),
        1 | 2 => Ok(()),
        8..=10 if first & FIN == 0 => Err(Violation::FragmentedControl),
        8..=10 => Ok(()),
        _ => Err(Violation::Opcode),
    }
}
