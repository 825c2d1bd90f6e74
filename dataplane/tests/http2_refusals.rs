//! What HTTP/2 clients get wrong, by mistake or on purpose: a stream's mistake ends the stream, a flood ends the
//! connection, and neither costs much.
#![allow(clippy::unwrap_used, reason = "test")]

#[path = "fixture/h2_raw.rs"]
mod h2_raw;
#[path = "fixture/proxy.rs"]
mod proxy;
#[path = "fixture/raw.rs"]
mod raw;

use std::io::Write as _;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use dataplane::local::Limits;
use h2_raw::*;
use proxy::{Proxy, Rule};
use raw::Backend;
use tokio::time::Instant;

const PROTOCOL_ERROR: u8 = 1;
const FLOW_CONTROL_ERROR: u8 = 3;
const REFUSED_STREAM: u8 = 7;
const COMPRESSION_ERROR: u8 = 9;
const ENHANCE_YOUR_CALM: u8 = 11;

fn limits() -> Limits {
    Limits {
        h2c: true,
        ..Limits::default()
    }
}

fn start(backend: &Backend) -> Proxy {
    Proxy::with_limits(&[Rule::new("/", &[backend.address])], limits())
}

fn ok() -> Backend {
    Backend::canned("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
}

#[test]
fn settings_are_announced() {
    let proxy = start(&ok());
    let mut client = Raw::connect(proxy.address);
    client
        .send([PREFACE, &frame(SETTINGS, 0, 0, &[])].concat())
        .unwrap();
    let settings = client.until(|frame| frame.kind == SETTINGS).unwrap().payload;
    let value = |id: u16| {
        let pair = settings.chunks(6).find(|pair| pair[..2] == id.to_be_bytes())?;
        Some(u32::from_be_bytes(pair[2..].try_into().unwrap()))
    };
    assert_eq!(value(3), Some(250), "MAX_CONCURRENT_STREAMS");
    assert_eq!(value(4), Some(64 << 10), "INITIAL_WINDOW_SIZE");
    assert_eq!(value(6), Some(64 << 10), "MAX_HEADER_LIST_SIZE");
    assert_eq!(value(8), Some(1), "ENABLE_CONNECT_PROTOCOL");
    let window = client
        .until(|frame| frame.kind == WINDOW_UPDATE && frame.stream == 0)
        .unwrap();
    assert_eq!(window.payload, ((8u32 << 20) - 65_535).to_be_bytes());
}

/// A malformed request ends its stream, or is answered with 400, and the connection lives on; but for a few.
#[test]
fn malformed_requests_end_their_stream_only() {
    let backend = ok();
    let proxy = start(&backend);
    let method = |method| {
        let mut fields = GET.to_vec();
        fields[0].1 = method;
        fields
    };
    let without =
        |name: &str| -> Vec<(&str, &str)> { GET.iter().copied().filter(|field| field.0 != name).collect() };
    let (reset, refused) = (Fate::Reset(PROTOCOL_ERROR), Fate::Answered(400));
    // What h2 finds while it decodes, before it knows whose it is.
    let ended = Fate::GoAway(PROTOCOL_ERROR);
    let cases: Vec<(Vec<(&str, &str)>, Fate)> = vec![
        // Pseudo-fields (section 8.3).
        (without(":method"), reset),
        (without(":scheme"), reset),
        (without(":path"), reset),
        (without(":authority"), refused),
        (get(&[(":method", "GET")]), reset),
        (get(&[(":path", "/other")]), reset),
        (get(&[(":authority", "test.example")]), reset),
        (get(&[(":status", "200")]), reset),
        (get(&[(":unknown", "x")]), ended),
        (get(&[("x", "y"), (":late", "x")]), ended),
        (get(&[(":protocol", "websocket")]), reset),
        ([&[("x", "y")], &GET[..]].concat(), reset),
        (
            vec![
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "test.example"),
                (":path", ""),
            ],
            reset,
        ),
        (
            vec![
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "test.example"),
                (":path", "x"),
            ],
            reset,
        ),
        (
            vec![
                (":method", "OPTIONS"),
                (":scheme", "http"),
                (":authority", "test.example"),
                (":path", "*"),
            ],
            refused,
        ),
        (
            vec![
                (":method", "CONNECT"),
                (":authority", "test.example"),
                (":path", "/"),
            ],
            reset,
        ),
        (
            vec![
                (":method", "CONNECT"),
                (":protocol", "websocket"),
                (":authority", "test.example"),
            ],
            reset,
        ),
        (method(""), ended),
        (method("G T"), ended),
        (method("GET\r\nx: y"), ended),
        // What a request line of HTTP/1.1 may not have.
        (
            vec![
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "test.example"),
                (":path", "/a\u{a0}b"),
            ],
            refused,
        ),
        // Hosts.
        (get(&[("host", "other.example")]), refused),
        (
            get(&[("host", "test.example"), ("host", "test.example")]),
            refused,
        ),
        (
            vec![
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "u@test.example"),
                (":path", "/"),
            ],
            refused,
        ),
        (
            vec![
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "a b"),
                (":path", "/"),
            ],
            reset,
        ),
        (
            vec![
                (":method", "GET"),
                (":scheme", "ftp"),
                (":authority", "test.example"),
                (":path", "/"),
            ],
            refused,
        ),
        // Fields (section 8.2).
        (get(&[("X-Upper", "x")]), ended),
        (get(&[("connection", "close")]), reset),
        (get(&[("connection", "x-hop"), ("x-hop", "1")]), reset),
        (get(&[("keep-alive", "1")]), reset),
        (get(&[("proxy-connection", "close")]), reset),
        (get(&[("transfer-encoding", "chunked")]), reset),
        (get(&[("upgrade", "websocket")]), reset),
        (get(&[("te", "gzip")]), reset),
        (get(&[("x", " padded")]), refused),
        (get(&[("x", "padded\t")]), refused),
        // Lengths.
        (get(&[("content-length", "1")]), reset),
        (get(&[("content-length", "x")]), reset),
        (get(&[("content-length", "-1")]), reset),
    ];
    let mut client = Raw::open(proxy.address);
    let mut id = 1;
    let mut wrong = Vec::new();
    for (fields, expected) in cases {
        client.head(id, &fields, true);
        let fate = client.fate(id);
        if fate != expected {
            wrong.push((fields, fate, expected));
        }
        if matches!(fate, Fate::GoAway(_) | Fate::Closed) {
            client = Raw::open(proxy.address);
            id = 1;
        } else {
            id += 2;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    client.lives();
    client.head(id, &GET, true);
    assert_eq!(client.fate(id), Fate::Answered(200));
    assert_eq!(backend.connections(), 1, "none of the others went on");
}

/// Bytes that no field may have. hpack refuses them before it is known whose they are, so the connection ends.
#[test]
fn control_characters_go_nowhere() {
    let backend = ok();
    let proxy = start(&backend);
    for (name, value) in [
        (&b"x"[..], &b"a\r\nevil: 1"[..]),
        (b"x", b"a\nb"),
        (b"x", b"a\0b"),
        (b"x\r\nevil", b"1"),
        (b"x y", b"1"),
        (b"x:", b"1"),
        (b"", b"1"),
    ] {
        let mut client = Raw::open(proxy.address);
        let mut fields: Vec<(&[u8], &[u8])> = GET
            .iter()
            .map(|field| (field.0.as_bytes(), field.1.as_bytes()))
            .collect();
        fields.push((name, value));
        client.head(1, &fields, true);
        let fate = client.fate(1);
        let fine = [
            Fate::Reset(PROTOCOL_ERROR),
            Fate::GoAway(COMPRESSION_ERROR),
            Fate::GoAway(PROTOCOL_ERROR),
        ];
        assert!(fine.contains(&fate), "{name:?} {value:?}: {fate:?}");
    }
    // In a path or an authority, too.
    for (at, value) in [
        (3, "/a\r\nb"),
        (3, "/a b"),
        (3, "/\0"),
        (2, "test.example\r\nx"),
        (2, "test.example/x"),
    ] {
        let mut client = Raw::open(proxy.address);
        let mut fields = GET;
        fields[at].1 = value;
        client.head(1, &fields, true);
        let fate = client.fate(1);
        let gone = matches!(fate, Fate::Reset(_) | Fate::GoAway(_) | Fate::Answered(400));
        assert!(gone, "{value:?}: {fate:?}");
    }
    assert_eq!(backend.connections(), 0);
}

#[test]
fn a_body_must_have_the_length_that_it_says() {
    let proxy = start(&ok());
    let mut client = Raw::open(proxy.address);
    for (id, said, parts) in [
        (1, "4", &[6][..]),
        (3, "6", &[4]),
        (5, "6", &[4, 4]),
        (7, "0", &[1]),
    ] {
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "test.example"),
            (":path", "/"),
        ];
        client.head(id, &[&fields[..], &[("content-length", said)]].concat(), false);
        for (n, len) in parts.iter().enumerate() {
            let end = if n + 1 == parts.len() { END_STREAM } else { 0 };
            client.send(frame(DATA, end, id, &vec![b'x'; *len])).unwrap();
        }
        assert_eq!(client.fate(id), Fate::Reset(PROTOCOL_ERROR), "{said} {parts:?}");
    }
    client.lives();
}

#[test]
fn a_body_that_a_reset_cuts_never_seems_whole() {
    let (told, heard) = sync_channel(10);
    let backend = Backend::start(move |_, mut peer| {
        peer.head();
        let _ = told.send(vec![]);
        // A reset is an end that nobody takes for a clean one.
        let _ = told.send(peer.rest().unwrap_or_default());
    });
    let proxy = start(&backend);
    let hear = || heard.recv_timeout(Duration::from_secs(20)).unwrap();
    for reason in [0, 8] {
        for _ in 0..20 {
            let mut client = Raw::open(proxy.address);
            let mut post = GET.to_vec();
            post[0].1 = "POST";
            client.head(1, &post, false);
            hear();
            let cut = [
                frame(DATA, 0, 1, b"half"),
                frame(RST_STREAM, 0, 1, &[0, 0, 0, reason]),
            ];
            client.send(cut.concat()).unwrap();
            let rest = hear();
            assert!(!rest.ends_with(b"0\r\n\r\n"), "{reason}: a clean end");
            client.lives();
        }
    }
}

#[test]
fn too_many_streams_are_refused() {
    let backend = Backend::start(|_, mut peer| {
        peer.head();
        thread::sleep(Duration::from_secs(30));
    });
    let proxy = start(&backend);
    let mut client = Raw::open(proxy.address);
    for n in 0..251 {
        client.head(1 + 2 * n, &GET, true);
    }
    assert_eq!(client.fate(1 + 2 * 250), Fate::Reset(REFUSED_STREAM));
    client.lives();
}

/// A head without a body that is larger than a frame.
fn in_pieces(client: &mut Raw, stream: u32, block: &[u8]) {
    let pieces: Vec<&[u8]> = block.chunks(16 << 10).collect();
    for (n, piece) in pieces.iter().enumerate() {
        let (kind, first) = if n == 0 {
            (HEADERS, END_STREAM)
        } else {
            (CONTINUATION, 0)
        };
        let last = if n + 1 == pieces.len() { END_HEADERS } else { 0 };
        client.send(frame(kind, first | last, stream, piece)).unwrap();
    }
}

#[test]
fn too_large_heads_are_refused() {
    let proxy = start(&ok());
    let mut client = Raw::open(proxy.address);
    let large = "x".repeat(15 << 10);
    let block = block(
        &[
            &GET[..],
            &[
                ("a", &large[..]),
                ("b", &large),
                ("c", &large),
                ("d", &large),
                ("e", &large),
            ],
        ]
        .concat(),
    );
    in_pieces(&mut client, 1, &block);
    assert_eq!(client.fate(1), Fate::Answered(431));
    client.lives();
    let path = format!("/{}", "x".repeat(20 << 10));
    in_pieces(
        &mut client,
        3,
        &h2_raw::block(&[GET[0], GET[1], GET[2], (":path", &path)]),
    );
    assert_eq!(client.fate(3), Fate::Answered(414));
    client.lives();
}

/// Sends the same until the connection ends, or it was taken `times` times; says how it ended.
fn flood(proxy: &Proxy, opening: &[u8], bytes: impl Fn(u32) -> Vec<u8>, times: u32) -> Option<u8> {
    let mut client = Raw::open(proxy.address);
    client.send(opening).unwrap();
    let mut reader = Raw {
        stream: client.stream.try_clone().unwrap(),
    };
    let ended = thread::spawn(move || {
        let goaway = reader.until(|frame| frame.kind == GOAWAY && frame.payload[7] != 0);
        goaway.map(|frame| frame.payload[7])
    });
    for n in 0..times {
        if client.send(bytes(n)).is_err() || ended.is_finished() {
            break;
        }
    }
    let begun = Instant::now();
    while !ended.is_finished() && begun.elapsed() < Duration::from_secs(5) {
        thread::sleep(Duration::from_millis(10));
    }
    if ended.is_finished() {
        // Nothing came for too long: it has no end.
        return ended.join().unwrap_or_default();
    }
    // Ends the reader, which still waits.
    client.stream.shutdown(std::net::Shutdown::Both).unwrap();
    let _ = ended.join();
    None
}

#[test]
fn floods_end_in_goaway() {
    let backend = ok();
    let proxy = start(&backend);
    let head = |id: u32| frame(HEADERS, END_HEADERS, id, &block(&GET));
    let calm = Some(ENHANCE_YOUR_CALM);
    let ping = frame(PING, 0, 0, &[0; 8]);
    assert_eq!(flood(&proxy, &[], |_| ping.repeat(100), 10_000), calm, "PING");
    let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]);
    assert_eq!(
        flood(&proxy, &[], |_| settings.repeat(100), 10_000),
        calm,
        "SETTINGS"
    );
    let priority = frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1]);
    assert_eq!(
        flood(&proxy, &[], |_| priority.repeat(100), 10_000),
        calm,
        "PRIORITY"
    );
    let window = frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]);
    assert_eq!(
        flood(&proxy, &[], |_| window.repeat(100), 10_000),
        calm,
        "WINDOW_UPDATE"
    );
    let unknown = frame(0xbe, 0, 0, b"?");
    assert_eq!(
        flood(&proxy, &[], |_| unknown.repeat(100), 10_000),
        calm,
        "unknown frames"
    );
    let empty = frame(DATA, 0, 1, &[]);
    assert_eq!(
        flood(&proxy, &head(1), |_| empty.repeat(100), 10_000),
        calm,
        "empty DATA"
    );
    // Requests that are taken back at once, and in a second segment (CVE-2023-44487).
    let cancel = |id| frame(RST_STREAM, 0, id, &[0, 0, 0, 8]);
    let both = |n: u32| {
        (0..100).flat_map(move |m| [head(1 + 2 * (100 * n + m)), cancel(1 + 2 * (100 * n + m))].concat())
    };
    assert_eq!(
        flood(&proxy, &[], |n| both(n).collect(), 10_000),
        calm,
        "rapid reset"
    );
    let slowly = |n: u32| {
        thread::sleep(Duration::from_millis(1));
        let id = 1 + n / 2 * 2;
        if n.is_multiple_of(2) { head(id) } else { cancel(id) }
    };
    let slow_backend = Backend::start(|_, mut peer| {
        let _ = peer.rest();
    });
    let slow = start(&slow_backend);
    assert_eq!(flood(&slow, &[], slowly, 10_000), calm, "paced reset");
    // Streams that are reset for their mistakes.
    let wrong = |n: u32| {
        frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            1 + 2 * n,
            &block(&[(":method", "GET")]),
        )
    };
    assert_eq!(flood(&proxy, &[], wrong, 10_000), calm, "mistakes");
    // A head that never ends, and one that has nothing in it (CVE-2024-27316).
    let begin = frame(HEADERS, END_STREAM, 1, &block(&GET));
    let more = frame(CONTINUATION, 0, 1, &block(&[("x", "y".repeat(1000))]));
    let ended = flood(&proxy, &begin, |_| more.clone(), 10_000);
    assert!(ended.is_some(), "CONTINUATION: {ended:?}");
    let nothing = frame(CONTINUATION, 0, 1, &[]);
    let ended = flood(&proxy, &begin, |_| nothing.repeat(100), 10_000);
    assert!(ended.is_some(), "empty CONTINUATION: {ended:?}");
    // Names without a letter (CVE-2019-9516).
    let zero = |n: u32| {
        frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            1 + 2 * n,
            &block(&[("", ""); 100]),
        )
    };
    let ended = flood(&proxy, &[], zero, 10_000);
    assert!(ended.is_some(), "empty fields: {ended:?}");
    // The worker is as well as before.
    let mut client = Raw::open(proxy.address);
    client.head(1, &GET, true);
    assert_eq!(client.fate(1), Fate::Answered(200));
}

/// Work is no noise: thousands of requests, answers, and the frames that belong to them.
#[test]
fn a_busy_client_is_no_flood() {
    let proxy = start(&ok());
    let mut client = Raw::open(proxy.address);
    for n in 0..5_000 {
        client.head(1 + 2 * n, &GET, true);
        // h2 may use its table for the second status on.
        let answer = client.until(|frame| frame.stream == 1 + 2 * n && frame.flags & END_STREAM != 0);
        let len = answer.expect("an answer").payload.len() as u32;
        for stream in [0, 1 + 2 * n] {
            client
                .send(frame(WINDOW_UPDATE, 0, stream, &len.to_be_bytes()))
                .unwrap();
        }
        if n % 10 == 0 {
            client.lives();
        }
    }
}

#[test]
fn windows_are_no_way_around_limits() {
    let proxy = start(&ok());
    // An overflow (section 6.9.1), and none at all.
    let mut client = Raw::open(proxy.address);
    client
        .send(frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffffu32.to_be_bytes()))
        .unwrap();
    assert_eq!(client.goaway(), FLOW_CONTROL_ERROR);
    let mut client = Raw::open(proxy.address);
    client.send(frame(WINDOW_UPDATE, 0, 0, &[0; 4])).unwrap();
    assert_eq!(client.goaway(), PROTOCOL_ERROR);
    // More than the stream's window.
    let stuck = Backend::start(|_, mut peer| {
        peer.head();
        thread::sleep(Duration::from_secs(30));
    });
    let proxy = start(&stuck);
    let mut client = Raw::open(proxy.address);
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "test.example"),
        (":path", "/"),
    ];
    client.head(1, &fields, false);
    let mut reader = Raw {
        stream: client.stream.try_clone().unwrap(),
    };
    let ended = thread::spawn(move || reader.fate(1));
    let part = frame(DATA, 0, 1, &[7; 16 << 10]);
    for _ in 0..10_000 {
        if client.send(&part).is_err() || ended.is_finished() {
            break;
        }
    }
    let ended = ended.join().unwrap();
    assert!(
        matches!(
            ended,
            Fate::GoAway(FLOW_CONTROL_ERROR) | Fate::Reset(FLOW_CONTROL_ERROR)
        ),
        "{ended:?}"
    );
}

/// A client that reads nothing is cut, with all that waits for it.
#[test]
fn a_client_that_reads_nothing_is_cut() {
    // Together more than the kernels on both sides take.
    const STREAMS: u32 = 240;
    let backend = Backend::start(|_, mut peer| {
        peer.head();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 16777216\r\n\r\n");
        while peer.stream.write_all(&[7; 16 << 10]).is_ok() {}
    });
    let brief = Limits {
        write_timeout: Duration::from_secs(1),
        ..limits()
    };
    let proxy = Proxy::with_limits(&[Rule::new("/", &[backend.address])], brief);
    let mut client = Raw::open(proxy.address);
    // Windows without end, so that only the socket is full.
    let window = [&[0, 4][..], &0x7fff_ffffu32.to_be_bytes()].concat();
    client.send(frame(SETTINGS, 0, 0, &window)).unwrap();
    let window = 0x7fff_0000u32.to_be_bytes();
    client.send(frame(WINDOW_UPDATE, 0, 0, &window)).unwrap();
    for n in 0..STREAMS {
        client.head(1 + 2 * n, &GET, true);
    }
    for _ in 0..STREAMS {
        let record = proxy.record();
        assert!(record["bytes_to_client"].as_u64() < Some(8 << 20), "{record}");
    }
    // What the kernel has, and then a reset.
    let mut total = 0;
    while let Some(frame) = client.frame() {
        total += frame.payload.len();
    }
    assert!(total < 32 << 20, "{total} bytes");
}
