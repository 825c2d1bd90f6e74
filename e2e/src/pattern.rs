//! The payload of test messages: a block of 251 (prime) bytes repeated, which a shift by any power of two
//! spoils. The foreign peers make the same one (`peers/pattern.py`, `peers/pattern.cjs`).

/// Text or binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text message; its payload is ASCII.
    Text,
    /// A binary message.
    Binary,
}

impl Kind {
    /// Its name in the foreign peers' protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Binary => "binary",
        }
    }
}

/// A message of the pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Text or binary.
    pub kind: Kind,
    /// Payload bytes.
    pub size: usize,
    /// Makes messages differ.
    pub seed: u8,
    /// Into how many frames the sender cuts it.
    pub fragments: usize,
}

impl Pattern {
    /// A binary message in one frame.
    pub fn binary(size: usize) -> Self {
        Self {
            kind: Kind::Binary,
            size,
            seed: 3,
            fragments: 1,
        }
    }

    /// A text message in one frame.
    pub fn text(size: usize) -> Self {
        Self {
            kind: Kind::Text,
            size,
            seed: 5,
            fragments: 1,
        }
    }

    /// The same, cut into fragments.
    #[must_use]
    pub fn fragments(self, fragments: usize) -> Self {
        Self { fragments, ..self }
    }

    /// The payload.
    pub fn payload(&self) -> Vec<u8> {
        let seed = usize::from(self.seed);
        let block: Vec<u8> = (0..251)
            .map(|i| match self.kind {
                Kind::Text => b'a' + ((seed + 7 * i + i / 26) % 26) as u8,
                Kind::Binary => ((seed + 7 * i) % 256) as u8,
            })
            .collect();
        let mut payload = block.repeat(self.size / 251 + 1);
        payload.truncate(self.size);
        payload
    }

    /// The payload in `fragments` nearly equal parts, some of which may be empty.
    pub fn parts(&self) -> Vec<Vec<u8>> {
        let payload = self.payload();
        let cut = |i: usize| payload.len() * i / self.fragments;
        (0..self.fragments)
            .map(|i| payload[cut(i)..cut(i + 1)].to_vec())
            .collect()
    }
}
