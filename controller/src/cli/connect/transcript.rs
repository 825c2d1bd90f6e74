//! What `connect` prints: one line for each thing that happened, nothing in it that a terminal obeys.

use std::io::{self, Write};
use std::time::Duration;

/// Characters of one value that are shown.
const SHOWN: usize = 2000;

/// Bytes of a refusal's body that are shown.
const BODY_SHOWN: usize = 2048;

/// A line: `*` what we did, `>` what was sent, `<` what came, `!` what is wrong.
pub(super) fn line(mark: char, text: &str) {
    // Nobody is left to tell when stdout is gone.
    let _ = writeln!(io::stdout(), "{mark} {}", printable(text));
}

/// The body of a refusal, or its beginning.
pub(super) fn body(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (shown, left) = text.split_at(text.floor_char_boundary(BODY_SHOWN));
    for part in shown.lines() {
        let _ = writeln!(io::stdout(), "{}", printable(part));
    }
    if !left.is_empty() {
        let _ = writeln!(io::stdout(), "… (longer than {BODY_SHOWN} bytes)");
    }
}

/// `text` with control characters spelled out, cut where it gets long.
pub(super) fn printable(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN)
        .flat_map(|c| {
            let escape = c.is_control() && c != '\t';
            let plain = (!escape).then_some(c);
            escape
                .then(|| c.escape_default())
                .into_iter()
                .flatten()
                .chain(plain)
        })
        .collect();
    let left = text.chars().count().saturating_sub(SHOWN);
    if left > 0 {
        shown.push_str(&format!("… ({left} more)"));
    }
    shown
}

/// Milliseconds with enough digits to compare.
pub(super) fn milliseconds(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_cannot_speak_to_the_terminal() {
        assert_eq!(printable("grüße\t"), "grüße\t");
        assert_eq!(printable("\u{1b}[2J\r\u{9b}"), "\\u{1b}[2J\\r\\u{9b}");
        let long = "x".repeat(SHOWN + 7);
        assert!(printable(&long).ends_with("x… (7 more)"));
    }
}
