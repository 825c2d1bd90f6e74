//! A backend that answers with the bytes it was told to, and says on which connection a request came.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::naive::{self, Read};
use crate::wire::{PATIENCE, ROOM};

/// What it does with the next request that is no fence.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) reply: Vec<u8>,
    pub(crate) then: Then,
}

/// And after its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Then {
    /// It waits for the next request.
    #[default]
    Keep,
    /// It ends the connection.
    Close,
    /// It resets the connection.
    Reset,
}

#[derive(Debug, Default)]
struct State {
    script: Script,
    /// The connection that the script ran on, if it is not over yet with its socket.
    ran: Option<(usize, Option<TcpStream>)>,
    /// Connections that have ended.
    ended: Vec<usize>,
}

/// The backend.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Scripted {
    /// Starts it.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state: Arc<(Mutex<State>, Condvar)> = Arc::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (stream, state) = (stream.unwrap(), Arc::clone(&shared));
                thread::spawn(move || {
                    serve(number, stream, &state);
                    state.0.lock().unwrap().ended.push(number);
                    state.1.notify_all();
                });
            }
        });
        Self { address, state }
    }

    /// Tells it what to do.
    pub(crate) fn play(&self, script: Script) {
        let mut state = self.state.0.lock().unwrap();
        state.script = script;
        state.ran = None;
    }

    /// The connection that the script ran on.
    pub(crate) fn ran(&self) -> Option<usize> {
        let (state, changed) = &*self.state;
        let state = state.lock().unwrap();
        let (state, _) = changed
            .wait_timeout_while(state, PATIENCE, |state| state.ran.is_none())
            .unwrap();
        state.ran.as_ref().map(|(number, _)| *number)
    }

    /// Sends bytes on it, though nobody asked.
    pub(crate) fn send_late(&self, bytes: &[u8]) {
        if let Some((_, Some(stream))) = &mut self.state.0.lock().unwrap().ran {
            let _ = stream.write_all(bytes);
        }
    }

    /// Waits for the end of a connection.
    pub(crate) fn has_ended(&self, number: usize, patience: Duration) -> bool {
        let (state, changed) = &*self.state;
        let state = state.lock().unwrap();
        let (state, _) = changed
            .wait_timeout_while(state, patience, |state| !state.ended.contains(&number))
            .unwrap();
        state.ended.contains(&number)
    }
}

fn serve(number: usize, mut stream: TcpStream, (state, changed): &(Mutex<State>, Condvar)) {
    let (mut ahead, mut chunk) = (Vec::new(), [0; 64 << 10]);
    loop {
        let message = match naive::request(&ahead, ROOM) {
            Read::Whole(message) => message,
            Read::Bad(_) => return,
            Read::Part => match stream.read(&mut chunk) {
                Ok(read @ 1..) => {
                    ahead.extend_from_slice(&chunk[..read]);
                    continue;
                }
                _ => return,
            },
        };
        ahead.drain(..message.whole);
        if message.line.starts_with("GET /fence ") {
            let number = number.to_string();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{number}",
                number.len()
            );
            continue;
        }
        let script = state.lock().unwrap().script.clone();
        let _ = stream.write_all(&script.reply);
        if script.then == Then::Reset {
            // Written bytes are with the peer before the reset is.
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            thread::sleep(Duration::from_millis(50));
        }
        let clone = stream.try_clone().ok().filter(|_| script.then == Then::Keep);
        state.lock().unwrap().ran = Some((number, clone));
        changed.notify_all();
        if script.then != Then::Keep {
            return;
        }
    }
}
