//! A client's socket: sends bytes, reads answers by the naive reading.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::naive::{self, Message, Read, Room};

/// Longest wait for anything that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What is always enough.
pub(crate) const ROOM: Room = Room {
    line: 1 << 20,
    head: 1 << 20,
    fields: 1000,
};

/// Sent after a row, to see what still works.
pub(crate) const FENCE: &str = "GET /fence HTTP/1.1\r\nHost: test.example\r\n\r\n";

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Fin,
    Reset,
    /// It did not, in time.
    Not,
}

/// A client.
pub(crate) struct Client {
    stream: TcpStream,
    ahead: Vec<u8>,
}

impl Client {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            ahead: Vec::new(),
        }
    }

    /// Sends bytes; a peer that has heard enough may be gone.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Ends our side.
    pub(crate) fn finish(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads an answer.
    pub(crate) fn answer(&mut self, to_head: bool) -> Result<Message, String> {
        loop {
            match naive::answer(&self.ahead, ROOM, to_head) {
                Read::Whole(message) => {
                    self.ahead.drain(..message.whole);
                    return Ok(message);
                }
                Read::Bad(why) => return Err(format!("an answer that is none ({why}): {}", self.text())),
                Read::Part => {}
            }
            if let Some(end) = self.more() {
                return Err(format!("no whole answer, {end:?} after '{}'", self.text()));
            }
        }
    }

    /// Reads until what has come ends in `bytes`.
    pub(crate) fn part(&mut self, bytes: &[u8]) -> Result<(), String> {
        while !self.ahead.ends_with(bytes) {
            if let Some(end) = self.more() {
                return Err(format!("{end:?} after '{}'", self.text()));
            }
        }
        Ok(())
    }

    /// Reads to the end.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, End) {
        loop {
            if let Some(end) = self.more() {
                return (std::mem::take(&mut self.ahead), end);
            }
        }
    }

    /// Waits for the end, before which nothing may come.
    pub(crate) fn ended(&mut self) -> Result<(), String> {
        let (rest, end) = self.rest();
        if !rest.is_empty() || end == End::Not {
            return Err(format!("afterwards {end:?} and '{}'", rest.escape_ascii()));
        }
        Ok(())
    }

    fn more(&mut self) -> Option<End> {
        let mut chunk = [0; 64 << 10];
        match self.stream.read(&mut chunk) {
            Ok(0) => Some(End::Fin),
            Ok(n) => {
                self.ahead.extend_from_slice(&chunk[..n]);
                None
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(End::Not),
            Err(_) => Some(End::Reset),
        }
    }

    fn text(&self) -> String {
        self.ahead.escape_ascii().to_string()
    }
}

/// The status code of an answer.
pub(crate) fn status(answer: &Message) -> u16 {
    answer.line[9..12].parse().unwrap()
}

/// Holds a message against fields that it must not have, and those that it must have once and like this.
pub(crate) fn check_fields(
    message: &Message,
    lacks: impl IntoIterator<Item = impl AsRef<str>>,
    has: &[(&str, &str)],
) -> Result<(), String> {
    for name in lacks {
        let name = name.as_ref();
        if !message.all(name).is_empty() {
            return Err(format!("has {name}: {message:?}"));
        }
    }
    for (name, value) in has {
        if message.all(name) != [*value] {
            return Err(format!("{name} is not '{value}': {message:?}"));
        }
    }
    Ok(())
}
