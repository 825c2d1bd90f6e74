//! The strict reading against a second one that shares nothing with it: damaged streams, cut anywhere, have the
//! same messages by both.
#![allow(clippy::unwrap_used, reason = "test")]

#[path = "strict/compare.rs"]
mod compare;
#[path = "strict/naive.rs"]
mod naive;

use compare::{answers_agree, requests_agree};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};

/// Requests that are right.
const REQUESTS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\nGET /b?c HTTP/1.0\r\nHost: a\r\nX-Empty:\r\nX: \xe4\t \r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\ncontent-length: 0\r\nHost: a\r\n\r\n",
    b"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"PUT /x HTTP/1.1\r\nTransfer-Encoding:\tChunked \r\n\r\n0a;x=\"y\"\r\n0123456789\r\n1\r\nz\r\n00\r\nX-End: 1\r\nY: 2\r\n\r\n",
];

/// Answers that are right.
const ANSWERS: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 204\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.0 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 \r\nContent-Length: 1, 1\r\n\r\nx",
    b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: until the end\r\n\r\nhello",
];

/// Pieces that matter to some parser.
const PIECES: &[&[u8]] = &[
    b"\r",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"\t",
    b"\x0b",
    b":",
    b",",
    b";",
    b"0",
    b"1",
    b"f",
    b"-",
    b"+",
    b"\x7f",
    b"\x80",
    b"#",
    b"chunked",
    b"identity",
    b"\r\n folded",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n",
    b"HTTP/1.1",
    b"HTTP/2.0",
    b"\r\nContent-Length: 5",
    b"\r\nContent-Length: 6",
    b"\r\nContent-Length: 5, 5",
    b"\r\nTransfer-Encoding: chunked",
    b"\r\nTransfer-Encoding: gzip, chunked",
    b"\r\nTransfer-Encoding : chunked",
    b"\r\nX: y",
    b"HTTP/1.1 100 Go\r\n\r\n",
    b"0123456789012345678901234567890123456789012345678901234567890123456789",
    b"GET /smuggled HTTP/1.1\r\nHost: b\r\n\r\n",
];

/// A change to a stream.
#[derive(Clone, Debug)]
enum Edit {
    Insert(Index, &'static [u8]),
    Replace(Index, &'static [u8]),
    Flip(Index, u8),
    Delete(Index, usize),
    Double(Index, usize),
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let len = bytes.len();
        match self {
            Self::Insert(at, piece) => {
                let at = at.index(len + 1);
                bytes.splice(at..at, piece.iter().copied());
            }
            Self::Replace(at, piece) if len > 0 => {
                let at = at.index(len);
                bytes.splice(at..(at + piece.len()).min(len), piece.iter().copied());
            }
            Self::Flip(at, bits) if len > 0 => bytes[at.index(len)] ^= bits,
            Self::Delete(at, size) if len > 0 => {
                let at = at.index(len);
                bytes.drain(at..(at + size).min(len));
            }
            Self::Double(at, size) if len > 0 => {
                let at = at.index(len);
                let part = bytes[at..(at + size).min(len)].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {}
        }
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), select(PIECES)).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        2 => (at(), select(PIECES)).prop_map(|(at, piece)| Edit::Replace(at, piece)),
        2 => (at(), any::<u8>()).prop_map(|(at, bits)| Edit::Flip(at, bits)),
        2 => (at(), 1..4_usize).prop_map(|(at, size)| Edit::Delete(at, size)),
        1 => (at(), 1..40_usize).prop_map(|(at, size)| Edit::Double(at, size)),
    ]
}

/// Streams of messages, most of them damaged.
fn stream(messages: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    (vec(select(messages), 1..4), vec(edit(), 0..5)).prop_map(|(messages, edits)| {
        let mut bytes = messages.concat();
        edits.iter().for_each(|edit| edit.apply(&mut bytes));
        bytes
    })
}

fn cuts() -> impl Strategy<Value = Vec<u16>> {
    prop_oneof![vec(any::<u16>(), 0..6), Just((0..700).collect())]
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn requests_are_read_in_one_way() {
    let (mut complete, mut damaged) = (0, 0);
    let seen = std::cell::RefCell::new((&mut complete, &mut damaged));
    runner(15_000)
        .run(&(stream(REQUESTS), cuts()), |(bytes, cuts)| {
            let found = requests_agree(&bytes, &cuts);
            let mut seen = seen.borrow_mut();
            *seen.0 += found.len();
            *seen.1 += usize::from(found.last().is_none_or(|(_, end, _)| *end < bytes.len()));
            Ok(())
        })
        .unwrap();
    assert!(
        complete > 2_000 && damaged > 2_000,
        "{complete} complete, {damaged} damaged"
    );
}

#[test]
fn answers_are_read_in_one_way() {
    runner(15_000)
        .run(
            &(stream(ANSWERS), cuts(), any::<bool>()),
            |(bytes, cuts, head)| {
                answers_agree(&bytes, &cuts, head);
                Ok(())
            },
        )
        .unwrap();
}

#[test]
fn what_is_right_is_read_to_its_end() {
    let every: Vec<u16> = (0..1000).collect();
    for request in REQUESTS {
        assert_eq!(requests_agree(request, &every).last().unwrap().1, request.len());
    }
    for answer in &ANSWERS[..5] {
        assert_eq!(
            answers_agree(answer, &every, false).last().unwrap().1,
            answer.len()
        );
    }
    assert_eq!(answers_agree(ANSWERS[5], &every, false), []);
}
