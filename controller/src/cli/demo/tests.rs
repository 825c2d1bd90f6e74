//! The demo's backend, spoken to directly.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::*;

const SOON: Duration = Duration::from_secs(10);

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-Seen: yes\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("write");
    let mut answer = String::new();
    timeout(SOON, stream.read_to_string(&mut answer))
        .await
        .expect("in time")
        .expect("read");
    answer
}

async fn open(address: SocketAddr, path: &str) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(address).await.expect("connect");
    client_async(format!("ws://{address}{path}"), stream)
        .await
        .expect("handshake")
        .0
}

/// The next line of the chat, as JSON.
async fn line(socket: &mut WebSocketStream<TcpStream>) -> Value {
    let message = timeout(SOON, socket.next())
        .await
        .expect("in time")
        .expect("open")
        .expect("message");
    serde_json::from_str(message.to_text().expect("text")).expect("JSON")
}

#[tokio::test]
async fn answers_plain_requests() {
    let backend = Backend::start().await.expect("start");
    let page = get(backend.blue, "/").await;
    assert!(page.starts_with("HTTP/1.1 200 OK") && page.contains("<title>Holdfast demo</title>"));
    assert!(
        !page.contains("http://") && !page.contains("https://"),
        "loads nothing from elsewhere"
    );
    let whoami = get(backend.green, "/whoami").await;
    assert!(
        whoami.contains("endpoint: green\nGET /whoami\n") && whoami.contains("x-seen: yes\n"),
        "{whoami}"
    );
    assert!(get(backend.blue, "/echo").await.starts_with("HTTP/1.1 426"));
    assert!(get(backend.blue, "/other").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn echoes_text_and_binary() {
    let backend = Backend::start().await.expect("start");
    let mut socket = open(backend.blue, "/echo").await;
    for message in [Message::text("hello"), Message::binary(vec![7; 100_000])] {
        socket.send(message.clone()).await.expect("send");
        let echo = timeout(SOON, socket.next())
            .await
            .expect("in time")
            .expect("open")
            .expect("message");
        assert_eq!(echo, message);
    }
}

#[tokio::test]
async fn both_endpoints_share_one_room() {
    let backend = Backend::start().await.expect("start");
    let mut one = open(backend.blue, "/chat").await;
    let hello = line(&mut one).await;
    assert_eq!(
        (&hello["kind"], &hello["endpoint"]),
        (&"hello".into(), &"blue".into())
    );
    let mut two = open(backend.green, "/chat").await;
    let hello = line(&mut two).await;
    assert_eq!(
        (&hello["endpoint"], &hello["online"]),
        (&"green".into(), &2.into())
    );
    assert_eq!(line(&mut one).await["kind"], "joined");

    two.send(Message::text("<b>hi</b>")).await.expect("send");
    for socket in [&mut one, &mut two] {
        let message = line(socket).await;
        assert_eq!(
            (&message["text"], &message["endpoint"]),
            (&"<b>hi</b>".into(), &"green".into())
        );
    }
    drop(two);
    let left = line(&mut one).await;
    assert_eq!((&left["kind"], &left["online"]), (&"left".into(), &1.into()));
}
