//! Sessions through a worker, with independent WebSocket peers on both sides.
#![allow(clippy::unwrap_used, reason = "test")]

#[path = "fixture/echo.rs"]
mod echo;
#[path = "fixture/proxy.rs"]
mod proxy;

use std::time::Duration;

use echo::echo;
use futures_util::{SinkExt, StreamExt};
use proxy::{Proxy, Rule};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, client_async};

type Socket = WebSocketStream<TcpStream>;

async fn open(proxy: &Proxy, path: &str) -> Socket {
    let mut request = format!("ws://test.example{path}").into_client_request().unwrap();
    let offer = HeaderValue::from_static("chat,other");
    request.headers_mut().insert("sec-websocket-protocol", offer);
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (socket, response) = client_async(request, stream).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    socket
}

/// The next message, which must come.
async fn next(socket: &mut Socket) -> Message {
    let next = tokio::time::timeout(Duration::from_secs(10), socket.next());
    next.await
        .expect("a message in time")
        .expect("not the end")
        .unwrap()
}

async fn echoes(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
    assert_eq!(next(socket).await, Message::text(text));
}

fn close_code(message: &Message) -> CloseCode {
    match message {
        Message::Close(Some(frame)) => frame.code,
        other => panic!("not a Close: {other:?}"),
    }
}

#[tokio::test]
async fn messages_of_all_sizes_come_back() {
    let backend = echo().await;
    let proxy = Proxy::start(&[Rule::new("/", &[backend])]);
    let mut socket = open(&proxy, "/").await;
    for len in [0, 1, 125, 126, 65_535, 65_536, 3 << 20] {
        let message = Message::binary(vec![7; len]);
        let (sink, stream) = (&mut socket).split();
        let (mut sink, mut stream) = (sink, stream);
        let sent = async { sink.send(message.clone()).await.unwrap() };
        let ((), got) = tokio::join!(sent, stream.next());
        assert_eq!(got.unwrap().unwrap(), message, "{len} bytes");
    }
    socket.send(Message::Ping("hi".into())).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::Pong("hi".into()));
    proxy.stop().await;
}

#[tokio::test]
async fn close_codes_pass_both_ways() {
    let backend = echo().await;
    let proxy = Proxy::start(&[Rule::new("/", &[backend])]);
    for code in [1000, 1001, 1011, 3000, 4999] {
        let mut socket = open(&proxy, "/").await;
        socket.send(Message::text(format!("close {code}"))).await.unwrap();
        assert_eq!(u16::from(close_code(&next(&mut socket).await)), code);
        let mut socket = open(&proxy, "/").await;
        let frame = CloseFrame {
            code: code.into(),
            reason: "bye".into(),
        };
        socket.close(Some(frame)).await.unwrap();
        assert_eq!(u16::from(close_code(&next(&mut socket).await)), code);
    }
    proxy.stop().await;
}

#[tokio::test]
async fn only_the_sessions_of_what_is_removed_end() {
    let (a, b, c) = (echo().await, echo().await, echo().await);
    let mut proxy = Proxy::start(&[
        Rule::new("/a", &[a]),
        Rule::new("/b", &[b]),
        Rule::new("/c", &[c]),
    ]);
    let mut stays = open(&proxy, "/a").await;
    let mut route_goes = open(&proxy, "/b").await;
    let mut endpoint_goes = open(&proxy, "/c").await;
    for socket in [&mut stays, &mut route_goes, &mut endpoint_goes] {
        echoes(socket, "before").await;
    }
    proxy.remove(&Rule::new("/b", &[b])).await;
    assert_eq!(close_code(&next(&mut route_goes).await), CloseCode::Away);
    proxy.put(&Rule::new("/c", &[a])).await;
    assert_eq!(close_code(&next(&mut endpoint_goes).await), CloseCode::Restart);
    for n in 0..50 {
        proxy.put(&Rule::new(&format!("/new-{n}"), &[a])).await;
        echoes(&mut stays, "still here").await;
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_drained_worker_says_1012_and_ends() {
    let backend = echo().await;
    let proxy = Proxy::start(&[Rule::new("/", &[backend])]);
    let mut sockets = Vec::new();
    for _ in 0..5 {
        sockets.push(open(&proxy, "/").await);
    }
    proxy
        .drain(Duration::from_millis(200), Duration::from_secs(60))
        .await;
    for socket in &mut sockets {
        assert_eq!(close_code(&next(socket).await), CloseCode::Restart);
        while let Some(Ok(_)) = socket.next().await {}
    }
    // Ends because nothing is left, long before the deadline.
    tokio::time::timeout(Duration::from_secs(20), proxy.ended())
        .await
        .unwrap();
}
