use proptest::prelude::*;

use super::*;

/// One frame as a test writes it down, with an encoder of its own.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(first: u8, payload: impl Into<Vec<u8>>) -> Self {
        let payload = payload.into();
        Self { first, payload }
    }

    pub(crate) fn bytes(&self, key: Option<[u8; 4]>) -> Vec<u8> {
        let mask = if key.is_some() { 0x80 } else { 0 };
        let mut out = vec![self.first];
        match self.payload.len() {
            len @ 0..=125 => out.push(mask | len as u8),
            len @ 126..=0xffff => {
                out.push(mask | 126);
                out.extend((len as u16).to_be_bytes());
            }
            len => {
                out.push(mask | 127);
                out.extend((len as u64).to_be_bytes());
            }
        }
        let key = key.inspect(|key| out.extend(key)).unwrap_or_default();
        out.extend(
            self.payload
                .iter()
                .zip(key.iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
        out
    }
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![4 => 0usize..40, 2 => 120usize..140, 1 => 60_000usize..70_000];
    len.prop_map(|len| (0..len).map(|index| index as u8).collect())
}

fn ping() -> impl Strategy<Value = Frame> {
    (9u8..=10, 0usize..=125).prop_map(|(op, len)| Frame::new(0x80 | op, vec![7; len]))
}

/// A message in one or more fragments, with control frames in between.
fn message() -> impl Strategy<Value = Vec<Frame>> {
    let fragment = (payload(), prop::collection::vec(ping(), 0..2));
    (1u8..=2, prop::collection::vec(fragment, 1..4)).prop_map(|(op, fragments)| {
        let last = fragments.len() - 1;
        let mut frames = Vec::new();
        for (index, (payload, controls)) in fragments.into_iter().enumerate() {
            let fin = if index == last { 0x80 } else { 0 };
            let op = if index == 0 { op } else { 0 };
            frames.push(Frame::new(fin | op, payload));
            frames.extend(controls);
        }
        frames
    })
}

/// The frames of a legal stream.
pub(crate) fn stream() -> impl Strategy<Value = Vec<Frame>> {
    prop::collection::vec(message(), 0..6).prop_map(|messages| messages.concat())
}

/// Where to cut a stream: the lengths of its chunks, repeated.
pub(crate) fn cuts() -> impl Strategy<Value = Vec<usize>> {
    let len = prop_oneof![1usize..4, 1usize..30, 1usize..5000, Just(70_000)];
    prop::collection::vec(len, 1..20)
}

pub(crate) fn chunks<'a>(bytes: &'a [u8], cuts: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = bytes;
    cuts.iter().cycle().map_while(move |len| {
        let (chunk, after) = rest.split_at_checked(*len).unwrap_or((rest, &[]));
        rest = after;
        (!chunk.is_empty()).then_some(chunk)
    })
}

pub(crate) fn encode(frames: &[Frame], masked: bool) -> Vec<u8> {
    let key = masked.then_some([0x11, 0xa2, 0x83, 0x54]);
    frames.iter().flat_map(|frame| frame.bytes(key)).collect()
}

/// Feeds everything and returns the boundaries at which the tracker stopped.
fn boundaries(tracker: &mut FrameTracker, bytes: &[u8], cuts: &[usize], stop: Stop) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = 0;
    for mut chunk in chunks(bytes, cuts) {
        while !chunk.is_empty() {
            let fed = tracker.feed(chunk, stop);
            at += fed.consumed;
            chunk = &chunk[fed.consumed..];
            match fed.halt {
                Halt::Boundary => found.push(at),
                Halt::Drained => assert!(chunk.is_empty()),
                other => panic!("{other:?} at {at}"),
            }
        }
    }
    found
}

proptest! {
    #[test]
    fn boundaries_and_counts_are_those_of_the_frames(
        frames in stream(), cuts in cuts(), masked: bool,
    ) {
        let bytes = encode(&frames, masked);
        let (mut all, mut whole, mut open, mut at) = (vec![], vec![], false, 0);
        for frame in &frames {
            at += encode(std::slice::from_ref(frame), masked).len();
            if frame.first & 8 == 0 {
                open = frame.first & 0x80 == 0;
            }
            all.push(at);
            whole.extend((!open).then_some(at));
        }
        let messages = frames.iter().filter(|frame| frame.first & 0x88 == 0x80).count() as u64;
        for (stop, expected) in [(Stop::Never, vec![]), (Stop::Frame, all), (Stop::Message, whole)] {
            let mut tracker = FrameTracker::new(masked, false);
            prop_assert_eq!(boundaries(&mut tracker, &bytes, &cuts, stop), expected);
            prop_assert_eq!(tracker.frames(), frames.len() as u64);
            prop_assert_eq!(tracker.messages(), messages);
            prop_assert!(tracker.at_message_boundary());
        }
    }

    #[test]
    fn pings_at_frame_boundaries_leave_a_legal_stream(frames in stream(), cuts in cuts()) {
        let bytes = encode(&frames, false);
        let ping = Frame::new(0x89, *b"still there?").bytes(None);
        let mut tracker = FrameTracker::new(false, false);
        let (mut out, mut from) = (Vec::new(), 0);
        let places = boundaries(&mut tracker, &bytes, &cuts, Stop::Frame);
        for place in &places {
            out.extend(&bytes[from..*place]);
            out.extend(&ping);
            from = *place;
        }
        let mut judge = FrameTracker::new(false, false);
        boundaries(&mut judge, &out, &cuts, Stop::Never);
        prop_assert_eq!(judge.messages(), tracker.messages());
        prop_assert_eq!(judge.frames(), tracker.frames() + places.len() as u64);
    }

    #[test]
    fn a_close_is_found_with_its_code(
        frames in stream(), cuts in cuts(), masked: bool, code in 1000u16..5000, text in 0usize..100,
    ) {
        let mut bytes = encode(&frames, masked);
        let payload = [&code.to_be_bytes()[..], &vec![b'x'; text][..]].concat();
        bytes.extend(encode(&[Frame::new(0x88, payload)], masked));
        let end = bytes.len();
        bytes.extend(b"what follows is no WebSocket");
        let mut tracker = FrameTracker::new(masked, false);
        let mut consumed = 0;
        for chunk in chunks(&bytes, &cuts) {
            consumed += tracker.feed(chunk, Stop::Never).consumed;
        }
        prop_assert_eq!(consumed, end);
        prop_assert_eq!(tracker.close_code(), Some(code));
    }

    #[test]
    fn any_bytes_are_judged_alike_however_they_are_cut(
        bytes in prop::collection::vec(any::<u8>(), 0..400), cuts in cuts(), masked: bool, extensions: bool,
    ) {
        let run = |cuts: &[usize]| {
            let mut tracker = FrameTracker::new(masked, extensions);
            for chunk in chunks(&bytes, cuts) {
                let fed = tracker.feed(chunk, Stop::Never);
                assert!(fed.consumed <= chunk.len());
                if fed.halt != Halt::Drained {
                    return (Some(fed.halt), tracker.frames(), tracker.messages());
                }
            }
            (None, tracker.frames(), tracker.messages())
        };
        prop_assert_eq!(run(&cuts), run(&[usize::MAX]));
    }
}

#[test]
fn forbidden_frames_are_refused_before_any_of_their_bytes() {
    use Violation::*;
    const TEXT: &[u8] = b"\x81\x02hi";
    const OPEN: &[u8] = b"\x01\x02hi";
    let from_server: &[(&[u8], &[u8], Violation)] = &[
        (TEXT, b"\xc1\x00", ReservedBits),
        (TEXT, b"\xa1\x00", ReservedBits),
        (TEXT, b"\x99\x00", ReservedBits),
        (TEXT, b"\x83\x00", Opcode),
        (TEXT, b"\x87\x00", Opcode),
        (TEXT, b"\x8b\x00", Opcode),
        (OPEN, b"\x8f\x00", Opcode),
        (OPEN, b"\x09\x00", FragmentedControl),
        (TEXT, b"\x08\x00", FragmentedControl),
        (TEXT, b"\x89\x7e\x00\x7e", LongControl),
        (TEXT, b"\x88\x7f\x00\x00\x00\x00\x00\x00\x00\x7e", LongControl),
        (TEXT, b"\x80\x00", StrayContinuation),
        (TEXT, b"\x00\x00", StrayContinuation),
        (OPEN, b"\x81\x00", MessageWithinMessage),
        (OPEN, b"\x02\x00", MessageWithinMessage),
        (TEXT, b"\x81\x80abcd", Masked),
        (TEXT, b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", Length),
    ];
    for (before, bad, violation) in from_server {
        let bytes = [*before, bad].concat();
        let fed = FrameTracker::new(false, false).feed(&bytes, Stop::Never);
        let expected = (before.len(), Halt::Violation(*violation));
        assert_eq!((fed.consumed, fed.halt), expected, "{bad:x?}");
    }
    let fed = FrameTracker::new(true, false).feed(b"\x81\x02hi", Stop::Never);
    assert_eq!((fed.consumed, fed.halt), (0, Halt::Violation(Unmasked)));
}

#[test]
fn what_extensions_change_is_the_reserved_bits_alone() {
    let mut tracker = FrameTracker::new(false, true);
    assert_eq!(tracker.feed(b"\xc1\x01x", Stop::Never).halt, Halt::Drained);
    let fed = tracker.feed(b"\xcb\x01x", Stop::Never);
    assert_eq!(fed.halt, Halt::Violation(Violation::Opcode));
}

#[test]
fn a_forbidden_header_that_began_in_an_earlier_chunk_leaves_no_boundary() {
    let mut tracker = FrameTracker::new(false, false);
    assert_eq!(tracker.feed(b"\x81\x00\x81", Stop::Never).consumed, 3);
    let fed = tracker.feed(b"\x80", Stop::Never);
    assert_eq!((fed.consumed, fed.halt), (0, Halt::Violation(Violation::Masked)));
    assert!(!tracker.at_frame_boundary());
}

#[test]
fn a_close_ahead_is_seen_in_time_to_say_our_own() {
    let mut tracker = FrameTracker::new(false, false);
    let fed = tracker.feed(b"\x01\x01x\x88\x00", Stop::Message);
    assert_eq!((fed.consumed, fed.halt), (3, Halt::CloseAhead));
    let fed = tracker.feed(b"\x88\x00", Stop::Never);
    assert_eq!((fed.consumed, fed.halt), (2, Halt::Closed));
    assert_eq!(tracker.close_code(), Some(1005));
}

#[test]
fn the_tracker_stays_small() {
    assert!(size_of::<FrameTracker>() <= 48);
}
