//! WebSocket frames by hand (RFC 6455 section 5.2), for peers that must be able to send anything.

/// Opcode of a continuation frame.
pub const CONTINUATION: u8 = 0x0;
/// Opcode of a text frame.
pub const TEXT: u8 = 0x1;
/// Opcode of a binary frame.
pub const BINARY: u8 = 0x2;
/// Opcode of a Close frame.
pub const CLOSE: u8 = 0x8;
/// Opcode of a Ping.
pub const PING: u8 = 0x9;
/// Opcode of a Pong.
pub const PONG: u8 = 0xA;

/// One frame, its payload not masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The last of its message.
    pub fin: bool,
    /// The three reserved bits.
    pub rsv: u8,
    /// What it is.
    pub opcode: u8,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame that is a whole message.
    pub fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            fin: true,
            rsv: 0,
            opcode,
            payload: payload.into(),
        }
    }

    /// A text message.
    pub fn text(text: &str) -> Self {
        Self::new(TEXT, text)
    }

    /// A Close frame.
    pub fn close(code: u16, reason: &str) -> Self {
        Self::new(CLOSE, [&code.to_be_bytes(), reason.as_bytes()].concat())
    }

    /// Code and reason, if it is a Close frame that has them.
    pub fn close_code(&self) -> Option<(u16, String)> {
        let (code, reason) = self.payload.split_first_chunk()?;
        let reason = String::from_utf8_lossy(reason).into_owned();
        (self.opcode == CLOSE).then(|| (u16::from_be_bytes(*code), reason))
    }

    /// Its bytes on the wire; a client's frames must have a mask.
    pub fn bytes(&self, mask: Option<[u8; 4]>) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.fin) << 7 | self.rsv << 4 | self.opcode];
        let masked = u8::from(mask.is_some()) << 7;
        match self.payload.len() {
            len @ ..126 => bytes.push(masked | len as u8),
            len @ 126..=0xFFFF => {
                bytes.push(masked | 126);
                bytes.extend((len as u16).to_be_bytes());
            }
            len => {
                bytes.push(masked | 127);
                bytes.extend((len as u64).to_be_bytes());
            }
        }
        bytes.extend(mask.iter().flatten());
        let start = bytes.len();
        bytes.extend(&self.payload);
        if let Some(mask) = mask {
            xor(&mut bytes[start..], mask);
        }
        bytes
    }

    /// Takes the first frame off `bytes`, if it is whole: the frame, whether it was masked, and its length.
    pub fn parse(bytes: &[u8]) -> Option<(Self, bool, usize)> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        let (len, rest) = match second & 0x7F {
            126 => rest
                .split_first_chunk()
                .map(|(len, rest)| (u64::from(u16::from_be_bytes(*len)), rest))?,
            127 => rest
                .split_first_chunk()
                .map(|(len, rest)| (u64::from_be_bytes(*len), rest))?,
            len => (u64::from(len), rest),
        };
        let masked = second & 0x80 != 0;
        let (mask, rest) = if masked {
            rest.split_first_chunk()?
        } else {
            (&[0; 4], rest)
        };
        let len = usize::try_from(len).ok()?;
        let mut payload = rest.get(..len)?.to_vec();
        xor(&mut payload, *mask);
        let frame = Self {
            fin: first & 0x80 != 0,
            rsv: first >> 4 & 7,
            opcode: first & 0xF,
            payload,
        };
        Some((frame, masked, bytes.len() - rest.len() + len))
    }
}

/// Masks or unmasks a payload.
pub fn xor(payload: &mut [u8], mask: [u8; 4]) {
    for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}
