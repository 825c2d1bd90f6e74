//! What goes in comes out: sizes, fragments, early bytes, Close codes.

use dataplane::session::{EndedBy, Outcome};
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, Role, WebSocket};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role as Part, WebSocketConfig};

use crate::rig::{Options, frame, settings, worker};

async fn tungstenite(stream: TcpStream, part: Part) -> WebSocketStream<TcpStream> {
    let config = WebSocketConfig::default()
        .max_message_size(None)
        .max_frame_size(None);
    WebSocketStream::from_raw_socket(stream, part, Some(config)).await
}

/// An echo made with another library than the client.
async fn fast_echo(stream: TcpStream) {
    let mut socket = WebSocket::after_handshake(stream, Role::Server);
    socket.set_max_message_size(64 << 20);
    let mut socket = FragmentCollector::new(socket);
    while let Ok(message) = socket.read_frame().await {
        if message.opcode == OpCode::Close {
            break;
        }
        if matches!(message.opcode, OpCode::Text | OpCode::Binary) {
            socket.write_frame(message).await.unwrap();
        }
    }
}

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|index| b'a' + (index * 7 % 26) as u8).collect()
}

#[test]
fn messages_of_any_size_come_back() {
    worker(settings(), |rig| async move {
        let (client, backend) = rig.plain().await;
        tokio::task::spawn_local(fast_echo(backend));
        let mut client = tungstenite(client, Part::Client).await;
        let sizes = [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 1 << 20, 16 << 20];
        for size in sizes {
            let text = String::from_utf8(payload(size)).unwrap();
            for message in [Message::text(text), Message::binary(payload(size))] {
                let (mut sink, mut stream) = (&mut client).split();
                let (sent, back) = tokio::join!(sink.send(message.clone()), stream.next());
                sent.unwrap();
                assert!(back.unwrap().unwrap() == message, "{size}");
            }
        }
        client.close(None).await.unwrap();
        while client.next().await.is_some() {}
        let end = rig.end().await;
        assert_eq!(end.from_client.messages, 2 * sizes.len() as u64);
        assert_eq!(end.from_upstream.messages, 2 * sizes.len() as u64);
        assert_eq!((end.ended_by, end.outcome), (EndedBy::Client, Outcome::Closed));
        let totals = rig.table.totals();
        assert_eq!(totals.from_client, end.from_client);
        assert_eq!(totals.from_upstream, end.from_upstream);
    });
}

#[test]
fn fragments_and_pings_pass_in_order() {
    worker(settings(), |rig| async move {
        let (client, backend) = rig.plain().await;
        let mut client = WebSocket::after_handshake(client, Role::Client);
        client.set_auto_pong(false);
        let mut backend = tungstenite(backend, Part::Server).await;
        let part = |fin, op, text: &'static [u8]| Frame::new(fin, op, None, Payload::from(text));
        let frames = [
            part(false, OpCode::Text, b"one "),
            part(true, OpCode::Ping, b"between"),
            part(false, OpCode::Continuation, b"two "),
            part(true, OpCode::Continuation, b"three"),
        ];
        for frame in frames {
            client.write_frame(frame).await.unwrap();
        }
        let ping = backend.next().await.unwrap().unwrap();
        assert_eq!(ping, Message::Ping("between".into()));
        let text = backend.next().await.unwrap().unwrap();
        assert_eq!(text, Message::text("one two three"));
        let pong = client.read_frame().await.unwrap();
        assert_eq!((pong.opcode, &pong.payload[..]), (OpCode::Pong, &b"between"[..]));
        backend
            .send(Message::Ping("from the server".into()))
            .await
            .unwrap();
        let ping = client.read_frame().await.unwrap();
        assert_eq!(
            (ping.opcode, &ping.payload[..]),
            (OpCode::Ping, &b"from the server"[..])
        );
    });
}

#[test]
fn bytes_behind_the_handshake_come_first() {
    worker(settings(), |rig| async move {
        // More than a buffer, and cut in the middle of a frame.
        let from_client = frame(0x82, &payload(200_000), true);
        let from_backend = frame(0x81, b"welcome", false);
        let (early_client, late_client) = from_client.split_at(150_000);
        let (early_backend, late_backend) = from_backend.split_at(5);
        let options = Options {
            client_bytes: early_client.to_vec(),
            backend_bytes: early_backend.to_vec(),
            ..Options::default()
        };
        let (mut client, mut backend) = rig.session(options).await;
        client.write_all(late_client).await.unwrap();
        backend.write_all(late_backend).await.unwrap();
        let mut received = vec![0; from_client.len()];
        backend.read_exact(&mut received).await.unwrap();
        assert!(received == from_client);
        let mut received = vec![0; from_backend.len()];
        client.read_exact(&mut received).await.unwrap();
        assert_eq!(received, from_backend);
        drop((client, backend));
        assert_eq!(rig.end().await.from_client.messages, 1);
    });
}

#[test]
fn early_bytes_are_judged_like_all_others() {
    worker(settings(), |rig| async move {
        let options = Options {
            client_bytes: b"\x81\x02hi".to_vec(),
            ..Options::default()
        };
        let (mut client, backend) = rig.session(options).await;
        let mut backend = tungstenite(backend, Part::Server).await;
        let told = backend.next().await.unwrap().unwrap();
        assert!(matches!(told, Message::Close(Some(frame)) if frame.code == CloseCode::Away));
        while backend.next().await.is_some() {}
        let (code, _) = crate::rig::read_close(&mut client).await;
        assert_eq!(code, 1002);
        drop(client);
        assert!(matches!(rig.end().await.outcome, Outcome::ProtocolError { .. }));
    });
}

async fn until_end(mut socket: WebSocketStream<TcpStream>) {
    while socket.next().await.is_some() {}
}

#[test]
fn close_codes_pass_both_ways() {
    worker(settings(), |rig| async move {
        for code in [1000, 1001, 1003, 1011, 1013, 3000, 4321, 4999] {
            for by_client in [true, false] {
                let (client, backend) = rig.plain().await;
                let client = tungstenite(client, Part::Client).await;
                let backend = tungstenite(backend, Part::Server).await;
                let (mut closer, mut other) = if by_client {
                    (client, backend)
                } else {
                    (backend, client)
                };
                let close = CloseFrame {
                    code: CloseCode::from(code),
                    reason: "because".into(),
                };
                closer.close(Some(close.clone())).await.unwrap();
                let seen = other.next().await.unwrap().unwrap();
                assert_eq!(seen, Message::Close(Some(close.clone())));
                // Each drops its socket when it is done: the client waits for the server's FIN.
                tokio::join!(until_end(other), until_end(closer));
                let end = rig.end().await;
                let by = if by_client {
                    EndedBy::Client
                } else {
                    EndedBy::Upstream
                };
                assert_eq!((end.ended_by, end.outcome), (by, Outcome::Closed));
                assert_eq!(end.codes.from_client, Some(code));
                assert_eq!(end.codes.from_upstream, Some(code));
                assert_eq!((end.codes.to_client, end.codes.to_upstream), (None, None));
            }
        }
    });
}
