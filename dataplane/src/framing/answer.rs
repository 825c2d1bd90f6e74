//! The answers of an endpoint, one for each request (RFC 9112 sections 4, 6 and 9.2).

use super::body::Body;
use super::head::{Head, Seen};
use super::octets::is_value;
use super::{Bounds, Fault, Progress, Spelling};

/// Interim answers before the final one, at most.
const MAX_INTERIM: usize = 16;

/// What was asked, as far as the end of the answer depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// By HEAD: the answer has no body, whatever it says.
    pub head: bool,
    /// To switch protocols: a 101 ends HTTP.
    pub upgrade: bool,
}

/// Follows the answers on one connection.
#[derive(Debug)]
pub struct AnswerTracker {
    bounds: Bounds,
    at: At,
    /// Of the final head.
    spelling: Spelling,
}

#[derive(Debug)]
enum At {
    /// Nothing was asked.
    Idle,
    Head(Pending),
    Body(Body),
    /// What comes is no HTTP.
    Switched,
    Lost(Fault),
}

/// An answer's head under way.
#[derive(Debug)]
struct Pending {
    asked: Asked,
    head: Head,
    status: u16,
    interim: usize,
}

impl AnswerTracker {
    /// Before the first request.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            at: At::Idle,
            spelling: Spelling::default(),
        }
    }

    /// A request is on its way. What came before it answers nothing.
    pub fn ask(&mut self, asked: Asked) {
        if let At::Idle = self.at {
            self.at = At::Head(Pending {
                asked,
                head: Head::new(0),
                status: 0,
                interim: 0,
            });
        }
    }

    /// Takes bytes as far as the end of a head, or a part of the body.
    ///
    /// # Errors
    /// The answer can't be read, or nobody asked; nothing more is read, then.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Progress, Fault> {
        self.step(bytes).inspect_err(|fault| self.at = At::Lost(*fault))
    }

    /// How the fields' names of the final head that has just ended were written.
    pub fn take_spelling(&mut self) -> Spelling {
        std::mem::take(&mut self.spelling)
    }

    /// The answer is complete, or nothing was asked yet.
    pub fn is_idle(&self) -> bool {
        matches!(self.at, At::Idle)
    }

    /// Only the connection's end ends the answer.
    pub fn is_endless(&self) -> bool {
        matches!(self.at, At::Body(Body::Endless))
    }

    /// The connection has ended; false if the answer had not, by then.
    pub fn finish(&mut self) -> bool {
        if self.is_endless() {
            self.at = At::Idle;
        }
        self.is_idle()
    }

    /// Bytes of content that are still to come, if the answer says how many.
    pub fn left(&self) -> Option<u64> {
        match self.at {
            At::Idle => Some(0),
            At::Body(Body::Sized(left)) => Some(left),
            _ => None,
        }
    }

    fn step(&mut self, bytes: &[u8]) -> Result<Progress, Fault> {
        let mut taken = 0;
        loop {
            let rest = &bytes[taken..];
            match &mut self.at {
                At::Idle => return Err(Fault::Malformed("bytes that answer nothing")),
                At::Head(pending) => {
                    let status = &mut pending.status;
                    let seen = pending
                        .head
                        .read(rest, &self.bounds, true, |line| status_line(line, status));
                    match seen? {
                        Seen::Nothing => return Ok(Progress::within(bytes.len())),
                        Seen::Line(length) => taken += length,
                        Seen::End(length, declared) => {
                            taken += length;
                            if pending.is_interim()? {
                                return Ok(Progress::interim(taken));
                            }
                            self.spelling = pending.head.take_spelling();
                            let body = match pending.status {
                                101 => {
                                    self.at = At::Switched;
                                    return Ok(Progress::head(taken, false));
                                }
                                204 | 304 => None,
                                _ if pending.asked.head => None,
                                _ => Body::new(declared, true),
                            };
                            let progress = Progress::head(taken, body.is_none());
                            self.at = body.map_or(At::Idle, At::Body);
                            return Ok(progress);
                        }
                    }
                }
                At::Body(body) => {
                    let progress = Progress::body(body.read(bytes)?);
                    if progress.end {
                        self.at = At::Idle;
                    }
                    return Ok(progress);
                }
                At::Switched => return Ok(Progress::within(bytes.len())),
                At::Lost(fault) => return Err(*fault),
            }
        }
    }
}

impl Pending {
    /// Whether the head that was read is followed by another; then that is awaited.
    fn is_interim(&mut self) -> Result<bool, Fault> {
        match self.status {
            101 if self.asked.upgrade => return Ok(false),
            101 => return Err(Fault::Malformed("protocols were switched without being asked")),
            100..200 => {}
            _ => return Ok(false),
        }
        self.interim += 1;
        if self.interim > MAX_INTERIM {
            return Err(Fault::Malformed("there are too many interim answers"));
        }
        // All of them together have the room of one.
        self.head = Head::new(self.head.bytes());
        Ok(true)
    }
}

/// `HTTP/1.x SP code [SP reason]`; many leave the second space out with the reason. Says whether it is of HTTP/1.1.
fn status_line(line: &[u8], status: &mut u16) -> Result<Option<bool>, Fault> {
    let no = Fault::Malformed("the status line must be a version, a code and a reason");
    let (http_11, rest) = match line {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1', b' ', rest @ ..] => (true, rest),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0', b' ', rest @ ..] => (false, rest),
        _ => return Err(no),
    };
    let (code, reason) = rest.split_first_chunk::<3>().ok_or(no)?;
    let digits = code.iter().all(u8::is_ascii_digit) && code[0] != b'0';
    let reason_is_valid = reason.is_empty() || reason[0] == b' ' && is_value(reason);
    if !digits || !reason_is_valid {
        return Err(no);
    }
    *status = code.iter().fold(0, |status, b| status * 10 + u16::from(b - b'0'));
    Ok(Some(http_11))
}
