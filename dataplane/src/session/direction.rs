//! One direction of a session: what arrives from one peer, and what the other one has been told.
//!
//! Owns the tracker and the count of forwarded bytes; never decides that a session ends.

use super::close::ControlFrame;
use super::frame::{Fed, FrameTracker, Halt, Stop, Violation};
use super::policy::Side;

/// What the receiver of a direction has been told about its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    /// The sender's own Close.
    PeerClose,
    /// A Close of ours.
    OurClose,
    /// No Close can follow (it would land inside a frame): the end of the stream.
    Fin,
}

/// What became of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How many of the bytes go on to the other peer.
    pub forward: usize,
    /// How many of the bytes are dealt with; those beyond `forward` are dropped.
    pub consumed: usize,
}

/// The state of one direction; named after the sender.
#[derive(Debug, Clone)]
pub(super) struct Direction {
    tracker: FrameTracker,
    /// Bytes forwarded.
    bytes: u64,
    pub(super) told: Told,
    /// The sender's stream ended.
    pub(super) ended: bool,
    /// The receiver has our end of stream.
    pub(super) fin_sent: bool,
    close_ahead: bool,
    violated: bool,
}

impl Direction {
    pub(super) fn new(sender: Side, extensions: bool) -> Self {
        Self {
            tracker: FrameTracker::new(sender == Side::Client, extensions),
            bytes: 0,
            told: Told::Nothing,
            ended: false,
            fin_sent: false,
            close_ahead: false,
            violated: false,
        }
    }

    /// Follows bytes of the sender. An error means that the sender broke the protocol behind the
    /// bytes that may still go on.
    pub(super) fn received(&mut self, bytes: &[u8], stop: Stop) -> (Progress, Result<(), Violation>) {
        let all = bytes.len();
        if self.told != Told::Nothing || self.violated {
            self.watch_for_close(bytes);
            let dropped = Progress {
                forward: 0,
                consumed: all,
            };
            return (dropped, Ok(()));
        }
        let Fed { consumed, halt } = self.tracker.feed(bytes, stop);
        self.bytes += consumed as u64;
        let mut progress = Progress {
            forward: consumed,
            consumed,
        };
        match halt {
            Halt::Drained | Halt::Boundary => {}
            Halt::CloseAhead => self.close_ahead = true,
            Halt::Closed => {
                // Section 1.4: it is safe to discard what follows a Close.
                self.told = Told::PeerClose;
                progress.consumed = all;
            }
            Halt::Violation(violation) => {
                self.violated = true;
                progress.consumed = all;
                return (progress, Err(violation));
            }
        }
        (progress, Ok(()))
    }

    /// After our Close nothing goes on, but the sender's echo must be seen.
    fn watch_for_close(&mut self, bytes: &[u8]) {
        if !self.violated && !self.tracker.closed() {
            let fed = self.tracker.feed(bytes, Stop::Never);
            self.violated = matches!(fed.halt, Halt::Violation(_));
        }
    }

    /// Whether a Close of ours may follow what was forwarded. `any_frame`: also between the
    /// fragments of a message.
    pub(super) fn may_inject(&self, any_frame: bool) -> bool {
        self.told == Told::Nothing
            && !self.fin_sent
            && if any_frame || self.close_ahead || self.ended || self.violated {
                self.tracker.at_frame_boundary()
            } else {
                self.tracker.at_message_boundary()
            }
    }

    /// Marks our Close as said.
    pub(super) fn inject(&mut self, frame: ControlFrame) -> ControlFrame {
        self.told = Told::OurClose;
        frame
    }

    /// Gives up on a Close when the stream stopped in the middle of a frame.
    pub(super) fn give_up_if_cut(&mut self) {
        let over = self.ended || self.violated;
        let cut = self.fin_sent || !self.tracker.at_frame_boundary();
        if self.told == Told::Nothing && over && cut {
            self.told = Told::Fin;
        }
    }

    /// Whether the sender has nothing left to say: its Close came, or its stream ended.
    pub(super) fn settled(&self) -> bool {
        self.tracker.closed() || self.ended
    }

    pub(super) fn closed(&self) -> bool {
        self.tracker.closed()
    }

    pub(super) fn close_code(&self) -> Option<u16> {
        self.tracker.close_code()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn messages(&self) -> u64 {
        self.tracker.messages()
    }
}
