//! Requests: the rows, and how one is held against what happened.

mod chunks;
mod fields;
mod framing;
mod hop;
mod line;
mod sequence;

use crate::naive::Message;
use crate::proxy::{Proxy, Rule};
use crate::recorder::{Event, Recorder};
use crate::wire::{Client, FENCE, check_fields, status};

/// What a client sends, and what must come of it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Where it comes from.
    pub(crate) source: &'static str,
    send: Vec<u8>,
    /// Sent once the backend has got what of the above it should get.
    then: Vec<u8>,
    /// The client ends its side after that.
    finish: bool,
    seen: Vec<Seen>,
    got: Vec<u16>,
    /// The connection serves another request afterwards.
    kept: bool,
}

/// What a backend must have got.
#[derive(Debug)]
struct Seen {
    line: &'static str,
    /// `None`: it broke off.
    body: Option<Vec<u8>>,
    has: Vec<(&'static str, &'static str)>,
    lacks: Vec<&'static str>,
    /// It asks for a WebSocket, so that it names one.
    upgrade: bool,
}

/// A row that nobody expects anything of yet: it is refused, say what with.
fn row(name: impl Into<String>, source: &'static str, send: impl AsRef<[u8]>) -> Row {
    Row {
        name: name.into(),
        source,
        send: send.as_ref().to_vec(),
        then: Vec::new(),
        finish: false,
        seen: Vec::new(),
        got: Vec::new(),
        kept: false,
    }
}

impl Row {
    /// What tells it from others.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        format!("{:?}", (&self.send, &self.then, self.finish)).into()
    }

    /// Answered by us, and nothing of it reaches a backend; the connection ends.
    fn refused(mut self, code: u16) -> Self {
        self.got.push(code);
        self.kept = false;
        self
    }

    /// Reaches a backend as this request, without a body; answered with 200.
    fn passes(self, line: &'static str) -> Self {
        self.passes_with(line, "")
    }

    /// The same with a body.
    fn passes_with(mut self, line: &'static str, body: impl AsRef<[u8]>) -> Self {
        self.got.push(200);
        self.kept = true;
        self.seen.push(Seen {
            line,
            body: Some(body.as_ref().to_vec()),
            has: Vec::new(),
            lacks: Vec::new(),
            upgrade: false,
        });
        self
    }

    /// The request that passed last has this field, once.
    fn has(mut self, name: &'static str, value: &'static str) -> Self {
        self.seen.last_mut().unwrap().has.push((name, value));
        self
    }

    /// The request that passed last does not have it.
    fn lacks(mut self, name: &'static str) -> Self {
        self.seen.last_mut().unwrap().lacks.push(name);
        self
    }

    /// The connection ends afterwards.
    fn closes(mut self) -> Self {
        self.kept = false;
        self
    }

    /// Reaches the backend as far as `send` goes, then `then` breaks it; answered with 400.
    fn breaks(mut self, line: &'static str, then: impl AsRef<[u8]>) -> Self {
        self.then = then.as_ref().to_vec();
        self.got.push(400);
        self.seen.push(Seen {
            line,
            body: None,
            has: Vec::new(),
            lacks: Vec::new(),
            upgrade: false,
        });
        self
    }
}

const HOST: &str = "Host: test.example\r\n";

/// A GET with complete field lines.
fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\n{HOST}{fields}\r\n")
}

/// A POST with complete field lines and what follows its head.
fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\n{HOST}{fields}\r\n{body}")
}

/// A GET with these bytes as field lines.
fn raw(fields: &[u8]) -> Vec<u8> {
    [b"GET / HTTP/1.1\r\nHost: test.example\r\n", fields, b"\r\n"].concat()
}

/// A request line with Host.
fn line(line: &str) -> String {
    format!("{line}\r\n{HOST}\r\n")
}

/// A chunked POST.
fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

/// All rows.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows = line::rows();
    rows.extend(fields::rows());
    rows.extend(framing::rows());
    rows.extend(chunks::rows());
    rows.extend(hop::rows());
    rows.extend(sequence::rows());
    rows
}

/// A worker with its backend.
pub(crate) struct Lane {
    proxy: Proxy,
    backend: Recorder,
}

impl Lane {
    /// Starts both.
    pub(crate) fn start() -> Self {
        let backend = Recorder::start();
        let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
        Self { proxy, backend }
    }

    /// Holds one row against what happens.
    pub(crate) fn check(&mut self, row: &Row) -> Result<(), String> {
        self.try_row(row)
            .map_err(|why| format!("'{}' ({}): {why}", row.name, row.source))
    }

    fn try_row(&mut self, row: &Row) -> Result<(), String> {
        self.backend.clear();
        let mut client = Client::connect(self.proxy.address);
        client.send(&row.send);
        if !row.then.is_empty() || row.finish {
            let good = row.send.rsplit(|&b| b == b'\n').nth(1).unwrap_or_default();
            let good = [good, b"\n"].concat();
            if !self.backend.part(&good) {
                return Err(format!(
                    "the good part did not reach the backend: {}",
                    good.escape_ascii()
                ));
            }
        }
        client.send(&row.then);
        if row.finish {
            client.finish();
        }
        for code in &row.got {
            let answer = client.answer(row.send.starts_with(b"HEAD "))?;
            if status(&answer) != *code {
                return Err(format!("{} instead of {code}", answer.line));
            }
            if *code != 200
                && (answer.all("holdfast-reason").len() != 1 || answer.all("server") != ["holdfast"])
            {
                return Err(format!("not answered by us: {answer:?}"));
            }
        }
        if row.kept {
            client.send(FENCE.as_bytes());
        } else {
            client.ended()?;
            client = Client::connect(self.proxy.address);
            client.send(FENCE.as_bytes());
        }
        let fence = client.answer(false).map_err(|why| format!("afterwards: {why}"))?;
        if status(&fence) != 200 {
            return Err(format!("afterwards: {}", fence.line));
        }
        let events = self.backend.events(row.seen.len() + 1);
        judge(&row.seen, &events)
    }
}

/// Holds what the backend saw against what it should have; the fence may be anywhere behind the first.
fn judge(expected: &[Seen], events: &[Event]) -> Result<(), String> {
    let is_fence =
        |event: &&Event| matches!(event, Event::Whole(message) if message.line == "GET /fence HTTP/1.1");
    let seen: Vec<&Event> = events.iter().filter(|event| !is_fence(event)).collect();
    if seen.len() != expected.len() || events.len() != seen.len() + 1 {
        return Err(format!("the backend saw {seen:?}"));
    }
    for (event, expected) in seen.into_iter().zip(expected) {
        match (event, &expected.body) {
            (Event::Whole(message), Some(body)) => {
                if message.line != expected.line || message.body != *body {
                    return Err(format!("the backend saw {message:?}"));
                }
                fields(message, expected)?;
            }
            (Event::Broken(bytes), None)
                if bytes.starts_with(expected.line.as_bytes()) && !bytes.ends_with(b"\r\n0\r\n\r\n") => {}
            _ => return Err(format!("the backend saw {event:?}")),
        }
    }
    Ok(())
}

/// Fields that no request may have that was forwarded without an upgrade.
const NEVER: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "trailer",
    "upgrade",
    "http2-settings",
    "content_length",
];

fn fields(message: &Message, expected: &Seen) -> Result<(), String> {
    let framings = message.all("content-length").len() + message.all("transfer-encoding").len();
    if message.all("host").len() != 1 || framings > 1 || (framings == 0 && !message.body.is_empty()) {
        return Err(format!("two readings: {message:?}"));
    }
    if message.all("x-forwarded-for") != ["127.0.0.1"] || message.all("x-real-ip") != ["127.0.0.1"] {
        return Err(format!("who asks: {message:?}"));
    }
    let never = NEVER
        .iter()
        .filter(|name| !(expected.upgrade && ["connection", "upgrade"].contains(name)));
    check_fields(message, never.chain(&expected.lacks), &expected.has)
}
