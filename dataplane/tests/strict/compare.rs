//! Two readings of the same bytes: the tracker, to whom they come in pieces, and the naive one.

use dataplane::framing::{AnswerTracker, Asked, Bounds, Part, Progress, RequestTracker};

use super::naive::{self, Read, Room};

/// Small, so that its ends are reached.
pub(crate) const ROOM: Room = Room {
    line: 60,
    head: 400,
    fields: 8,
};

const BOUNDS: Bounds = Bounds {
    line: ROOM.line,
    head: ROOM.head,
    fields: ROOM.fields,
};

/// Heads and ends of messages, as positions in the stream, and what their bodies hold.
pub(crate) type Messages = Vec<(usize, usize, Vec<u8>)>;

/// Cuts bytes at `cuts`, taken modulo their number.
fn pieces<'a>(bytes: &'a [u8], cuts: &[u16]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts
        .iter()
        .map(|&cut| usize::from(cut) % (bytes.len() + 1))
        .collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// Feeds pieces to a tracker; gives the complete messages. Stops where it does.
fn track(
    pieces: &[&[u8]],
    mut read: impl FnMut(&[u8]) -> Option<Progress>,
    mut next: impl FnMut(),
) -> Messages {
    let (mut at, mut head, mut found) = (0, 0, Vec::new());
    let (mut in_head, mut content) = (true, Vec::new());
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let Some(progress) = read(rest) else { return found };
            assert!(progress.taken > 0 && progress.taken <= rest.len(), "{progress:?}");
            at += progress.taken;
            let (part, behind) = rest.split_at(progress.taken);
            rest = behind;
            match progress.part {
                Part::Head => (head, in_head) = (at, false),
                Part::Content => content.extend_from_slice(part),
                Part::Interim => {}
                Part::Framing => assert!(!in_head || rest.is_empty(), "{progress:?}"),
            }
            if progress.end {
                found.push((head, at, std::mem::take(&mut content)));
                in_head = true;
                next();
            }
        }
    }
    found
}

/// The requests in a stream, by the tracker.
pub(crate) fn tracked_requests(bytes: &[u8], cuts: &[u16]) -> Messages {
    let tracker = std::cell::RefCell::new(RequestTracker::new(BOUNDS));
    let read = |rest: &[u8]| tracker.borrow_mut().read(rest).ok();
    track(&pieces(bytes, cuts), read, || tracker.borrow_mut().next())
}

/// The answers in a stream, by the tracker.
pub(crate) fn tracked_answers(bytes: &[u8], cuts: &[u16], head: bool) -> Messages {
    let asked = Asked { head, upgrade: false };
    let tracker = std::cell::RefCell::new(AnswerTracker::new(BOUNDS));
    tracker.borrow_mut().ask(asked);
    let read = |rest: &[u8]| tracker.borrow_mut().read(rest).ok();
    track(&pieces(bytes, cuts), read, || tracker.borrow_mut().ask(asked))
}

/// The messages in a stream, by the naive reading.
fn naive(bytes: &[u8], read: impl Fn(&[u8]) -> Read) -> Messages {
    let (mut at, mut found) = (0, Vec::new());
    while let Read::Whole(message) = read(&bytes[at..]) {
        found.push((at + message.head, at + message.whole, message.body));
        at += message.whole;
    }
    found
}

/// Both readings of requests agree, however the bytes come.
pub(crate) fn requests_agree(bytes: &[u8], cuts: &[u16]) -> Messages {
    let slowly = naive(bytes, |rest| naive::request(rest, ROOM));
    assert_eq!(
        tracked_requests(bytes, &[]),
        slowly,
        "at once: {}",
        bytes.escape_ascii()
    );
    assert_eq!(
        tracked_requests(bytes, cuts),
        slowly,
        "at {cuts:?}: {}",
        bytes.escape_ascii()
    );
    slowly
}

/// Both readings of answers agree, however the bytes come.
pub(crate) fn answers_agree(bytes: &[u8], cuts: &[u16], head: bool) -> Messages {
    let slowly = naive(bytes, |rest| naive::answer(rest, ROOM, head));
    assert_eq!(
        tracked_answers(bytes, &[], head),
        slowly,
        "at once: {}",
        bytes.escape_ascii()
    );
    assert_eq!(
        tracked_answers(bytes, cuts, head),
        slowly,
        "at {cuts:?}: {}",
        bytes.escape_ascii()
    );
    slowly
}
