//! A backend that records requests by the naive reading, and answers all of them alike.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use crate::naive::{self, Message, Read};
use crate::wire::{PATIENCE, ROOM};

/// What came.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "shown when a row fails")]
pub(crate) enum Event {
    /// A request.
    Whole(Message),
    /// The connection ended within these bytes.
    Broken(Vec<u8>),
    /// These bytes are no request.
    Bad(String),
}

#[derive(Debug, Default)]
struct Log {
    events: Vec<Event>,
    /// What has come of a request that is not complete.
    part: Vec<u8>,
}

/// The backend.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    log: Arc<(Mutex<Log>, Condvar)>,
}

impl Recorder {
    /// Starts it.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let log: Arc<(Mutex<Log>, Condvar)> = Arc::default();
        let shared = Arc::clone(&log);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, log) = (stream.unwrap(), Arc::clone(&shared));
                thread::spawn(move || serve(stream, &log));
            }
        });
        Self { address, log }
    }

    /// Forgets what was.
    pub(crate) fn clear(&self) {
        *self.log.0.lock().unwrap() = Log::default();
    }

    /// What came, once it is `count` or more, or time is up.
    pub(crate) fn events(&self, count: usize) -> Vec<Event> {
        let log = self.wait(PATIENCE, |log| log.events.len() >= count);
        log.unwrap_or_else(|| self.wait(Duration::ZERO, |_| true).unwrap())
    }

    /// Waits for a part of a request that ends in `bytes`.
    pub(crate) fn part(&self, bytes: &[u8]) -> bool {
        self.wait(PATIENCE, |log| log.part.ends_with(bytes)).is_some()
    }

    fn wait(&self, patience: Duration, ready: impl Fn(&Log) -> bool) -> Option<Vec<Event>> {
        let (log, changed) = &*self.log;
        let guard = log.lock().unwrap();
        let (guard, _) = changed
            .wait_timeout_while(guard, patience, |log| !ready(log))
            .unwrap();
        ready(&guard).then(|| guard.events.clone())
    }
}

fn serve(mut stream: TcpStream, (log, changed): &(Mutex<Log>, Condvar)) {
    let (mut ahead, mut chunk, mut continued) = (Vec::new(), [0; 64 << 10], false);
    loop {
        let event = match naive::request(&ahead, ROOM) {
            Read::Whole(message) => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                ahead.drain(..message.whole);
                continued = false;
                Event::Whole(message)
            }
            Read::Bad(_) => Event::Bad(ahead.escape_ascii().to_string()),
            Read::Part => {
                let head = ahead.to_ascii_lowercase();
                let expects = head
                    .windows(28)
                    .any(|window| window == b"\r\nexpect: 100-continue\r\n\r\n".as_slice())
                    || head
                        .windows(24)
                        .any(|window| window == b"\r\nexpect: 100-continue\r\n".as_slice());
                if expects && head.windows(4).any(|window| window == b"\r\n\r\n") && !continued {
                    continued = true;
                    let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
                }
                let read = stream.read(&mut chunk).unwrap_or(0);
                if read > 0 {
                    ahead.extend_from_slice(&chunk[..read]);
                    log.lock().unwrap().part.clone_from(&ahead);
                    changed.notify_all();
                    continue;
                }
                if ahead.is_empty() {
                    return;
                }
                Event::Broken(std::mem::take(&mut ahead))
            }
        };
        let over = !matches!(event, Event::Whole(_));
        log.lock().unwrap().events.push(event);
        changed.notify_all();
        if over {
            return;
        }
    }
}
