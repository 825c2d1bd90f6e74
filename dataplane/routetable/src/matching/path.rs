//! Paths as routing compares them.
//!
//! A request's path goes to the backend verbatim; routes are matched on its normal form:
//! - percent-encoded unreserved characters are decoded (RFC 3986 section 6.2.2.2), so `%2e` is a
//!   dot; every other escape stays, with its digits in upper case. `%2f`, `%00`, `%0d%0a` and
//!   `%25` are therefore never decoded, and nothing is decoded twice;
//! - bytes outside of ASCII are percent-encoded, so `/café` and `/caf%C3%A9` are one path, and a `%`
//!   that starts no escape is `%25`;
//! - repeated slashes count as one, then dot segments are removed (RFC 3986 section 5.2.4).
//!   Merging goes beyond the RFC, as in nginx: otherwise `//admin` would walk around a rule for
//!   `/admin` towards a backend that merges them.
//!
//! Because the backend gets the path verbatim, `..` can lead it elsewhere than the match:
//! [`Index::is_ambiguous`](super::Index::is_ambiguous) finds such paths, and the data plane
//! refuses them.

use std::borrow::Cow;

use crate::model::PathMatch;

/// The normal form of a path. Borrows when the path has it already. What does not start with `/`
/// (such as the `*` of OPTIONS) is left alone; nothing at all is `/`.
pub fn normalize(path: &str) -> Cow<'_, str> {
    if path.is_empty() {
        return Cow::Borrowed("/");
    }
    if !path.starts_with('/') || is_normal(path.as_bytes()) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(resolve(&canonical_escapes(path), true).0)
}

/// Whether dot segments climb above the root under any reading of the path: a path that no prefix
/// holds. The data plane refuses it.
pub fn escapes(path: &str) -> bool {
    match readings(path) {
        Some(readings) => readings.climbs,
        None => false,
    }
}

/// What others might make of a path that has `..` in it.
pub(crate) struct Readings {
    /// Paths in normal form but for dot segments in the first.
    pub(crate) paths: [String; 3],
    /// One of them climbs above the root.
    pub(crate) climbs: bool,
}

/// The readings of a path beside its normal form; `None` when it has no `..` segment under any.
///
/// They are: dots taken as plain names; dots removed before slashes are merged (`/a//../b` is
/// `/a/b`); and the loosest that servers are known for: `\`, `%5c` and `%2f` separate segments, and
/// a segment's `;parameters` do not count.
pub(crate) fn readings(path: &str) -> Option<Readings> {
    if !["..", "%2e", "%2E"].iter().any(|dots| path.contains(dots)) {
        return None;
    }
    let escaped = canonical_escapes(path);
    let loose = loosen(&escaped);
    if !loose.split('/').any(|segment| segment == "..") {
        return None;
    }
    let literal = merge_slashes(&escaped);
    let (strict, strict_climbs) = resolve(&escaped, false);
    let (_, climbs) = resolve(&escaped, true);
    let (loose, loose_climbs) = resolve(&loose, true);
    Some(Readings {
        paths: [literal, merge_slashes(&strict), loose],
        climbs: climbs || strict_climbs || loose_climbs,
    })
}

impl PathMatch {
    /// Whether the condition takes `path`, which must be [normalised](normalize). A regular
    /// expression takes nothing here: it is compiled beforehand.
    pub(crate) fn takes(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == path,
            // Where the prefix would end is looked at first: it mostly settles the matter, and
            // the prefix's text need not be fetched.
            Self::Prefix(prefix) => {
                let ends = path.len() == prefix.len() || path.as_bytes().get(prefix.len()) == Some(&b'/');
                ends && path.starts_with(prefix.as_str())
            }
            Self::Regex(_) => false,
        }
    }
}

/// True for a path that [`normalize`] would not change.
fn is_normal(path: &[u8]) -> bool {
    let mut segment = 0;
    let mut at = 1;
    loop {
        match path.get(at) {
            None | Some(b'/') => {
                let name = &path[segment + 1..at];
                if name == b"." || name == b".." || (name.is_empty() && at < path.len()) {
                    return false;
                }
                if at >= path.len() {
                    return true;
                }
                segment = at;
            }
            Some(b'%') => match escape(&path[at..]) {
                Some(byte) if is_unreserved(byte) => return false,
                Some(_) if path[at + 1..at + 3].iter().any(u8::is_ascii_lowercase) => return false,
                Some(_) => {}
                None => return false,
            },
            Some(byte) if !byte.is_ascii() => return false,
            Some(_) => {}
        }
        at += 1;
    }
}

/// Decodes escaped unreserved characters, writes the other escapes in upper case, and escapes what
/// is not ASCII and a `%` that starts no escape.
fn canonical_escapes(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut out = String::with_capacity(bytes.len() + 8);
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match escape(&bytes[at..]) {
            Some(decoded) => {
                if is_unreserved(decoded) {
                    out.push(char::from(decoded));
                } else {
                    push_escape(&mut out, decoded);
                }
                at += 3;
                continue;
            }
            None if byte.is_ascii() && byte != b'%' => out.push(char::from(byte)),
            None => push_escape(&mut out, byte),
        }
        at += 1;
    }
    out
}

/// The byte that `bytes` starts with an escape of.
pub(crate) fn escape(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [b'%', high, low, ..] => {
            let digit = |b: u8| char::from(b).to_digit(16);
            Some((digit(*high)? * 16 + digit(*low)?) as u8)
        }
        _ => None,
    }
}

fn push_escape(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Removes dot segments; the flag tells whether they climb above the root. With `merge`, empty
/// segments are dropped first.
fn resolve(path: &str, merge: bool) -> (String, bool) {
    let mut kept: Vec<&str> = Vec::new();
    let mut climbs = false;
    let mut open = false;
    for segment in path.split('/').skip(1) {
        open = matches!(segment, "" | "." | "..");
        match segment {
            "." => {}
            ".." => climbs |= kept.pop().is_none(),
            "" if merge => {}
            name => kept.push(name),
        }
    }
    // An empty last segment was pushed unmerged; it is the trailing slash itself.
    if open && kept.last() == Some(&"") {
        kept.pop();
    }
    let mut out = String::with_capacity(path.len());
    for segment in &kept {
        out.push('/');
        out.push_str(segment);
    }
    if open || out.is_empty() {
        out.push('/');
    }
    (out, climbs)
}

fn merge_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}

/// Other separators become `/`, and parameters of segments go.
fn loosen(escaped: &str) -> String {
    let slashes = escaped.replace('\\', "/").replace("%5C", "/").replace("%2F", "/");
    let names: Vec<&str> = slashes
        .split('/')
        .map(|segment| segment.split(';').next().unwrap_or(segment))
        .collect();
    names.join("/")
}

#[cfg(test)]
mod tests;
