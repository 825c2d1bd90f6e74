//! Heads of answers with the names of their fields as the backend wrote them.

use memchr::memchr;

use crate::framing::Spelling;

/// Room for most heads.
const ROOM: usize = 512;

/// A copy, exactly as long, of the head at the beginning of what hyper writes, with its names as `spelling` has them. An
/// interim answer, or the rest of one, may come before it, and stays as it is.
pub(super) fn head(written: &[u8], spelling: &Spelling) -> Vec<u8> {
    let mut head = Vec::with_capacity(ROOM);
    let mut is_final = false;
    while let Some(end) = memchr(b'\n', &written[head.len()..]) {
        let start = head.len();
        let line = &written[start..=start + end];
        head.extend_from_slice(line);
        if line.starts_with(b"HTTP/1.") {
            is_final = !line[b"HTTP/1.1".len()..].starts_with(b" 100");
        } else if line == b"\r\n" && is_final {
            break;
        } else if let Some(colon) = memchr(b':', line)
            && let Some(name) = spelling.of(&line[..colon])
        {
            head[start..start + colon].copy_from_slice(name);
        }
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::{AnswerTracker, Asked, Bounds};

    #[test]
    fn only_names_in_the_head_are_written_anew() {
        let bounds = Bounds {
            line: 100,
            head: 1000,
            fields: 10,
        };
        let mut tracker = AnswerTracker::new(bounds);
        tracker.ask(Asked {
            head: false,
            upgrade: false,
        });
        let said = b"HTTP/1.1 200 OK\r\nETag: etag: \r\nX-MiXed: \r\ncontent-length: 9\r\n\r\n";
        tracker.read(said).unwrap();
        let spelling = tracker.take_spelling();
        let (before, body) = ("ntinue\r\n\r\n", "HTTP/1.1 200 OK\r\netag: 1\r\n");
        let written = "HTTP/1.1 200 OK\r\netag: etag: \r\nx-mixed: \r\nserver: x\r\n\r\n";
        let head = head(format!("{before}{written}{body}").as_bytes(), &spelling);
        let wanted = "HTTP/1.1 200 OK\r\nETag: etag: \r\nX-MiXed: \r\nserver: x\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&head), format!("{before}{wanted}"));
    }
}
