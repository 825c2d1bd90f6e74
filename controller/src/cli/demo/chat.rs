//! The chat room that both endpoints share.
//!
//! A visitor sends plain text; everybody gets JSON: `hello` (to the newcomer alone), `joined`, `left`
//! and `message`. The room holds no history and a bounded number of undelivered lines.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_tungstenite::tungstenite::Message;

use crate::cli::backend::websocket::Socket;

/// Bytes of one message.
pub(super) const MESSAGE_MOST: usize = 4096;
/// Lines that a slow visitor may be behind; older ones it misses.
const BACKLOG: usize = 256;

/// Who is here and what they say.
pub(super) struct Room {
    lines: broadcast::Sender<String>,
    guests: AtomicU64,
    online: AtomicUsize,
}

impl Room {
    pub(super) fn new() -> Self {
        Self {
            lines: broadcast::Sender::new(BACKLOG),
            guests: AtomicU64::new(0),
            online: AtomicUsize::new(0),
        }
    }

    /// Takes a visitor in until the socket ends.
    pub(super) async fn join(&self, mut socket: Socket, endpoint: &str) {
        let name = format!("guest {}", self.guests.fetch_add(1, Ordering::Relaxed) + 1);
        let online = self.online.fetch_add(1, Ordering::Relaxed) + 1;
        let hello = json!({"kind": "hello", "name": name, "endpoint": endpoint, "online": online});
        self.tell(json!({"kind": "joined", "name": name, "endpoint": endpoint, "online": online}));
        let mut lines = self.lines.subscribe();
        if socket.send(Message::text(hello.to_string())).await.is_ok() {
            self.talk(&mut socket, &mut lines, &name, endpoint).await;
        }
        let online = self.online.fetch_sub(1, Ordering::Relaxed) - 1;
        self.tell(json!({"kind": "left", "name": name, "endpoint": endpoint, "online": online}));
    }

    async fn talk(
        &self,
        socket: &mut Socket,
        lines: &mut broadcast::Receiver<String>,
        name: &str,
        endpoint: &str,
    ) {
        loop {
            tokio::select! {
                said = socket.next() => match said {
                    Some(Ok(Message::Text(text))) => {
                        self.tell(json!({
                            "kind": "message", "name": name, "endpoint": endpoint, "text": text.as_str(),
                        }));
                    }
                    // Pings and Closes are answered by the library; there is nothing to do with binary.
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return,
                },
                line = lines.recv() => match line {
                    Ok(line) => if socket.send(Message::text(line)).await.is_err() { return },
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }

    fn tell(&self, line: serde_json::Value) {
        // An error means that nobody is here.
        let _ = self.lines.send(line.to_string());
    }
}
