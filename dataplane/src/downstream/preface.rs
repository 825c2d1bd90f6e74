//! Whether a client of the plain port begins with HTTP/2 (RFC 9113 section 3.3, prior knowledge).

use std::time::Duration;

use tokio::net::TcpStream;

/// What every HTTP/2 client says first (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Pause before the next look at a preface that comes in pieces: one that is peeked at announces no more.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks at the first bytes and leaves them where they are. `None` when they don't come within `patience`.
pub(super) async fn announces_http2(stream: &TcpStream, patience: Duration) -> Option<bool> {
    let look = async {
        loop {
            let mut seen = [0; PREFACE.len()];
            // What went wrong with the connection, its own task finds out.
            let len = stream.peek(&mut seen).await.unwrap_or_default();
            if len == 0 || !PREFACE.starts_with(&seen[..len]) {
                return false;
            }
            if len == PREFACE.len() {
                return true;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(patience, look).await.ok()
}
