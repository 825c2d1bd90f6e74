//! The requests of a client, one after the other (RFC 9112 sections 2 to 7).

use memchr::memchr;

use super::body::Body;
use super::head::{Head, Seen};
use super::octets::{is_target, is_token};
use super::{Bounds, Fault, Progress, Spelling};

/// Follows the requests of one connection.
#[derive(Debug)]
pub struct RequestTracker {
    bounds: Bounds,
    at: At,
    /// Of the head that was read last.
    spelling: Spelling,
}

#[derive(Debug)]
enum At {
    Head { head: Head, blank: bool },
    Body(Body),
    End,
    Lost(Fault),
}

impl RequestTracker {
    /// Before the first request.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            at: At::start(),
            spelling: Spelling::default(),
        }
    }

    /// The present request is complete. Nothing is taken before [`RequestTracker::next`].
    pub fn is_complete(&self) -> bool {
        matches!(self.at, At::End)
    }

    /// The present request's head is not complete.
    pub fn is_in_head(&self) -> bool {
        matches!(self.at, At::Head { .. })
    }

    /// Why nothing more is read.
    pub fn fault(&self) -> Option<Fault> {
        match self.at {
            At::Lost(fault) => Some(fault),
            _ => None,
        }
    }

    /// How the fields' names of the head that has just ended were written.
    pub fn take_spelling(&mut self) -> Spelling {
        std::mem::take(&mut self.spelling)
    }

    /// Goes on to the next request. Does nothing within one.
    pub fn next(&mut self) {
        if self.is_complete() {
            self.at = At::start();
        }
    }

    /// Takes bytes as far as the end of the head, or a part of the body.
    ///
    /// # Errors
    /// The request can't be read; nothing more is, then.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Progress, Fault> {
        self.step(bytes).inspect_err(|fault| self.at = At::Lost(*fault))
    }

    fn step(&mut self, bytes: &[u8]) -> Result<Progress, Fault> {
        let mut taken = 0;
        loop {
            match &mut self.at {
                At::Head { head, blank } => {
                    let rest = &bytes[taken..];
                    match head.read(rest, &self.bounds, false, |line| request_line(line, blank))? {
                        Seen::Nothing => return Ok(Progress::within(bytes.len())),
                        Seen::Line(length) => taken += length,
                        Seen::End(length, declared) => {
                            self.spelling = head.take_spelling();
                            let body = Body::new(declared, false);
                            let progress = Progress::head(taken + length, body.is_none());
                            self.at = body.map_or(At::End, At::Body);
                            return Ok(progress);
                        }
                    }
                }
                At::Body(body) => {
                    let progress = Progress::body(body.read(bytes)?);
                    if progress.end {
                        self.at = At::End;
                    }
                    return Ok(progress);
                }
                At::End => return Ok(Progress::within(0)),
                At::Lost(fault) => return Err(*fault),
            }
        }
    }
}

impl At {
    fn start() -> Self {
        Self::Head {
            head: Head::new(0),
            blank: false,
        }
    }
}

/// `method SP target SP HTTP/1.x`, or one blank line before it, which old clients send behind a body (RFC 9112
/// section 2.2). Says whether it is of HTTP/1.1.
fn request_line(line: &[u8], blank: &mut bool) -> Result<Option<bool>, Fault> {
    if line.is_empty() && !std::mem::replace(blank, true) {
        return Ok(None);
    }
    let Some((method, rest)) = cut(line) else {
        return Err(Fault::Malformed(
            "the request line must be a method, a target and a version",
        ));
    };
    if !is_token(method) {
        return Err(Fault::Malformed("the method must be a token"));
    }
    let Some((target, version)) = cut(rest) else {
        return Err(Fault::Malformed(
            "the request line must be a method, a target and a version",
        ));
    };
    if !is_target(target) {
        return Err(Fault::Malformed(
            "the request target must be visible ASCII without a fragment",
        ));
    }
    match version {
        b"HTTP/1.1" => Ok(Some(true)),
        b"HTTP/1.0" => Ok(Some(false)),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Fault::Version)
        }
        _ => Err(Fault::Malformed(
            "the request line must be a method, a target and a version",
        )),
    }
}

/// Cuts at the first space.
fn cut(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = memchr(b' ', line)?;
    Some((&line[..space], &line[space + 1..]))
}
