//! Which fault is which, and where the bounds are. That the reading is right is shown in `tests/http_framing.rs`
//! against another one, and in `tests/http_corpus.rs` by the whole proxy.

use super::*;

const BOUNDS: Bounds = Bounds {
    line: 64,
    head: 256,
    fields: 4,
};

const GET: &str = "GET / HTTP/1.1\r\n";

fn request(text: &str) -> Result<Progress, Fault> {
    RequestTracker::new(BOUNDS).read(text.as_bytes())
}

fn answer(asked: Asked, text: &str) -> Result<Progress, Fault> {
    let mut tracker = AnswerTracker::new(BOUNDS);
    tracker.ask(asked);
    read_on(&mut tracker, text.as_bytes())
}

/// Reads on behind interim answers.
fn read_on(tracker: &mut AnswerTracker, mut bytes: &[u8]) -> Result<Progress, Fault> {
    loop {
        let progress = tracker.read(bytes)?;
        bytes = &bytes[progress.taken..];
        if progress.part != Part::Interim || bytes.is_empty() {
            return Ok(progress);
        }
    }
}

const PLAIN: Asked = Asked {
    head: false,
    upgrade: false,
};

#[test]
fn faults_are_told_apart() {
    for (text, fault) in [
        ("GET / HTTP/2.0\r\n", Fault::Version),
        ("GET / HTTP/0.9\r\n", Fault::Version),
        ("PRI * HTTP/2.0\r\n", Fault::Version),
        (
            &format!("{GET}Transfer-Encoding: gzip, chunked\r\n\r\n"),
            Fault::Coding,
        ),
        (
            &format!("GET /{} HTTP/1.1\r\n", "a".repeat(64)),
            Fault::LineTooLong,
        ),
        (&"a".repeat(66), Fault::LineTooLong),
        (&format!("{GET}X: {}", "a".repeat(256)), Fault::HeadTooLarge),
        (&format!("{GET}{}", "X: y\r\n".repeat(5)), Fault::HeadTooLarge),
    ] {
        assert_eq!(request(text), Err(fault), "{text}");
    }
    for text in [
        "GET / HTTP/1.10\r\n",
        "GET /\r\n",
        "GET  / HTTP/1.1\r\n",
        "\r\n\r\n",
        "GET / HTTP/1.1\n",
        &format!("{GET}Transfer-Encoding: gzip\r\n\r\n"),
        &format!("{GET}Content-Length: 5, 5\r\n\r\n"),
    ] {
        assert!(matches!(request(text), Err(Fault::Malformed(_))), "{text}");
    }
}

#[test]
fn bounds_are_exact() {
    let line = format!("GET /{} HTTP/1.1", "a".repeat(64 - 14));
    assert_eq!(line.len(), 64);
    assert!(request(&format!("{line}\r\n")).is_ok());
    assert!(
        request(&format!("{line}\r")).is_ok(),
        "its CR does not count, wherever a read ends"
    );
    let fill = 256 - GET.len() - "X: \r\n\r\n".len();
    let head = format!("{GET}X: {}\r\n\r\n", "a".repeat(fill));
    assert!(request(&head).is_ok_and(|progress| progress.end));
    assert!(request(&format!("{GET}{}\r\n", "X: y\r\n".repeat(4))).is_ok_and(|progress| progress.end));
}

#[test]
fn a_fault_stays() {
    let mut tracker = RequestTracker::new(BOUNDS);
    assert_eq!(tracker.read(b"GET / HTTP/3.0\r\n"), Err(Fault::Version));
    tracker.next();
    assert_eq!(tracker.read(GET.as_bytes()), Err(Fault::Version));
    assert_eq!(tracker.fault(), Some(Fault::Version));
}

#[test]
fn the_next_request_waits() {
    let mut tracker = RequestTracker::new(BOUNDS);
    let both = format!("{GET}\r\n{GET}\r\n");
    let half = both.len() / 2;
    assert_eq!(tracker.read(both.as_bytes()), Ok(Progress::head(half, true)));
    assert_eq!(tracker.read(&both.as_bytes()[half..]), Ok(Progress::within(0)));
    tracker.next();
    assert!(tracker.is_in_head());
    assert_eq!(
        tracker.read(&both.as_bytes()[half..]),
        Ok(Progress::head(half, true))
    );
}

#[test]
fn a_101_ends_http_only_if_it_was_asked_for() {
    let switched = "HTTP/1.1 101 Switching Protocols\r\n\r\n\0\n\r";
    assert!(answer(PLAIN, switched).is_err());
    let asked = Asked {
        upgrade: true,
        ..PLAIN
    };
    let mut tracker = AnswerTracker::new(BOUNDS);
    tracker.ask(asked);
    let progress = tracker.read(switched.as_bytes());
    assert_eq!(progress, Ok(Progress::head(switched.len() - 3, false)));
    assert_eq!(tracker.read(b"\0\n\r"), Ok(Progress::within(3)));
}

#[test]
fn interim_answers_are_bounded() {
    let interim = "HTTP/1.1 103\r\n\r\n";
    let last = "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n";
    assert!(answer(PLAIN, &format!("{}{last}", interim.repeat(13))).is_ok());
    assert_eq!(
        answer(PLAIN, &format!("{}{last}", interim.repeat(14))),
        Err(Fault::HeadTooLarge),
        "together they have the room of one head"
    );
    let mut tracker = AnswerTracker::new(Bounds {
        head: 10_000,
        ..BOUNDS
    });
    tracker.ask(PLAIN);
    assert!(read_on(&mut tracker, interim.repeat(16).as_bytes()).is_ok());
    assert!(tracker.read(interim.as_bytes()).is_err());
}

#[test]
fn what_nobody_asked_for_is_no_answer() {
    let mut tracker = AnswerTracker::new(BOUNDS);
    assert!(tracker.read(b"HTTP/1.1 200 OK\r\n").is_err());
    assert!(!tracker.is_idle());
}
