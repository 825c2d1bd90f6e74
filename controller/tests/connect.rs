//! `holdfast connect` against an independent WebSocket server and against peers that misbehave.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};

fn connect(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .arg("connect")
        .args(arguments)
        .output()
        .expect("run")
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Serves one connection with `serve` on a thread of its own.
fn peer(serve: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address");
    thread::spawn(move || serve(listener.accept().expect("accept").0));
    address
}

/// A peer that reads the request's head, answers with `bytes` and then waits for the end.
fn raw(bytes: impl Into<Vec<u8>>) -> SocketAddr {
    let bytes = bytes.into();
    peer(move |mut stream| {
        read_head(&mut stream);
        // A client that has read enough may be gone.
        let _ = stream.write_all(&bytes);
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("head");
        head.extend(byte);
    }
    String::from_utf8(head).expect("text")
}

#[test]
#[expect(clippy::result_large_err, reason = "the library's callback type")]
fn shows_the_phases_of_a_session() {
    let address = peer(|stream| {
        let answer = |request: &Request, mut response: Response| {
            assert_eq!(request.headers()["host"], "chat.example.com");
            assert_eq!(request.headers()["x-a"], "b");
            assert_eq!(request.headers()["sec-websocket-protocol"], "v2, v1");
            response
                .headers_mut()
                .insert("sec-websocket-protocol", "v1".parse().expect("value"));
            Ok(response)
        };
        let mut socket = tungstenite::accept_hdr(stream, answer).expect("handshake");
        socket.send(Message::text("welcome\u{1b}[2J")).expect("welcome");
        loop {
            match socket.read() {
                Ok(message @ Message::Text(_)) => socket.send(message).expect("echo"),
                Ok(Message::Close(frame)) => {
                    assert_eq!(frame.map(|frame| u16::from(frame.code)), Some(4321));
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    });
    let url = format!("ws://127.0.0.1:{}/echo?a=b", address.port());
    let output = connect(&[
        &url,
        "-H",
        "X-A: b",
        "--host",
        "chat.example.com",
        "--subprotocol",
        "v2",
        "--subprotocol",
        "v1",
        "--message",
        "hello",
        "--count",
        "3",
        "--close",
        "4321",
    ]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for line in [
        "> GET /echo?a=b HTTP/1.1",
        "> Host: chat.example.com",
        "> X-A: b",
        "< HTTP/1.1 101 Switching Protocols",
        "< welcome\\u{1b}[2J",
        "> hello",
        "< hello",
        "> Close 4321",
        "< Close 4321",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}: {text}");
    }
    for part in [
        "* connected to 127.0.0.1:",
        "subprotocol: v1; extensions: none",
        "* ping answered in ",
        "* 3 rounds: ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn resolve_overrides_the_name_and_keeps_the_host() {
    let address = peer(|stream| {
        let mut socket = tungstenite::accept(stream).expect("handshake");
        while socket.read().is_ok() {}
    });
    let output = connect(&["ws://no.such.name.invalid/", "--resolve", &address.to_string()]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("> Host: no.such.name.invalid\n"));
    let output = connect(&["ws://no.such.name.invalid/"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("'no.such.name.invalid' does not resolve"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_refusal_shows_status_reason_and_body() {
    let address = raw(
        "HTTP/1.1 503 Service Unavailable\r\nHoldfast-Reason: NoReadyEndpoints\r\n\
        Content-Length: 24\r\n\r\nno endpoint\nis ready\x1b[2J",
    );
    let output = connect(&[&format!("ws://{address}/")]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in [
        "< HTTP/1.1 503 Service Unavailable\n",
        "\nno endpoint\nis ready\\u{1b}[2J\n",
        "! refused with 503, reason NoReadyEndpoints after ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn peers_that_answer_wrongly_are_findings() {
    let up = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n";
    let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    let cases = [
        (
            "SSH-2.0-OpenSSH_9.6\r\n".to_owned(),
            "the answer is not HTTP/1: it begins with 'SSH-2.0-OpenSSH_9.6\\r\\n'",
        ),
        (
            "HTTP/1.1 101 ".to_owned() + &"x".repeat(200_000),
            "the answer's head is longer than",
        ),
        (format!("{up}\r\n"), "the 101 must carry 'Upgrade: websocket'"),
        (
            format!("{up}Upgrade: websocket\r\n\r\n"),
            "the 101 must carry 'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo='",
        ),
        (
            format!("{up}Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"),
            "Sec-WebSocket-Accept is 'x' and must be",
        ),
        (
            format!("{up}Upgrade: WebSocket\r\n{accept}Sec-WebSocket-Protocol: v9\r\n\r\n"),
            "subprotocol 'v9', which was not offered",
        ),
        (
            format!("{up}Upgrade: WebSocket\r\n{accept}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
            "the extension 'permessage-deflate', which was not offered",
        ),
        // A frame with a reserved opcode.
        (
            format!("{up}Upgrade: websocket\r\n{accept}\r\n\u{3}\u{0}"),
            "the session broke before the Pong",
        ),
    ];
    for (answer, says) in cases {
        let address = raw(answer);
        let output = connect(&[
            &format!("ws://{address}/"),
            "-H",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "--timeout",
            "5s",
        ]);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(says), "{says}: {text}");
    }
}

#[test]
fn silence_and_sudden_ends_are_findings() {
    let silent = peer(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let output = connect(&[&format!("ws://{silent}/"), "--timeout", "200ms"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("! no answer within 200ms"),
        "{}",
        said(&output)
    );

    let hasty = peer(|mut stream| drop(read_head(&mut stream)));
    let output = connect(&[&format!("ws://{hasty}/")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("! the connection ended before a whole answer came"),
        "{}",
        said(&output)
    );

    // Opens, and never answers a Ping.
    let deaf = peer(|stream| {
        let mut socket = tungstenite::accept(stream).expect("handshake");
        let _ = socket.get_mut().read_to_end(&mut Vec::new());
    });
    let output = connect(&[&format!("ws://{deaf}/"), "--timeout", "300ms"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("! no Pong within 300ms"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_close_by_the_peer_is_shown() {
    let address = peer(|stream| {
        let mut socket = tungstenite::accept(stream).expect("handshake");
        socket
            .get_mut()
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("timeout");
        socket
            .close(Some(CloseFrame {
                code: 1012.into(),
                reason: "moving".into(),
            }))
            .expect("close");
        while socket.read().is_ok() {}
    });
    let output = connect(&[&format!("ws://{address}/")]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("< Close 1012 'moving'\n! the session ended before the Pong\n"),
        "{text}"
    );
}

#[test]
fn unreachable_and_usage_exit_with_2() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        format!("ws://{}/", listener.local_addr().expect("address"))
    };
    let secure = closed.replacen("ws", "wss", 1);
    for (arguments, says) in [
        (&[closed.as_str()][..], "Connection refused"),
        (&[secure.as_str()], "Connection refused"),
        (
            &[&secure, "--ca", "absent.pem", "--insecure"],
            "cannot be used with",
        ),
        (&["localhost:8080"], "must begin with 'ws://'"),
        (&[&closed, "--close", "1006"], "must be 1000 to 1014"),
        (&[&closed, "-H", "no colon"], "must be 'name: value'"),
        (
            &[&closed, "--timeout", "5"],
            "must be a duration string such as '1h'; write '5s'",
        ),
        (&[&closed, "--resolve", "localhost"], "must be IP or IP:PORT"),
        (&[&closed, "--count", "0"], "0 is not in"),
        (&[], "required"),
    ] {
        let output = connect(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(says), "{arguments:?}: {}", said(&output));
    }
}
