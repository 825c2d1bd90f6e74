//! Which octets may stand where (RFC 9110 sections 5.5 and 5.6.2, RFC 9112 section 3).
//!
//! Long texts are looked at to their end even if they are wrong at their beginning: a loop without an exit is one
//! that the compiler turns into a few wide instructions.

const TOKEN: [bool; 256] = {
    let mut class = [false; 256];
    let mut octet = 0;
    while octet < 256 {
        class[octet] = (octet as u8).is_ascii_alphanumeric();
        octet += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < others.len() {
        class[others[at] as usize] = true;
        at += 1;
    }
    class
};

/// A method, a field name or a transfer coding: not empty, and of token octets only.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| TOKEN[usize::from(b)])
}

/// A field value, a chunk extension or a reason phrase: no control but a tab.
pub(super) fn is_value(bytes: &[u8]) -> bool {
    !bytes
        .iter()
        .fold(false, |bad, &b| bad | (b < b' ') & (b != b'\t') | (b == 0x7f))
}

/// A request target: visible ASCII. Without a fragment, which never travels: who cuts it off and who does not
/// route by different paths.
pub fn is_target(bytes: &[u8]) -> bool {
    let wrong = bytes
        .iter()
        .fold(false, |bad, &b| bad | (b <= b' ') | (b >= 0x7f) | (b == b'#'));
    !bytes.is_empty() && !wrong
}

/// Without the optional whitespace around it.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
