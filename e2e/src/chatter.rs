//! A crowd of sessions with traffic on tokio-tungstenite: each sends numbered messages to an echo, checks
//! every answer, and notes how it ended.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::clients::tungstenite::{Client, closing};
use crate::clients::{Closing, Offer};
use crate::deadline::SOON;

/// What the sessions send.
#[derive(Clone, Copy, Debug)]
pub struct Talk {
    /// Time between two messages of a session.
    pub pace: Duration,
    /// Bytes that pad a message.
    pub padding: usize,
}

/// How a session ended.
#[derive(Clone, Debug)]
pub enum End {
    /// It lived when it was stopped, and a last message came back.
    Alive,
    /// The other side closed it, and the stream ended cleanly after the closing handshake.
    Closed {
        /// What the Close frame said.
        closing: Closing,
        /// When it came.
        at: Instant,
    },
    /// Anything else: the end of the stream without a Close frame, a reset, a wrong message.
    Broken(String),
}

/// One session's account.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Messages that came back.
    pub exchanged: u64,
    /// How it ended.
    pub end: End,
}

/// The crowd.
#[derive(Debug)]
pub struct Chatter {
    sessions: JoinSet<Outcome>,
    stop: watch::Sender<bool>,
}

impl Chatter {
    /// Opens `count` sessions, and returns when all are open and talking.
    ///
    /// # Errors
    /// When a handshake is refused.
    pub async fn start(to: SocketAddr, host: &str, count: usize, talk: Talk) -> Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let mut sessions = JoinSet::new();
        for index in 0..count {
            let (client, _) = Client::connect(to, host, "/", &Offer::default())
                .await
                .with_context(|| format!("session {index} of {count}"))?;
            // Spread over the first interval.
            let first = Instant::now() + talk.pace.mul_f64((index % 64) as f64 / 64.0);
            sessions.spawn(session(client, talk, first, stopped.clone()));
        }
        Ok(Self { sessions, stop })
    }

    /// Ends the sessions that still live after a last exchange; yields all accounts.
    ///
    /// # Errors
    /// When a session's task fails.
    pub async fn stop(self) -> Result<Vec<Outcome>> {
        let _ = self.stop.send(true);
        self.ended().await
    }

    /// Waits until all sessions have ended by themselves; yields all accounts.
    ///
    /// # Errors
    /// When a session's task fails.
    pub async fn ended(mut self) -> Result<Vec<Outcome>> {
        let mut outcomes = vec![];
        while let Some(outcome) = self.sessions.join_next().await {
            outcomes.push(outcome?);
        }
        Ok(outcomes)
    }

    /// Ends all, and fails unless each lived to the end and exchanged messages; yields their number.
    ///
    /// # Errors
    /// Says how many sessions did not, and how one of them ended.
    pub async fn all_alive(self) -> Result<u64> {
        let outcomes = self.stop().await?;
        let mut lost = outcomes
            .iter()
            .filter(|o| !matches!(o.end, End::Alive) || o.exchanged == 0);
        if let Some(one) = lost.next() {
            bail!(
                "{} of {} sessions did not live, such as {one:?}",
                lost.count() + 1,
                outcomes.len()
            );
        }
        Ok(outcomes.iter().map(|outcome| outcome.exchanged).sum())
    }

    /// Waits until all have ended, and fails unless each was closed politely with `code`; yields when.
    ///
    /// # Errors
    /// Says how many sessions were not, and how one of them ended.
    pub async fn all_closed(self, code: u16) -> Result<Vec<Instant>> {
        let outcomes = self.ended().await?;
        let mut closed = vec![];
        let mut others = vec![];
        for outcome in &outcomes {
            match &outcome.end {
                End::Closed { closing, at } if closing.code == code => closed.push(*at),
                other => others.push(other),
            }
        }
        ensure!(
            others.is_empty(),
            "{} of {} were not closed with {code}, such as {:?}",
            others.len(),
            outcomes.len(),
            others[0]
        );
        closed.sort();
        Ok(closed)
    }
}

async fn session(mut client: Client, talk: Talk, first: Instant, mut stop: watch::Receiver<bool>) -> Outcome {
    let mut exchanged = 0;
    let mut next = first;
    let end = loop {
        let last = tokio::select! {
            () = sleep_until(next) => false,
            // Its only change is to true.
            _ = stop.changed() => true,
            early = client.stream.next() => break end_of(&mut client, early).await,
        };
        next += talk.pace;
        let message = format!("{exchanged} {}", "x".repeat(talk.padding));
        if let Err(error) = client.stream.send(Message::text(&message)).await {
            // A Close may be waiting to be read, if this side has not seen it yet.
            let early = client.stream.next().await;
            match end_of(&mut client, early).await {
                End::Broken(_) => break End::Broken(format!("send: {error}")),
                closed => break closed,
            }
        }
        match timeout(SOON * 2, client.stream.next()).await {
            Ok(Some(Ok(Message::Text(text)))) if text == message => exchanged += 1,
            Ok(other) => break end_of(&mut client, other).await,
            Err(_) => break End::Broken(format!("no answer to message {exchanged}")),
        }
        if last {
            break End::Alive;
        }
    };
    Outcome { exchanged, end }
}

/// Judges what came instead of an answer; finishes the closing handshake if it was a Close.
async fn end_of(
    client: &mut Client,
    got: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
) -> End {
    let frame = match got {
        Some(Ok(Message::Close(frame))) => frame,
        Some(Ok(other)) => return End::Broken(format!("unexpected {other:?}")),
        Some(Err(error)) => return End::Broken(error.to_string()),
        None => return End::Broken("end of stream without a Close frame".to_owned()),
    };
    let at = Instant::now();
    let closing = closing(frame);
    // The library answers the Close on the next poll.
    loop {
        match timeout(SOON, client.stream.next()).await {
            Ok(Some(Ok(_))) => {}
            Ok(None) => break,
            Ok(Some(Err(error))) => return End::Broken(format!("after {closing:?}: {error}")),
            Err(_) => return End::Broken(format!("the stream did not end after {closing:?}")),
        }
    }
    let _ = client.stream.get_mut().shutdown().await;
    End::Closed { closing, at }
}
