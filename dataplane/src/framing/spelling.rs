//! How a sender wrote the names of fields. HTTP knows no case, but some of those who speak it do; a map of fields
//! has all names in lower case.

use smallvec::SmallVec;

/// Room for the names of most heads.
const ROOM: usize = 256;

/// The names of a head that are not all in lower case, as they were written.
#[derive(Clone, Debug, Default)]
pub struct Spelling {
    /// One after the other.
    text: Vec<u8>,
    /// Where each ends.
    ends: SmallVec<[u32; 16]>,
}

impl Spelling {
    /// Takes note of a name.
    pub(super) fn see(&mut self, name: &[u8]) {
        if name.iter().any(u8::is_ascii_uppercase) {
            if self.text.is_empty() {
                self.text.reserve(ROOM);
            }
            self.text.extend_from_slice(name);
            // No head is that large.
            self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
        }
    }

    /// Every name is in lower case.
    pub fn is_plain(&self) -> bool {
        self.ends.is_empty()
    }

    /// How `name` was written first, if it was in any other way than this.
    pub fn of(&self, name: &[u8]) -> Option<&[u8]> {
        let mut start = 0;
        self.ends.iter().find_map(|&end| {
            let written = self.text.get(start..end as usize)?;
            start = end as usize;
            written.eq_ignore_ascii_case(name).then_some(written)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_they_were_written_first() {
        let mut spelling = Spelling::default();
        assert!(spelling.is_plain());
        for name in ["host", "X-MiXed", "ETag", "x-Mixed", "accept", "DNT"] {
            spelling.see(name.as_bytes());
        }
        for (name, written) in [
            ("x-mixed", Some("X-MiXed")),
            ("etag", Some("ETag")),
            ("dnt", Some("DNT")),
            ("host", None),
            ("age", None),
        ] {
            let found = spelling.of(name.as_bytes()).map(String::from_utf8_lossy);
            assert_eq!(found.as_deref(), written);
        }
        assert!(!spelling.is_plain());
    }
}
