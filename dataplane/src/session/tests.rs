use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::frame::tests::{Frame, chunks, cuts, encode, stream};
use super::frame::{FrameTracker, Halt, Violation};
use super::*;

const KEY: [u8; 4] = [1, 2, 3, 4];
const SECOND: Duration = Duration::from_secs(1);

/// A driver without sockets: what each peer received, and whether its stream ended.
struct Wire {
    session: Session,
    now: Instant,
    to_client: Vec<u8>,
    to_upstream: Vec<u8>,
}

impl Wire {
    fn new(idle: Option<Duration>, max_duration: Option<Duration>) -> Self {
        let now = Instant::now();
        let limits = Limits {
            idle,
            max_duration,
            close_timeout: 10 * SECOND,
        };
        Self {
            session: Session::new(limits, false, now),
            now,
            to_client: Vec::new(),
            to_upstream: Vec::new(),
        }
    }

    fn out(&mut self, to: Side) -> &mut Vec<u8> {
        match to {
            Side::Client => &mut self.to_client,
            Side::Upstream => &mut self.to_upstream,
        }
    }

    fn say_close(&mut self) {
        for to in Side::BOTH {
            if let Some(frame) = self.session.take_close(to, KEY, self.now) {
                self.out(to).extend(frame.as_bytes());
            }
        }
    }

    fn send(&mut self, from: Side, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let progress = self.session.received(from, bytes, self.now);
            self.out(from.other()).extend(&bytes[..progress.forward]);
            bytes = &bytes[progress.consumed..];
            self.say_close();
        }
    }

    fn frames(&mut self, from: Side, frames: &[Frame]) {
        self.send(from, &encode(frames, from == Side::Client));
    }

    fn close(&mut self, code: u16, within: Duration) {
        let plan = ClosePlan {
            cause: ProxyCause::Command,
            close: Close::new(CloseCode::new(code).unwrap(), "moved").unwrap(),
            deadline: self.now + within,
        };
        self.session.close(plan, self.now);
        self.say_close();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.session.tick(self.now);
        self.say_close();
    }

    fn fin(&mut self, to: Side) -> bool {
        let due = self.session.fin_due(to);
        if due {
            self.session.fin_sent(to);
        }
        due
    }
}

use close::{Close, CloseCode};

fn text(payload: &str) -> Frame {
    Frame::new(0x81, payload.as_bytes())
}

fn close_frame(code: u16) -> Frame {
    Frame::new(0x88, code.to_be_bytes())
}

fn our_close(to: Side, code: u16) -> Vec<u8> {
    let payload = [&code.to_be_bytes()[..], b"moved"].concat();
    Frame::new(0x88, payload).bytes((to == Side::Upstream).then_some(KEY))
}

#[test]
fn a_quiet_session_is_closed_at_once_and_over_with_the_echoes() {
    let mut wire = Wire::new(None, None);
    wire.frames(Side::Client, &[text("hello")]);
    wire.close(1012, 30 * SECOND);
    assert_eq!(wire.to_client, our_close(Side::Client, 1012));
    assert!(wire.to_upstream.ends_with(&our_close(Side::Upstream, 1001)));
    assert_eq!(wire.session.outcome(), None);
    let before = wire.to_upstream.len();
    wire.frames(Side::Client, &[text("late"), close_frame(1012)]);
    assert_eq!(wire.to_upstream.len(), before, "nothing follows our Close");
    assert!(wire.fin(Side::Client));
    assert!(!wire.fin(Side::Upstream));
    wire.frames(Side::Upstream, &[close_frame(1001)]);
    assert!(wire.fin(Side::Upstream));
    assert_eq!(wire.session.outcome(), Some(Outcome::Closed));
    assert!(!wire.session.is_forced());
    assert_eq!(wire.session.ended_by(), Some(EndedBy::Proxy(ProxyCause::Command)));
    assert_eq!(wire.session.sent_code(Side::Client), Some(1012));
    assert_eq!(wire.session.sent_code(Side::Upstream), Some(1001));
    assert_eq!(wire.session.close_code(Side::Client), Some(1012));
}

#[test]
fn our_close_waits_for_the_end_of_the_message_and_not_for_ever() {
    let mut wire = Wire::new(None, None);
    let big = encode(
        &[Frame::new(0x02, "x".repeat(1000)), Frame::new(0x80, "y")],
        false,
    );
    wire.send(Side::Upstream, &big[..500]);
    wire.close(1012, 30 * SECOND);
    assert_eq!(wire.to_client, &big[..500]);
    wire.send(Side::Upstream, &big[500..1004]);
    assert_eq!(wire.to_client, &big[..1004], "a fragment is no message");
    wire.pass(14 * SECOND);
    assert_eq!(wire.to_client.len(), 1004);
    assert_eq!(wire.session.next_deadline(), Some(wire.now + SECOND));
    wire.pass(SECOND);
    assert_eq!(&wire.to_client[1004..], our_close(Side::Client, 1012));
    wire.send(Side::Upstream, &big[1004..]);
    assert_eq!(wire.to_client.len(), 1004 + 9);

    let mut wire = Wire::new(None, None);
    wire.send(Side::Upstream, &big[..500]);
    wire.close(1012, 30 * SECOND);
    wire.send(Side::Upstream, &big[500..]);
    wire.frames(Side::Upstream, &[text("next")]);
    let expected = [&big[..], &our_close(Side::Client, 1012)].concat();
    assert_eq!(wire.to_client, expected);
}

#[test]
fn a_frame_that_never_ends_is_cut_by_the_deadline() {
    let mut wire = Wire::new(None, None);
    wire.send(Side::Upstream, b"\x82\x7e\x10\x00only the beginning");
    wire.close(1012, 30 * SECOND);
    wire.pass(30 * SECOND);
    assert_eq!(wire.session.outcome(), Some(Outcome::DeadlineForced));
    assert!(wire.session.is_forced());
    assert_eq!(wire.session.sent_code(Side::Client), None);
}

#[test]
fn the_wait_for_echoes_is_shorter_than_a_long_deadline() {
    let mut wire = Wire::new(None, None);
    wire.close(1012, 300 * SECOND);
    assert_eq!(wire.session.next_deadline(), Some(wire.now + 10 * SECOND));
    wire.pass(10 * SECOND);
    assert_eq!(wire.session.outcome(), Some(Outcome::DeadlineForced));
}

#[test]
fn peers_close_by_themselves_untouched() {
    let mut wire = Wire::new(None, None);
    wire.frames(Side::Client, &[text("a"), close_frame(4321)]);
    wire.send(Side::Client, b"garbage behind a Close is dropped");
    assert_eq!(wire.to_upstream, encode(&[text("a"), close_frame(4321)], true));
    wire.frames(Side::Upstream, &[text("last words"), close_frame(4321)]);
    assert_eq!(wire.session.ended_by(), Some(EndedBy::Client));
    assert_eq!(
        wire.session.outcome(),
        None,
        "the backend closes its socket first"
    );
    wire.session.finished(Side::Upstream);
    assert!(wire.fin(Side::Client));
    assert_eq!(wire.session.outcome(), Some(Outcome::Closed));
    let code = |side| wire.session.close_code(side);
    assert_eq!(
        (code(Side::Client), code(Side::Upstream)),
        (Some(4321), Some(4321))
    );
}

#[test]
fn a_peer_that_ignores_a_close_does_not_hold_the_session() {
    let mut wire = Wire::new(Some(3600 * SECOND), None);
    wire.frames(Side::Client, &[close_frame(1000)]);
    wire.pass(9 * SECOND);
    assert!(wire.to_client.is_empty());
    wire.pass(SECOND);
    assert_eq!(wire.to_client[..4], [0x88, 29, 0x03, 0xe9]);
    assert_eq!(wire.session.ended_by(), Some(EndedBy::Client));
    wire.pass(10 * SECOND);
    assert_eq!(wire.session.outcome(), Some(Outcome::DeadlineForced));
}

#[test]
fn half_close_is_kept() {
    let mut wire = Wire::new(None, None);
    wire.session.finished(Side::Client);
    assert!(wire.fin(Side::Upstream));
    assert!(!wire.fin(Side::Client));
    wire.frames(Side::Upstream, &[text("still talking")]);
    assert_eq!(wire.to_client, encode(&[text("still talking")], false));
    assert_eq!(wire.session.outcome(), None);
    wire.session.finished(Side::Upstream);
    assert!(wire.fin(Side::Client));
    assert_eq!(wire.session.outcome(), Some(Outcome::Finished));
    assert_eq!(wire.session.ended_by(), Some(EndedBy::Client));
}

#[test]
fn a_half_closed_session_still_ends_politely() {
    let mut wire = Wire::new(None, None);
    wire.session.finished(Side::Client);
    assert!(wire.fin(Side::Upstream));
    wire.close(1012, 30 * SECOND);
    assert_eq!(wire.to_client, our_close(Side::Client, 1012));
    assert!(wire.to_upstream.is_empty(), "nothing follows a FIN");
    wire.session.finished(Side::Upstream);
    assert!(wire.fin(Side::Client));
    assert_eq!(wire.session.outcome(), Some(Outcome::Finished));
}

#[test]
fn a_reset_is_passed_on_unless_all_is_said() {
    let mut wire = Wire::new(None, None);
    wire.session.reset(Side::Upstream);
    assert_eq!(wire.session.outcome(), Some(Outcome::Reset));
    assert!(wire.session.is_forced());
    assert!(!wire.fin(Side::Client), "a FIN would hide the reset");
    assert_eq!(wire.session.ended_by(), Some(EndedBy::Upstream));

    let mut wire = Wire::new(None, None);
    wire.close(1012, 30 * SECOND);
    wire.session.reset(Side::Client);
    assert_eq!(wire.session.outcome(), None, "the backend may still answer");
    wire.frames(Side::Upstream, &[close_frame(1001)]);
    assert_eq!(wire.session.outcome(), Some(Outcome::Closed));

    let mut wire = Wire::new(None, None);
    wire.frames(Side::Upstream, &[close_frame(1000)]);
    wire.session.reset(Side::Upstream);
    assert!(!wire.session.is_forced(), "the client is to read the Close");
    assert_eq!(wire.session.outcome(), None, "the client may still answer");
    wire.frames(Side::Client, &[close_frame(1000)]);
    assert_eq!(wire.session.outcome(), Some(Outcome::Closed));
}

#[test]
fn a_lost_peer_whose_bytes_nobody_takes_is_given_up() {
    let mut wire = Wire::new(None, None);
    wire.session.lost(Side::Client);
    wire.pass(9 * SECOND);
    assert_eq!(wire.session.outcome(), None, "the other peer may still read");
    wire.pass(SECOND);
    assert_eq!(wire.session.outcome(), Some(Outcome::Reset));
    assert_eq!(wire.session.ended_by(), Some(EndedBy::Client));
}

#[test]
fn an_abort_of_an_end_under_way_is_its_deadline() {
    let mut wire = Wire::new(None, None);
    wire.session.abort(ProxyCause::Shutdown);
    assert_eq!(wire.session.outcome(), Some(Outcome::Reset));
    let mut wire = Wire::new(None, None);
    wire.close(1012, 30 * SECOND);
    wire.session.abort(ProxyCause::Shutdown);
    assert_eq!(wire.session.outcome(), Some(Outcome::DeadlineForced));
}

#[test]
fn a_violation_goes_no_further_and_names_its_offender() {
    let mut wire = Wire::new(None, None);
    wire.send(
        Side::Client,
        &[&encode(&[text("fine")], true)[..], b"\x81\x02hi"].concat(),
    );
    let reason = Violation::Unmasked.to_string();
    assert_eq!(wire.to_client[..4], [0x88, reason.len() as u8 + 2, 0x03, 0xea]);
    assert_eq!(&wire.to_client[4..], reason.as_bytes());
    let fine = encode(&[text("fine")], true);
    assert!(wire.to_upstream.starts_with(&fine));
    assert_eq!(wire.to_upstream[fine.len()], 0x88);
    assert!(wire.fin(Side::Client), "the offender is not waited for");
    wire.frames(Side::Upstream, &[close_frame(1001)]);
    wire.send(Side::Client, b"more garbage");
    wire.session.finished(Side::Client);
    let outcome = Outcome::ProtocolError { side: Side::Client };
    assert_eq!(wire.session.outcome(), Some(outcome));
    let cause = ProxyCause::Protocol(Violation::Unmasked);
    assert_eq!(wire.session.ended_by(), Some(EndedBy::Proxy(cause)));
}

#[test]
fn a_violation_within_a_header_shuts_the_other_side_down() {
    let mut wire = Wire::new(None, None);
    wire.send(Side::Upstream, b"\x81");
    wire.send(Side::Upstream, b"\x82hi");
    assert_eq!(wire.to_client, b"\x81", "no Close can follow half a header");
    assert!(wire.fin(Side::Client));
    assert!(wire.to_upstream[0] == 0x88 && wire.fin(Side::Upstream));
    wire.pass(10 * SECOND);
    let side = Side::Upstream;
    assert_eq!(wire.session.outcome(), Some(Outcome::ProtocolError { side }));
}

#[test]
fn silence_and_age_end_a_session() {
    let mut wire = Wire::new(Some(60 * SECOND), Some(100 * SECOND));
    wire.pass(59 * SECOND);
    wire.frames(Side::Client, &[text("awake")]);
    wire.pass(40 * SECOND);
    assert!(wire.to_client.is_empty());
    wire.pass(SECOND);
    assert!(wire.to_client.ends_with(b"\x03\xe9maximum duration reached"));

    let mut wire = Wire::new(Some(60 * SECOND), None);
    assert_eq!(wire.session.next_deadline(), Some(wire.now + 60 * SECOND));
    wire.pass(60 * SECOND);
    assert!(wire.to_client.ends_with(b"\x03\xe9idle timeout"));
    let cause = ProxyCause::IdleTimeout;
    assert_eq!(wire.session.ended_by(), Some(EndedBy::Proxy(cause)));
}

#[test]
fn the_peers_close_gives_way_to_ours_inside_a_fragmented_message() {
    let mut wire = Wire::new(None, None);
    wire.frames(Side::Client, &[Frame::new(0x01, "open")]);
    wire.close(1012, 30 * SECOND);
    assert_eq!(wire.to_client, our_close(Side::Client, 1012));
    wire.frames(Side::Client, &[close_frame(1012)]);
    let expected = [
        encode(&[Frame::new(0x01, "open")], true),
        our_close(Side::Upstream, 1001),
    ];
    assert_eq!(wire.to_upstream, expected.concat());
    wire.frames(Side::Upstream, &[close_frame(1001)]);
    assert_eq!(wire.session.outcome(), Some(Outcome::Closed));
}

#[derive(Debug, Clone)]
struct Script {
    frames: [Vec<Frame>; 2],
    cuts: [Vec<usize>; 2],
    close_at: usize,
}

fn script() -> impl Strategy<Value = Script> {
    ((stream(), stream()), (cuts(), cuts()), 0usize..60).prop_map(|(frames, cuts, close_at)| Script {
        frames: frames.into(),
        cuts: cuts.into(),
        close_at,
    })
}

/// The legal places for our Close: the ends of messages.
fn is_legal_end(frames: &[Frame], masked: bool, len: usize) -> bool {
    let bytes = encode(frames, masked);
    let mut tracker = FrameTracker::new(masked, false);
    let fed = tracker.feed(&bytes[..len], frame::Stop::Never);
    fed.halt == Halt::Drained && tracker.at_message_boundary()
}

proptest! {
    #[test]
    fn both_peers_see_the_input_and_at_most_our_close_at_a_legal_place(script in script()) {
        let mut wire = Wire::new(None, None);
        let streams = Side::BOTH.map(|side| {
            encode(&script.frames[side as usize], side == Side::Client)
        });
        let mut parts = Side::BOTH.map(|side| {
            chunks(&streams[side as usize], &script.cuts[side as usize])
        });
        for round in 0.. {
            if round == script.close_at {
                wire.close(1012, 30 * SECOND);
            }
            let sent = Side::BOTH.map(|side| {
                let part = parts[side as usize].next();
                part.map(|part| wire.send(side, part)).is_some()
            });
            if sent == [false; 2] && round >= script.close_at {
                break;
            }
        }
        for from in Side::BOTH {
            let (input, to) = (&streams[from as usize], from.other());
            let code = if to == Side::Client { 1012 } else { 1001 };
            let out = wire.out(to).clone();
            let forwarded = out.strip_suffix(&our_close(to, code)[..]);
            prop_assert!(forwarded.is_some(), "exactly one Close, at the end");
            let forwarded = forwarded.unwrap_or_default();
            prop_assert!(input.starts_with(forwarded));
            let frames = &script.frames[from as usize];
            prop_assert!(is_legal_end(frames, from == Side::Client, forwarded.len()));
            prop_assert_eq!(wire.session.bytes(from), forwarded.len() as u64);
        }
        wire.frames(Side::Client, &[close_frame(1012)]);
        wire.frames(Side::Upstream, &[close_frame(1001)]);
        prop_assert_eq!(wire.session.outcome(), Some(Outcome::Closed));
    }

    #[test]
    fn without_an_end_the_session_is_invisible(script in script()) {
        let mut wire = Wire::new(None, None);
        for from in Side::BOTH {
            let bytes = encode(&script.frames[from as usize], from == Side::Client);
            for part in chunks(&bytes, &script.cuts[from as usize]) {
                wire.send(from, part);
            }
            prop_assert_eq!(&*wire.out(from.other()), &bytes);
        }
        prop_assert!(!wire.session.is_ending());
    }

    #[test]
    fn anything_at_any_time_neither_panics_nor_outlives_the_deadline(
        noise in prop::collection::vec(event(), 0..30), close_at in 0usize..30,
    ) {
        let mut wire = Wire::new(Some(60 * SECOND), None);
        for (index, (from, event)) in noise.into_iter().enumerate() {
            if index == close_at {
                wire.close(1012, 30 * SECOND);
            }
            match event {
                _ if wire.session.source_ended(from) => {}
                Event::Bytes(bytes) => wire.send(from, &bytes),
                Event::Fin => wire.session.finished(from),
                Event::Reset => wire.session.reset(from),
            }
            wire.pass(SECOND / 10);
            for side in Side::BOTH {
                wire.fin(side);
            }
        }
        for _ in 0..4 {
            wire.pass(60 * SECOND);
        }
        prop_assert!(wire.session.outcome().is_some());
    }
}

#[derive(Debug, Clone)]
enum Event {
    Bytes(Vec<u8>),
    Fin,
    Reset,
}

/// Noise, and now and then something that makes sense.
fn event() -> impl Strategy<Value = (Side, Event)> {
    let side = prop_oneof![Just(Side::Client), Just(Side::Upstream)];
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..40),
        (any::<bool>(), 0u8..3).prop_map(|(masked, op)| encode(&[Frame::new(op, "part")], masked)),
        any::<bool>().prop_map(|masked| encode(&[close_frame(1000)], masked)),
    ];
    let event = prop_oneof![
        8 => bytes.prop_map(Event::Bytes),
        1 => Just(Event::Fin),
        1 => Just(Event::Reset),
    ];
    (side, event)
}

#[test]
fn a_session_stays_small() {
    assert!(size_of::<Session>() <= 224, "{}", size_of::<Session>());
}
