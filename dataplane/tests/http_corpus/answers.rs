//! Answers: the rows, and how one is held against what happened.

mod body;
mod head;
mod passed;
mod surplus;

use std::time::Duration;

use crate::naive::{self, Message, Read};
use crate::proxy::{Proxy, Rule};
use crate::scripted::{Script, Scripted, Then};
use crate::wire::{Client, End, FENCE, PATIENCE, ROOM, check_fields, status};

/// What a backend says, and what must come of it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Where it comes from.
    pub(crate) source: &'static str,
    ask: &'static str,
    reply: Vec<u8>,
    /// Sent when the client has its answer, or what of it was good.
    late: Vec<u8>,
    then: Then,
    got: Got,
    /// The backend's connection serves another request afterwards.
    pooled: bool,
    /// The client's connection ends afterwards.
    closes: bool,
}

/// What the client must have got.
#[derive(Debug)]
enum Got {
    /// An answer with this status and body.
    Answer(u16, Vec<u8>, Vec<(&'static str, &'static str)>, Vec<&'static str>),
    /// 502 with this reason.
    Refused(&'static str),
    /// The head of an answer, and no clean end.
    Cut(u16),
}

const GET: &str = "GET / HTTP/1.1\r\nHost: test.example\r\n\r\n";
const GET_10: &str = "GET / HTTP/1.0\r\nHost: test.example\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: test.example\r\n\r\n";
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: test.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// A row that nobody expects anything of yet: it is refused.
fn row(name: impl Into<String>, source: &'static str, reply: impl AsRef<[u8]>) -> Row {
    Row {
        name: name.into(),
        source,
        ask: GET,
        reply: reply.as_ref().to_vec(),
        late: Vec::new(),
        then: Then::Keep,
        got: Got::Refused("BadUpstreamResponse"),
        pooled: false,
        closes: false,
    }
}

impl Row {
    /// What tells it from others.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        format!("{:?}", (self.ask, &self.reply, &self.late, self.then)).into()
    }

    /// Answers something else than a GET.
    fn to(mut self, ask: &'static str) -> Self {
        self.ask = ask;
        self
    }

    /// The backend ends the connection behind it.
    fn closed(mut self) -> Self {
        self.then = Then::Close;
        self.pooled = false;
        self
    }

    /// The backend resets the connection behind it.
    fn reset(mut self) -> Self {
        self.then = Then::Reset;
        self.pooled = false;
        self
    }

    /// Reaches the client, and the backend's connection is used again.
    fn passes(mut self, status: u16, body: impl AsRef<[u8]>) -> Self {
        self.got = Got::Answer(status, body.as_ref().to_vec(), Vec::new(), Vec::new());
        self.pooled = self.then == Then::Keep;
        self
    }

    /// The backend's connection is not used again, and is closed by us.
    fn dropped(mut self) -> Self {
        self.pooled = false;
        self
    }

    /// Whatever comes when the client has its answer.
    fn late(mut self, bytes: &str) -> Self {
        self.late = bytes.into();
        self
    }

    /// The client's connection ends.
    fn closes(mut self) -> Self {
        self.closes = true;
        self
    }

    /// The answer has this field, once.
    fn has(mut self, name: &'static str, value: &'static str) -> Self {
        if let Got::Answer(_, _, has, _) = &mut self.got {
            has.push((name, value));
        }
        self
    }

    /// The answer does not have it.
    fn lacks(mut self, name: &'static str) -> Self {
        if let Got::Answer(_, _, _, lacks) = &mut self.got {
            lacks.push(name);
        }
        self
    }

    /// The client sees that it broke off.
    fn cut(mut self, status: u16) -> Self {
        self.got = Got::Cut(status);
        self
    }

    /// Refused for another reason.
    fn refused(mut self, reason: &'static str) -> Self {
        self.got = Got::Refused(reason);
        self
    }
}

/// A 200 with complete field lines, and what follows its head.
fn ok(fields: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n{body}")
}

/// A chunked 200.
fn chunked(body: &str) -> String {
    ok("Transfer-Encoding: chunked\r\n", body)
}

/// All rows.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows = passed::rows();
    rows.extend(head::rows());
    rows.extend(body::rows());
    rows.extend(surplus::rows());
    rows
}

/// A worker with its backend.
pub(crate) struct Lane {
    proxy: Proxy,
    backend: Scripted,
}

impl Lane {
    /// Starts both.
    pub(crate) fn start() -> Self {
        let backend = Scripted::start();
        let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
        Self { proxy, backend }
    }

    /// Holds one row against what happens.
    pub(crate) fn check(&mut self, row: &Row) -> Result<(), String> {
        self.try_row(row)
            .map_err(|why| format!("'{}' ({}): {why}", row.name, row.source))
    }

    fn try_row(&mut self, row: &Row) -> Result<(), String> {
        self.backend.play(Script {
            reply: row.reply.clone(),
            then: row.then,
        });
        let mut client = Client::connect(self.proxy.address);
        client.send(row.ask.as_bytes());
        let open = match &row.got {
            Got::Answer(code, body, has, lacks) => {
                let answer = client.answer(row.ask == HEAD)?;
                if status(&answer) != *code || answer.body != *body {
                    return Err(format!("{answer:?}"));
                }
                fields(&answer, has, lacks)?;
                true
            }
            Got::Refused(reason) => {
                let answer = client.answer(row.ask == HEAD)?;
                if status(&answer) != 502 || answer.all("holdfast-reason") != [*reason] {
                    return Err(format!("{answer:?}"));
                }
                true
            }
            Got::Cut(code) => {
                if !row.late.is_empty() {
                    self.backend.ran();
                    client.part(b"half\r\n")?;
                    self.backend.send_late(&row.late);
                }
                let (bytes, end) = client.rest();
                cut(&bytes, end, *code)?;
                false
            }
        };
        let ran = self.backend.ran().ok_or("the backend was not asked")?;
        if open && !row.late.is_empty() {
            self.backend.send_late(&row.late);
        }
        if !row.pooled && !self.backend.has_ended(ran, PATIENCE) {
            return Err("the backend's connection stays".to_owned());
        }
        if row.closes {
            client.ended()?;
        }
        if !open || row.closes {
            client = Client::connect(self.proxy.address);
        }
        client.send(FENCE.as_bytes());
        let fence = client.answer(false).map_err(|why| format!("afterwards: {why}"))?;
        let number: usize = String::from_utf8_lossy(&fence.body)
            .parse()
            .map_err(|_| format!("afterwards: {fence:?}"))?;
        if (number == ran) != row.pooled {
            return Err(format!(
                "the next request came on connection {number}, this one on {ran}"
            ));
        }
        if row.pooled && self.backend.has_ended(ran, Duration::ZERO) {
            return Err("the backend's connection has ended".to_owned());
        }
        Ok(())
    }
}

fn fields(answer: &Message, has: &[(&str, &str)], lacks: &[&str]) -> Result<(), String> {
    let framings = answer.all("content-length").len() + answer.all("transfer-encoding").len();
    if framings > 1 || answer.all("server").len() != 1 || answer.all("date").len() != 1 {
        return Err(format!("two readings: {answer:?}"));
    }
    let never = ["keep-alive", "http2-settings", "trailer", "te"];
    check_fields(answer, never.iter().chain(lacks), has)
}

/// What a client got of an answer that broke off.
fn cut(bytes: &[u8], end: End, code: u16) -> Result<(), String> {
    let text = bytes.escape_ascii();
    // Of a body that only the connection's end tells, nothing but a reset does.
    if end == End::Reset || bytes.is_empty() && end == End::Fin {
        return Ok(());
    }
    let framed = matches!(
        naive::answer(&[bytes, b"0\r\n\r\n", &[b'x'; 2000]].concat(), ROOM, false),
        Read::Whole(_) | Read::Bad(_)
    );
    let begun = String::from_utf8_lossy(bytes).contains(&format!(" {code} "));
    match naive::answer(bytes, ROOM, false) {
        Read::Part if framed && begun && end == End::Fin => Ok(()),
        read => Err(format!("{end:?} after {read:?} '{text}'")),
    }
}
