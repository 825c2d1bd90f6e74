//! The two ends of a tunnel, and the bytes between them.
//!
//! Owns the moving of bytes; never decides what may go on (`session`) nor when it runs (`table`).
//! Half-close is kept, a reset is passed on as a reset, and a receiver that does not read stops
//! the reading from its peer.

use std::io::{self, ErrorKind};

use tokio::time::Instant;

use super::buffer::{Chunk, Pool};
use super::end::{End, News};
use crate::session::{Outcome, Session, Side};
use crate::tls::wire::Taken;

/// A direction moves at most this much in one go, so that a saturated one starves nobody.
const DIRECTION_BUDGET: usize = 2 * super::buffer::BUFFER;

/// What a row borrows from its table while it runs.
pub(super) struct Tools<'a> {
    pub(super) pool: &'a mut Pool,
    pub(super) now: Instant,
    /// Masks a Close towards the backend.
    pub(super) key: [u8; 4],
}

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ran {
    /// Nothing more to do until a socket or a timer says so.
    Done,
    /// The budget is used up; no event will announce the rest.
    Again,
}

/// One connection and what is known of it. Events are edge-triggered: a flag stays until a call
/// proves it wrong.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) wire: End,
    readable: bool,
    writable: bool,
    /// The end of its stream was reported, so a short read does not mean "drained".
    read_closed: bool,
    /// A write failed: it takes nothing more, but what it said before is still to be read.
    gone: bool,
    /// It is reported gone. Reading finds that too, unless what it said before is stuck.
    lost: bool,
}

impl Peer {
    pub(super) fn new(wire: End) -> Self {
        Self {
            readable: wire.reads_ahead(),
            wire,
            writable: true,
            read_closed: false,
            gone: false,
            lost: false,
        }
    }

    pub(super) fn notice(&mut self, news: News) {
        self.readable |= news.readable;
        self.writable |= news.writable;
        self.read_closed |= news.read_closed;
        self.lost |= news.error;
    }

    /// A write failed. What the peer said before it went may still be there, its Close for one.
    fn take_no_more(&mut self, side: Side, session: &mut Session) {
        self.gone = true;
        self.readable = true;
        self.read_closed = true;
        if session.source_ended(side) {
            session.reset(side);
        }
    }
}

/// The ends of a tunnel and the bytes between them; `lanes` are named after the sender.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) peers: [Peer; 2],
    lanes: [Option<Box<Chunk>>; 2],
}

impl Pipe {
    /// A pipe whose peers have already sent `early` bytes.
    pub(super) fn new(peers: [Peer; 2], early: [&[u8]; 2]) -> Self {
        let lane = |bytes: &[u8]| (!bytes.is_empty()).then(|| Chunk::unjudged(bytes));
        Self {
            peers,
            lanes: early.map(lane),
        }
    }

    /// Moves what can be moved in both directions. Returns also how many bytes were read.
    pub(super) fn run(&mut self, session: &mut Session, tools: &mut Tools<'_>) -> (Ran, usize) {
        let mut moved = 0;
        let mut ran = Ran::Done;
        let gone = self.gone();
        for side in Side::BOTH {
            self.flush_wire(side, session, tools.now);
        }
        for from in Side::BOTH {
            if self.pump(from, session, tools, &mut moved) == Ran::Again {
                ran = Ran::Again;
            }
        }
        for side in Side::BOTH
            .into_iter()
            .filter(|side| self.peers[*side as usize].lost)
        {
            session.lost(side);
        }
        // What the second direction learnt may be due in the first.
        if session.is_ending() {
            self.conclude(Side::Client, session, tools);
        }
        if self.gone() != gone {
            // What the lost peer said last is read in the next turn.
            ran = Ran::Again;
        }
        (ran, moved)
    }

    /// How the tunnel ended, once nothing is left to be written.
    pub(super) fn outcome(&self, session: &mut Session) -> Option<Outcome> {
        let outcome = session.outcome()?;
        let empty = self.lanes.iter().all(Option::is_none);
        let flushed = self.peers.iter().all(|peer| peer.gone || peer.wire.is_flushed());
        ((empty && flushed) || session.is_forced()).then_some(outcome)
    }

    /// Makes both ends end with a reset instead of a FIN when they are dropped.
    pub(super) fn reset(&self) {
        for peer in &self.peers {
            peer.wire.reset();
        }
    }

    /// Ends the connections as TLS wants it; the sockets close when they are dropped.
    pub(super) fn finish(&mut self) {
        for peer in self.peers.iter_mut().filter(|peer| !peer.gone) {
            // It fails on a socket that is already gone.
            let _ = peer.wire.finish();
        }
    }

    /// Memory of the buffers it holds, in bytes.
    pub(super) fn buffer_bytes(&self) -> usize {
        self.lanes.iter().flatten().map(|chunk| chunk.size()).sum()
    }

    /// Returns what buffers it holds.
    pub(super) fn release(&mut self, pool: &mut Pool) {
        for chunk in self.lanes.iter_mut().filter_map(Option::take) {
            pool.give(chunk);
        }
    }

    fn gone(&self) -> [bool; 2] {
        [self.peers[0].gone, self.peers[1].gone]
    }

    fn pump(&mut self, from: Side, session: &mut Session, tools: &mut Tools<'_>, moved: &mut usize) -> Ran {
        let mut budget = DIRECTION_BUDGET;
        loop {
            if !self.conclude(from, session, tools) {
                return Ran::Done;
            }
            let source = &mut self.peers[from as usize];
            if !source.readable || session.source_ended(from) {
                break;
            }
            if budget == 0 {
                self.release_lane(from, tools.pool);
                return Ran::Again;
            }
            let lane = self.lanes[from as usize].get_or_insert_with(|| tools.pool.take());
            let room = lane.room();
            match source.wire.read(room, source.read_closed) {
                Ok(Taken { len: 0, .. }) => {
                    source.readable = false;
                    if source.gone {
                        session.reset(from);
                    } else {
                        session.finished(from);
                    }
                }
                Ok(Taken { len, drained }) => {
                    source.readable = !drained || source.read_closed;
                    lane.fill(len);
                    budget = budget.saturating_sub(len);
                    *moved += len;
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => source.readable = false,
                    ErrorKind::Interrupted => {}
                    _ => {
                        source.readable = false;
                        source.gone = true;
                        session.reset(from);
                    }
                },
            }
            self.release_lane(from, tools.pool);
        }
        Ran::Done
    }

    /// Brings a direction as far as it goes without reading: what it holds, our Close, the FIN.
    /// Returns whether there is room to read.
    fn conclude(&mut self, from: Side, session: &mut Session, tools: &mut Tools<'_>) -> bool {
        let to = from.other();
        loop {
            if !self.flush(from, session, tools) {
                return false;
            }
            let lane = &mut self.lanes[from as usize];
            if session.is_ending()
                && let Some(frame) = session.take_close(to, tools.key, tools.now)
            {
                // The rest is only looked through for the peer's Close; none of it goes on.
                if let Some(rest) = lane.replace(Chunk::allowed(frame.as_bytes())) {
                    session.received(from, rest.to_judge(), tools.now);
                    tools.pool.give(rest);
                }
                continue;
            }
            let Some(chunk) = lane.as_mut().filter(|chunk| !chunk.is_spent()) else {
                break;
            };
            let progress = session.received(from, chunk.to_judge(), tools.now);
            chunk.judge(progress.forward, progress.consumed);
        }
        self.release_lane(from, tools.pool);
        if session.fin_due(to) {
            // It fails on a socket that is already gone; its reset is found by reading.
            let _ = self.peers[to as usize].wire.finish();
            session.fin_sent(to);
        }
        true
    }

    /// Writes what may go on. Returns whether nothing is left of it.
    fn flush(&mut self, from: Side, session: &mut Session, tools: &mut Tools<'_>) -> bool {
        let Some(chunk) = &mut self.lanes[from as usize] else {
            return true;
        };
        let sink = &mut self.peers[from.other() as usize];
        while !chunk.to_write().is_empty() {
            if sink.gone {
                chunk.discard();
            } else if !sink.writable {
                tools.pool.shrink(chunk);
                return false;
            } else {
                match write(sink, chunk.to_write()) {
                    Ok(len) => {
                        chunk.wrote(len);
                        session.progressed(tools.now);
                    }
                    Err(_) => sink.take_no_more(from.other(), session),
                }
            }
        }
        true
    }

    /// Goes on with what a peer's wire has taken and not yet written.
    fn flush_wire(&mut self, side: Side, session: &mut Session, now: Instant) {
        let peer = &mut self.peers[side as usize];
        if peer.gone || !peer.writable || peer.wire.is_flushed() {
            return;
        }
        match peer.wire.flush() {
            Ok(progressed) => {
                peer.writable = peer.wire.is_flushed();
                if progressed {
                    session.progressed(now);
                }
            }
            Err(_) => peer.take_no_more(side, session),
        }
    }

    /// Gives an empty buffer back.
    fn release_lane(&mut self, from: Side, pool: &mut Pool) {
        let lane = &mut self.lanes[from as usize];
        if let Some(chunk) = lane.take_if(|chunk| chunk.is_spent()) {
            pool.give(chunk);
        }
    }
}

/// Writes once. A short write means that the socket is full.
fn write(sink: &mut Peer, bytes: &[u8]) -> io::Result<usize> {
    match sink.wire.write(bytes) {
        Ok(len) => {
            sink.writable = len == bytes.len() && sink.wire.is_flushed();
            Ok(len)
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            sink.writable = false;
            Ok(0)
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
        Err(error) => Err(error),
    }
}
