//! After the 101: a ping, the message and its echo, the Close both ways.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::tls::Stream;
use super::transcript::{line, milliseconds};
use super::{Args, finding};
use crate::cli::Exit;

/// Rounds that get a line each.
const ROUNDS_SHOWN: u32 = 10;

/// Reads the value of `--close`.
pub(super) fn close_code(text: &str) -> Result<u16, String> {
    let code = text
        .parse()
        .ok()
        .filter(|code| CloseCode::from(*code).is_allowed());
    code.ok_or_else(|| "must be 1000 to 1014 (not 1004, 1005, 1006), or 3000 to 4999".into())
}

/// An open WebSocket.
pub(super) struct Session {
    socket: WebSocketStream<Stream>,
    limit: Duration,
}

/// Why a wait ended without what it waited for.
enum Missed {
    Late,
    /// The peer sent a Close, which is answered.
    Closed,
    Broken(String),
}

impl Session {
    /// Takes the stream over, with what the peer sent along with its 101.
    pub(super) async fn new(stream: Stream, early: Vec<u8>, limit: Duration) -> Self {
        Self {
            socket: WebSocketStream::from_partially_read(stream, early, Role::Client, None).await,
            limit,
        }
    }

    pub(super) async fn run(mut self, args: &Args) -> anyhow::Result<Exit> {
        let mut times = Vec::new();
        let pings = if args.message.is_some() { 1 } else { args.count };
        for round in 0..pings {
            match self.ping(round).await {
                Ok(took) => times.push(took),
                Err(missed) => return Ok(self.missed("Pong", missed)),
            }
        }
        if let Some(message) = &args.message {
            times.clear();
            for round in 0..args.count {
                match self.echo(message, round).await {
                    Ok(took) => times.push(took),
                    Err(missed) => return Ok(self.missed("echo of the message", missed)),
                }
            }
        }
        summary(&mut times);
        Ok(self.close(args.close).await)
    }

    async fn ping(&mut self, round: u32) -> Result<Duration, Missed> {
        let payload = Bytes::copy_from_slice(&round.to_be_bytes());
        let sent = Instant::now();
        self.send(Message::Ping(payload.clone())).await?;
        self.until(
            sent,
            |message| matches!(message, Message::Pong(answer) if *answer == payload),
        )
        .await?;
        let took = sent.elapsed();
        if round < ROUNDS_SHOWN {
            line('*', &format!("ping answered in {}", milliseconds(took)));
        }
        Ok(took)
    }

    async fn echo(&mut self, text: &str, round: u32) -> Result<Duration, Missed> {
        if round < ROUNDS_SHOWN {
            line('>', text);
        }
        let sent = Instant::now();
        self.send(Message::text(text)).await?;
        self.until(
            sent,
            |message| matches!(message, Message::Text(echo) if echo.as_str() == text),
        )
        .await?;
        let took = sent.elapsed();
        if round < ROUNDS_SHOWN {
            line('<', text);
            line('*', &format!("echoed in {}", milliseconds(took)));
        }
        Ok(took)
    }

    async fn send(&mut self, message: Message) -> Result<(), Missed> {
        match timeout_at(Instant::now() + self.limit, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            // What the peer sent before it stopped reading is worth more than the broken pipe.
            Ok(Err(_)) => Ok(()),
            Err(_) => Err(Missed::Late),
        }
    }

    /// Waits for the message that is `wanted`; shows any other.
    async fn until(&mut self, since: Instant, wanted: impl Fn(&Message) -> bool) -> Result<(), Missed> {
        loop {
            let message = match timeout_at(since + self.limit, self.socket.next()).await {
                Err(_) => return Err(Missed::Late),
                Ok(None | Some(Err(Error::ConnectionClosed | Error::AlreadyClosed))) => {
                    return Err(Missed::Closed);
                }
                Ok(Some(Err(error))) => return Err(Missed::Broken(error.to_string())),
                Ok(Some(Ok(message))) => message,
            };
            match &message {
                Message::Close(frame) => {
                    line('<', &describe(frame.as_ref()));
                    if wanted(&message) {
                        return Ok(());
                    }
                }
                message if wanted(message) => return Ok(()),
                Message::Text(text) => line('<', text.as_str()),
                Message::Binary(bytes) => line('<', &format!("({} bytes of binary)", bytes.len())),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    fn missed(&self, what: &str, missed: Missed) -> Exit {
        match missed {
            Missed::Late => finding(&format!("no {what} within {:?}", self.limit)),
            Missed::Closed => finding(&format!("the session ended before the {what}")),
            Missed::Broken(how) => finding(&format!("the session broke before the {what}: {how}")),
        }
    }

    async fn close(mut self, code: u16) -> Exit {
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        line('>', &describe(Some(&frame)));
        let started = Instant::now();
        if let Err(missed) = self.send(Message::Close(Some(frame))).await {
            return self.missed("Close", missed);
        }
        match self
            .until(started, |message| matches!(message, Message::Close(_)))
            .await
        {
            Ok(()) => {}
            Err(missed) => return self.missed("peer's Close", missed),
        }
        line('*', &format!("closed in {}", milliseconds(started.elapsed())));
        Exit::Fine
    }
}

fn describe(frame: Option<&CloseFrame>) -> String {
    match frame {
        None => "Close without a code".to_owned(),
        Some(frame) if frame.reason.is_empty() => format!("Close {}", u16::from(frame.code)),
        Some(frame) => format!("Close {} '{}'", u16::from(frame.code), frame.reason),
    }
}

fn summary(times: &mut [Duration]) {
    times.sort_unstable();
    if let ([shortest, .., longest], middle) = (&*times, times.len() / 2) {
        let median = times[middle];
        let [shortest, median, longest] = [*shortest, median, *longest].map(milliseconds);
        line(
            '*',
            &format!(
                "{} rounds: shortest {shortest}, median {median}, longest {longest}",
                times.len()
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_that_may_be_sent() {
        for code in ["1000", "1001", "1012", "3000", "4999"] {
            assert_eq!(close_code(code).map(|code| code.to_string()), Ok(code.to_owned()));
        }
        for code in [
            "", "0", "999", "1004", "1005", "1006", "1015", "2000", "5000", "70000",
        ] {
            assert!(close_code(code).is_err(), "{code}");
        }
    }
}
