//! Field lines, and what those of them that frame a body say together (RFC 9112 section 6).

use memchr::memchr;

use super::Fault;
use super::octets::{is_token, is_value, trim};

/// Digits of the largest length or chunk size that is read; it fits 63 bits either way.
const MAX_DIGITS: usize = 18;

/// A name and its value without whitespace around it.
pub(super) fn split(line: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    if let [b' ' | b'\t', ..] = line {
        return Err(Fault::Malformed(
            "a field must not be folded, nor begin with whitespace",
        ));
    }
    let Some(colon) = memchr(b':', line) else {
        return Err(Fault::Malformed("a field must have a colon"));
    };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !is_token(name) {
        return Err(Fault::Malformed(
            "a field's name must be a token, right before its colon",
        ));
    }
    if !is_value(value) {
        return Err(Fault::Malformed(
            "a field's value must not hold control characters",
        ));
    }
    Ok((name, trim(value)))
}

/// What the fields of a head say about its body.
#[derive(Debug, Default)]
pub(super) struct Framing {
    length: Option<u64>,
    coding: Option<Coding>,
}

/// The transfer codings so far, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Chunked,
    Other,
    OtherThenChunked,
}

/// What a head says about its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Declared {
    Nothing,
    Length(u64),
    Chunked,
}

impl Framing {
    /// Takes note of a field. A length may be repeated only where `repeats` allows it, and only as the same.
    pub(super) fn see(&mut self, name: &[u8], value: &[u8], repeats: bool) -> Result<(), Fault> {
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => self.see_length(value, repeats),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.see_coding(value),
            _ => Ok(()),
        }
    }

    fn see_length(&mut self, value: &[u8], repeats: bool) -> Result<(), Fault> {
        for part in value.split(|&b| b == b',') {
            let Some(length) = number(trim(part)) else {
                return Err(Fault::Malformed("`Content-Length` must be a number"));
            };
            if self
                .length
                .replace(length)
                .is_some_and(|earlier| !repeats || earlier != length)
            {
                return Err(Fault::Malformed("`Content-Length` must be sent once"));
            }
        }
        Ok(())
    }

    fn see_coding(&mut self, value: &[u8]) -> Result<(), Fault> {
        for part in value.split(|&b| b == b',') {
            let coding = trim(part);
            if !is_token(coding) {
                return Err(Fault::Malformed("`Transfer-Encoding` must be 'chunked'"));
            }
            let chunked = coding.eq_ignore_ascii_case(b"chunked");
            self.coding = Some(match (self.coding, chunked) {
                (None, true) => Coding::Chunked,
                (None | Some(Coding::Other), false) => Coding::Other,
                (Some(Coding::Other), true) => Coding::OtherThenChunked,
                (Some(Coding::Chunked | Coding::OtherThenChunked), _) => {
                    return Err(Fault::Malformed(
                        "`chunked` must be the last transfer coding, and come once",
                    ));
                }
            });
        }
        Ok(())
    }

    /// What they say together.
    pub(super) fn declared(&self, http_11: bool) -> Result<Declared, Fault> {
        let Some(coding) = self.coding else {
            return Ok(self.length.map_or(Declared::Nothing, Declared::Length));
        };
        if self.length.is_some() {
            return Err(Fault::Malformed(
                "`Content-Length` must not come with `Transfer-Encoding`",
            ));
        }
        if !http_11 {
            return Err(Fault::Malformed("`Transfer-Encoding` needs HTTP/1.1"));
        }
        match coding {
            Coding::Chunked => Ok(Declared::Chunked),
            // RFC 9112 section 6.3: where such a message ends nobody can tell.
            Coding::Other => Err(Fault::Malformed("the last transfer coding must be 'chunked'")),
            Coding::OtherThenChunked => Err(Fault::Coding),
        }
    }
}

/// A decimal number.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > MAX_DIGITS {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, b| {
        b.is_ascii_digit().then(|| number * 10 + u64::from(b - b'0'))
    })
}
