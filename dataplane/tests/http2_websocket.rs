//! WebSockets that are HTTP/2 streams (RFC 8441), with independent peers on both sides.
#![allow(clippy::unwrap_used, reason = "test")]

#[path = "fixture/echo.rs"]
mod echo;
#[path = "fixture/h2_client.rs"]
mod h2_client;
#[path = "fixture/handshake.rs"]
mod handshake;
#[path = "fixture/proxy.rs"]
mod proxy;
#[path = "fixture/raw.rs"]
mod raw;

use std::io::{ErrorKind, Read as _, Write as _};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dataplane::local::Limits;
use dataplane::tunnel::Filter;
use dataplane::worker::WorkerCommand;
use echo::echo;
use futures_util::{SinkExt, StreamExt};
use h2::Reason;
use h2_client::{Client, Duplex, PATIENCE, connect};
use handshake::{accept_for, masked_text, text};
use proxy::{Proxy, Rule};
use raw::{Backend, Peer, field};
use routetable::Timeouts;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

type Socket = WebSocketStream<Duplex>;

fn limits() -> Limits {
    Limits {
        h2c: true,
        ..Limits::default()
    }
}

fn start(rules: &[Rule]) -> Proxy {
    Proxy::with_limits(rules, limits())
}

async fn open(client: &Client, path: &str) -> Socket {
    let stream = client.websocket(path).await;
    WebSocketStream::from_raw_socket(stream, Role::Client, None).await
}

/// The next message, which must come.
async fn next(socket: &mut Socket) -> Message {
    let next = timeout(PATIENCE, socket.next()).await;
    next.expect("a message in time").expect("not the end").unwrap()
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

/// A backend that agrees to the handshake and then does what the script says.
fn agreeing(script: impl Fn(&str, Peer) + Send + Sync + 'static) -> Backend {
    Backend::start(move |_, mut peer| {
        let Some(head) = peer.head() else { return };
        let accept = accept_for(field(&head, "sec-websocket-key").unwrap());
        peer.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        ));
        script(&head, peer);
    })
}

/// What a backend's thread tells.
fn ear<T>() -> (impl Fn(T), Arc<Mutex<Receiver<T>>>) {
    let (told, heard) = sync_channel(1000);
    (move |it| told.send(it).unwrap(), Arc::new(Mutex::new(heard)))
}

async fn hear<T: Send + 'static>(heard: &Arc<Mutex<Receiver<T>>>) -> T {
    let heard = Arc::clone(heard);
    let wait = tokio::task::spawn_blocking(move || heard.lock().unwrap().recv_timeout(PATIENCE));
    wait.await.unwrap().expect("something from the backend")
}

#[tokio::test]
async fn messages_of_all_sizes_come_back() {
    let backend = echo().await;
    let proxy = start(&[Rule::new("/", &[backend])]);
    let client = Client::open(proxy.address).await;
    let mut socket = open(&client, "/").await;
    for len in [0, 1, 125, 126, 65_535, 65_536, 16 << 20] {
        let message = Message::binary(vec![7; len]);
        let (mut sink, mut stream) = (&mut socket).split();
        let sent = async { sink.send(message.clone()).await.unwrap() };
        let ((), got) = tokio::join!(sent, stream.next());
        assert!(got.unwrap().unwrap() == message, "{len} bytes");
    }
    socket.send(Message::Ping("hi".into())).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::Pong("hi".into()));
    let frame = CloseFrame {
        code: CloseCode::Library(4321),
        reason: "bye".into(),
    };
    socket.close(Some(frame)).await.unwrap();
    assert_eq!(u16::from(close_code(&next(&mut socket).await)), 4321);
    assert!(timeout(PATIENCE, socket.next()).await.unwrap().is_none());
    let record = proxy.record();
    for (name, value) in [
        ("kind", "session".into()),
        ("protocol", "HTTP/2".into()),
        ("method", "CONNECT".into()),
        ("host", "test.example".into()),
        ("status", serde_json::Value::from(200)),
        ("close_from_client", 4321.into()),
        ("messages_to_client", 7.into()),
        ("outcome", "closed".into()),
        ("ended_by", "client".into()),
    ] {
        assert_eq!(record[name], value, "{name} in {record}");
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_server_may_speak_first() {
    let backend = echo().await;
    let proxy = start(&[Rule::new("/", &[backend])]);
    let client = Client::open(proxy.address).await;
    let mut socket = open(&client, "/greet").await;
    assert_eq!(next(&mut socket).await, Message::text("welcome"));
    echoes(&mut socket, "thanks").await;
    // Along with the 101.
    let backend = Backend::start(|_, mut peer| {
        let head = peer.head().unwrap();
        let accept = accept_for(field(&head, "sec-websocket-key").unwrap());
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        peer.send([head.as_bytes(), &text("early")].concat());
        let _ = peer.rest();
    });
    let proxy = start(&[Rule::new("/", &[backend.address])]);
    let client = Client::open(proxy.address).await;
    let mut socket = open(&client, "/").await;
    assert_eq!(next(&mut socket).await, Message::text("early"));
}

#[tokio::test]
async fn the_backend_gets_a_handshake_of_http1() {
    let (tell, heard) = ear();
    let tell = Mutex::new(tell);
    let backend = agreeing(move |head, mut peer| {
        tell.lock().unwrap()(head.to_owned());
        let _ = peer.rest();
    });
    let proxy = start(&[Rule::new("/", &[backend.address])]);
    let client = Client::open(proxy.address).await;
    let mut keys = Vec::new();
    for _ in 0..2 {
        let request = connect("/a%2Fb?c=d", "websocket")
            .header("origin", "https://app.example")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("authorization", "Bearer x")
            .header("sec-websocket-protocol", "chat, other")
            .header("sec-websocket-extensions", "permessage-deflate")
            .header("sec-websocket-key", "bm90IG91cnMgYXQgYWxsIQ==")
            .body(());
        let (response, _stream) = client.tunnel(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        for name in [
            "connection",
            "upgrade",
            "sec-websocket-accept",
            "sec-websocket-key",
            "content-length",
        ] {
            assert!(!response.headers().contains_key(name), "{name} in {response:?}");
        }
        let head = hear(&heard).await;
        assert!(head.starts_with("GET /a%2Fb?c=d HTTP/1.1\r\n"), "{head}");
        for (name, value) in [
            ("host", Some("test.example")),
            ("connection", Some("Upgrade")),
            ("upgrade", Some("websocket")),
            ("sec-websocket-version", Some("13")),
            ("sec-websocket-protocol", Some("chat, other")),
            ("sec-websocket-extensions", Some("permessage-deflate")),
            ("origin", Some("https://app.example")),
            ("cookie", Some("a=1; b=2")),
            ("authorization", Some("Bearer x")),
            ("x-forwarded-for", Some("127.0.0.1")),
            ("transfer-encoding", None),
            ("content-length", None),
        ] {
            assert_eq!(field(&head, name), value, "{name} in {head}");
        }
        keys.push(field(&head, "sec-websocket-key").unwrap().to_owned());
    }
    assert_ne!(keys[0], keys[1]);
    assert!(!keys.contains(&"bm90IG91cnMgYXQgYWxsIQ==".to_owned()));
    proxy.stop().await;
}

#[tokio::test]
async fn a_subprotocol_is_chosen() {
    let backend = echo().await;
    let proxy = start(&[Rule::new("/", &[backend])]);
    let client = Client::open(proxy.address).await;
    let request = connect("/", "websocket")
        .header("sec-websocket-protocol", "chat,other")
        .body(());
    let (response, _) = client.tunnel(request.unwrap()).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    proxy.stop().await;
}

#[tokio::test]
async fn a_backend_may_decline() {
    for (answer, code) in [
        (
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nX-Why: no\r\nContent-Length: 4\r\n\r\nbody",
            401,
        ),
        (
            "HTTP/1.1 403 Forbidden\r\nX-Why: no\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
            403,
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: /login\r\nX-Why: no\r\nContent-Length: 4\r\n\r\nbody",
            302,
        ),
        (
            "HTTP/1.1 404 Not Found\r\nX-Why: no\r\nContent-Length: 4\r\n\r\nbody",
            404,
        ),
        (
            "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Why: no\r\n\
             Sec-WebSocket-Version: 13\r\nContent-Length: 4\r\n\r\nbody",
            426,
        ),
    ] {
        let backend = Backend::canned(answer);
        let proxy = start(&[Rule::new("/", &[backend.address])]);
        let client = Client::open(proxy.address).await;
        for _ in 0..2 {
            let request = connect("/", "websocket").body(()).unwrap();
            let (response, mut stream) = client.tunnel(request).await.unwrap();
            assert_eq!(response.status().as_u16(), code);
            assert_eq!(response.headers()["x-why"], "no");
            assert!(!response.headers().contains_key("connection"), "{response:?}");
            assert!(!response.headers().contains_key("upgrade"), "{response:?}");
            let mut body = String::new();
            timeout(PATIENCE, stream.read_to_string(&mut body))
                .await
                .unwrap()
                .unwrap();
            assert_eq!(body, "body");
        }
        assert_eq!(proxy.record()["upgrade"], true);
        proxy.stop().await;
    }
}

#[tokio::test]
async fn an_answer_that_agrees_to_nothing_is_none() {
    let switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    for answer in [
        // Of another key.
        format!(
            "{switching}Sec-WebSocket-Accept: {}\r\n\r\n",
            accept_for(handshake::KEY)
        ),
        format!("{switching}\r\n"),
        "HTTP/1.1 101 Switching Protocols\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(),
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        "nonsense\r\n\r\n".to_owned(),
    ] {
        let backend = Backend::canned(answer.clone());
        let proxy = start(&[Rule::new("/", &[backend.address])]);
        let client = Client::open(proxy.address).await;
        let request = connect("/", "websocket").body(()).unwrap();
        let (response, _) = client.tunnel(request).await.unwrap();
        assert_eq!(response.status(), 502, "{answer}");
        assert_eq!(
            response.headers()["holdfast-reason"],
            "BadUpstreamHandshake",
            "{answer}"
        );
        proxy.stop().await;
    }
}

#[tokio::test]
async fn what_is_no_handshake_is_refused_and_others_live_on() {
    let backend = echo().await;
    let proxy = start(&[Rule::new("/", &[backend])]);
    let client = Client::open(proxy.address).await;
    let mut stays = open(&client, "/").await;
    let versions = |values: &[&str]| {
        let mut request = connect("/", "websocket").body(()).unwrap();
        request.headers_mut().remove("sec-websocket-version");
        for value in values {
            let value = http::HeaderValue::from_str(value).unwrap();
            request.headers_mut().append("sec-websocket-version", value);
        }
        request
    };
    for (request, code, reason) in [
        (
            connect("/", "connect-udp").body(()).unwrap(),
            501,
            "UnknownProtocol",
        ),
        (
            connect("/", "WebSocket").body(()).unwrap(),
            501,
            "UnknownProtocol",
        ),
        (versions(&["12"]), 426, "UpgradeRequired"),
        (versions(&[]), 400, "BadHandshake"),
        (versions(&["13", "13"]), 400, "BadHandshake"),
    ] {
        let what = format!("{request:?}");
        let (response, _) = client.tunnel(request).await.unwrap();
        assert_eq!(response.status().as_u16(), code, "{what}");
        assert_eq!(response.headers()["holdfast-reason"], reason, "{what}");
        if code == 426 {
            assert_eq!(response.headers()["sec-websocket-version"], "13");
        }
    }
    echoes(&mut stays, "still here").await;
    proxy.stop().await;
}

#[tokio::test]
async fn half_closes_pass_both_ways() {
    // The client's end, then more from the backend.
    let (tell, heard) = ear();
    let tell = Mutex::new(tell);
    let backend = agreeing(move |_, mut peer| {
        let rest = peer.rest().map_err(|error| error.kind());
        tell.lock().unwrap()(rest);
        peer.send(text("after your end"));
    });
    let proxy = start(&[Rule::new("/", &[backend.address])]);
    let client = Client::open(proxy.address).await;
    let mut stream = client.websocket("/").await;
    stream.write_all(&masked_text("last words")).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(hear(&heard).await, Ok(masked_text("last words")));
    let mut got = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut got))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(got, text("after your end"));
    assert_eq!(proxy.record()["outcome"], "finished");

    // The backend's end, then more from the client.
    let (tell, heard) = ear();
    let tell = Mutex::new(tell);
    let backend = agreeing(move |_, mut peer| {
        peer.send(text("last words"));
        peer.finish();
        tell.lock().unwrap()(peer.rest().map_err(|error| error.kind()));
    });
    let proxy = start(&[Rule::new("/", &[backend.address])]);
    let client = Client::open(proxy.address).await;
    let mut stream = client.websocket("/").await;
    let mut got = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut got))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(got, text("last words"));
    stream.write_all(&masked_text("after your end")).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(hear(&heard).await, Ok(masked_text("after your end")));
    proxy.stop().await;
}

#[tokio::test]
async fn a_reset_of_the_client_resets_its_own_backend_only() {
    let (tell, heard) = ear();
    let tell = Mutex::new(tell);
    let backend = agreeing(move |head, mut peer| {
        if head.starts_with("GET /stays") {
            while let Ok(byte @ 1..) = peer.stream.read(&mut [0; 64]) {
                let _ = byte;
                peer.send(text("yes"));
            }
            return;
        }
        peer.send(text("ready"));
        tell.lock().unwrap()(peer.rest().map_err(|error| error.kind()));
    });
    let proxy = start(&[Rule::new("/", &[backend.address])]);
    let client = Client::open(proxy.address).await;
    let mut stays = client.websocket("/stays").await;
    for reason in [
        Reason::CANCEL,
        Reason::NO_ERROR,
        Reason::INTERNAL_ERROR,
        Reason::PROTOCOL_ERROR,
    ] {
        let mut stream = client.websocket("/").await;
        stream.read_exact(&mut [0; 7]).await.unwrap();
        stream.send.send_reset(reason);
        assert_eq!(hear(&heard).await, Err(ErrorKind::ConnectionReset), "{reason}");
        let record = proxy.record();
        assert_eq!(
            (&record["ended_by"], &record["outcome"]),
            (&"client".into(), &"reset".into())
        );
        stays.write_all(&masked_text("there?")).await.unwrap();
        stays.read_exact(&mut [0; 5]).await.unwrap();
    }
    // One that just goes away, with its connection.
    let mut stream = client.websocket("/").await;
    stream.read_exact(&mut [0; 7]).await.unwrap();
    client.driver.abort();
    drop((stays, stream));
    assert_eq!(hear(&heard).await, Err(ErrorKind::ConnectionReset));
    proxy.stop().await;
}

#[tokio::test]
async fn a_reset_after_the_end_of_the_stream_is_one() {
    let (tell, heard) = ear();
    let tell = Mutex::new(tell);
    let backend = agreeing(move |_, mut peer| {
        tell.lock().unwrap()(peer.rest().map_err(|error| error.kind()));
        // After the end of the stream, reading tells nothing of a reset.
        let error = loop {
            match peer.stream.take_error().unwrap() {
                None => std::thread::sleep(Duration::from_millis(5)),
                Some(error) => break error.kind(),
            }
        };
        tell.lock().unwrap()(Err(error));
    });
    let proxy = start(&[Rule::new("/", &[backend.address])]);
    let client = Client::open(proxy.address).await;
    let mut stream = client.websocket("/").await;
    stream.shutdown().await.unwrap();
    assert_eq!(hear(&heard).await, Ok(vec![]));
    stream.send.send_reset(Reason::CANCEL);
    assert_eq!(hear(&heard).await, Err(ErrorKind::BrokenPipe));
    proxy.stop().await;
}

#[tokio::test]
async fn many_resets_at_once_are_all_resets() {
    let (tell, heard) = ear();
    let tell = Mutex::new(tell);
    let backend = agreeing(move |_, mut peer| {
        let rest = peer.rest().map_err(|error| error.kind());
        tell.lock().unwrap()(rest);
    });
    let proxy = start(&[Rule::new("/", &[backend.address])]);
    let client = Client::open(proxy.address).await;
    let mut streams = Vec::new();
    for _ in 0..200 {
        streams.push(client.websocket("/").await);
    }
    for stream in &mut streams {
        stream.send.send_reset(Reason::CANCEL);
    }
    for n in 0..streams.len() {
        assert_eq!(hear(&heard).await, Err(ErrorKind::ConnectionReset), "{n}");
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_reset_of_the_backend_resets_its_own_stream_only() {
    let backend = agreeing(|head, mut peer| {
        if head.starts_with("GET /stays") {
            let _ = peer.rest();
            return;
        }
        peer.send(text("ready"));
        peer.take(7);
        SockRef::from(&peer.stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    });
    let proxy = start(&[Rule::new("/", &[backend.address])]);
    let client = Client::open(proxy.address).await;
    let mut stays = client.websocket("/stays").await;
    let mut stream = client.websocket("/").await;
    stream.read_exact(&mut [0; 7]).await.unwrap();
    stream.write_all(&masked_text("x")).await.unwrap();
    assert_eq!(stream.reset().await, Reason::CANCEL);
    let mut rest = Vec::new();
    assert!(stream.read_to_end(&mut rest).await.is_err(), "no clean end");
    assert_eq!(proxy.record()["ended_by"], "upstream");
    stays.write_all(&masked_text("fine")).await.unwrap();
    proxy.stop().await;
}

#[tokio::test]
async fn a_drained_worker_says_1012_and_goaway() {
    let backend = echo().await;
    let proxy = start(&[Rule::new("/", &[backend])]);
    let client = Client::open(proxy.address).await;
    let mut sockets = Vec::new();
    for _ in 0..5 {
        sockets.push(open(&client, "/").await);
    }
    proxy
        .drain(Duration::from_millis(500), Duration::from_secs(60))
        .await;
    for socket in &mut sockets {
        let mut n = 0;
        let close = loop {
            // GOAWAY does not end what is under way.
            let _ = socket.send(Message::text("hello?")).await;
            match next(socket).await {
                Message::Text(_) => n += 1,
                other => break other,
            }
            assert!(n < 100_000);
        };
        assert_eq!(close_code(&close), CloseCode::Restart);
        while let Some(Ok(_)) = socket.next().await {}
    }
    timeout(PATIENCE, client.driver).await.unwrap().unwrap().unwrap();
    // Ends because nothing is left, long before the deadline.
    timeout(PATIENCE, proxy.ended()).await.unwrap();
    for _ in 0..5 {
        assert_eq!(proxy.record()["close_to_client"], 1012);
    }
}

#[tokio::test]
async fn only_the_sessions_of_what_is_removed_end() {
    let (a, b, c) = (echo().await, echo().await, echo().await);
    let mut proxy = start(&[
        Rule::new("/a", &[a]),
        Rule::new("/b", &[b]),
        Rule::new("/c", &[c]),
    ]);
    let client = Client::open(proxy.address).await;
    let mut stays = open(&client, "/a").await;
    let mut route_goes = open(&client, "/b").await;
    let mut endpoint_goes = open(&client, "/c").await;
    for socket in [&mut stays, &mut route_goes, &mut endpoint_goes] {
        echoes(socket, "before").await;
    }
    proxy.remove(&Rule::new("/b", &[b])).await;
    assert_eq!(close_code(&next(&mut route_goes).await), CloseCode::Away);
    proxy.put(&Rule::new("/c", &[a])).await;
    assert_eq!(close_code(&next(&mut endpoint_goes).await), CloseCode::Restart);
    echoes(&mut stays, "still here").await;
    proxy.stop().await;
}

#[tokio::test]
async fn an_idle_session_ends_politely() {
    let backend = echo().await;
    let timeouts = Timeouts {
        idle: Some(Duration::from_millis(300)),
        ..Timeouts::default()
    };
    let proxy = start(&[Rule::new("/", &[backend]).timeouts(timeouts)]);
    let client = Client::open(proxy.address).await;
    let mut socket = open(&client, "/").await;
    assert_eq!(close_code(&next(&mut socket).await), CloseCode::Away);
    assert!(timeout(PATIENCE, socket.next()).await.unwrap().is_none());
    let record = proxy.record();
    assert_eq!(
        (&record["reason"], &record["outcome"]),
        (&"idle_timeout".into(), &"closed".into())
    );
    proxy.stop().await;
}

#[tokio::test]
async fn hundreds_of_streams_share_two_connections() {
    let backend = echo().await;
    let proxy = start(&[Rule::new("/", &[backend])]);
    let clients = [
        Client::open(proxy.address).await,
        Client::open(proxy.address).await,
    ];
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..200 {
        let mut socket = open(&clients[n % 2], "/").await;
        tasks.spawn(async move {
            for round in 0..20 {
                echoes(&mut socket, &format!("{n} {round}")).await;
            }
            socket
        });
    }
    let sockets = timeout(PATIENCE, tasks.join_all()).await.unwrap();
    let (reply, report) = tokio::sync::oneshot::channel();
    proxy.command(WorkerCommand::Report { reply }).await;
    let report = report.await.unwrap();
    assert_eq!((report.connections, report.sessions), (2, 200));
    assert_eq!(report.totals.from_client.messages, 4000);
    let (reply, list) = tokio::sync::oneshot::channel();
    let (after, limit, filter) = (None, 150, Filter::All);
    proxy
        .command(WorkerCommand::List {
            after,
            limit,
            filter,
            reply,
        })
        .await;
    assert_eq!(list.await.unwrap().len(), 150);
    drop(sockets);
    let gone = async {
        loop {
            let (reply, report) = tokio::sync::oneshot::channel();
            proxy.command(WorkerCommand::Report { reply }).await;
            if report.await.unwrap().sessions == 0 {
                break;
            }
        }
    };
    timeout(PATIENCE, gone).await.expect("no session is left");
    for _ in 0..200 {
        assert_eq!(proxy.record()["kind"], "session");
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_not_read_does_not_stop_its_siblings() {
    let backend = agreeing(|head, mut peer| {
        if head.starts_with("GET /flood") {
            let part = [&[0x82, 126, 0x40, 0][..], &[9; 0x4000]].concat();
            // Until it is told that nobody listens.
            while peer.stream.write_all(&part).is_ok() {}
            return;
        }
        while let Ok(1..) = peer.stream.read(&mut [0; 64]) {
            peer.send(text("yes"));
        }
    });
    let proxy = start(&[Rule::new("/", &[backend.address])]);
    let mut builder = h2::client::Builder::new();
    builder.initial_connection_window_size(8 << 20);
    let client = Client::with(proxy.address, &builder).await;
    let mut floods = Vec::new();
    for _ in 0..20 {
        floods.push(client.websocket("/flood").await);
    }
    let mut lives = client.websocket("/").await;
    for _ in 0..100 {
        lives.write_all(&masked_text("there?")).await.unwrap();
        let mut answer = [0; 5];
        timeout(PATIENCE, lives.read_exact(&mut answer))
            .await
            .unwrap()
            .unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (reply, report) = tokio::sync::oneshot::channel();
    proxy.command(WorkerCommand::Report { reply }).await;
    let report = report.await.unwrap();
    assert!(
        report.buffer_bytes <= (20 + 32) * (64 << 10),
        "{}",
        report.buffer_bytes
    );
    proxy.stop().await;
}

#[tokio::test]
async fn small_messages_to_a_backend_that_has_stopped_reading_end_no_sibling() {
    let backend = agreeing(|head, mut peer| {
        if head.starts_with("GET /stuck") {
            SockRef::from(&peer.stream).set_recv_buffer_size(4 << 10).unwrap();
            std::thread::sleep(PATIENCE * 2);
        }
        while let Ok(1..) = peer.stream.read(&mut [0; 64]) {
            peer.send(text("yes"));
        }
    });
    let proxy = start(&[Rule::new("/", &[backend.address])]);
    let client = Client::open(proxy.address).await;
    let mut lives = client.websocket("/").await;
    let mut stuck = client.websocket("/stuck").await;
    // Each in a frame of its own, until there is no room.
    let message = masked_text("a");
    while let Ok(sent) = timeout(Duration::from_secs(1), stuck.write_all(&message)).await {
        sent.expect("the stream lives");
    }
    lives.write_all(&masked_text("there?")).await.unwrap();
    let mut answer = [0; 5];
    let read = timeout(PATIENCE, lives.read_exact(&mut answer)).await;
    read.expect("an answer in time").expect("the sibling lives");
    proxy.stop().await;
}

#[tokio::test]
async fn sessions_are_limited_however_few_connections_carry_them() {
    let backend = echo().await;
    let limits = Limits {
        max_connections: 3,
        ..limits()
    };
    let proxy = Proxy::with_limits(&[Rule::new("/", &[backend])], limits);
    let client = Client::open(proxy.address).await;
    let mut sessions = vec![];
    for _ in 0..3 {
        let mut session = open(&client, "/").await;
        echoes(&mut session, "here").await;
        sessions.push(session);
    }
    let request = || connect("/", "websocket").body(()).unwrap();
    let (refused, _) = client.tunnel(request()).await.unwrap();
    assert_eq!(refused.status(), 503);
    sessions.pop();
    let room = async {
        while client.tunnel(request()).await.unwrap().0.status() != 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, room).await.expect("room again");
    proxy.stop().await;
}

#[tokio::test]
async fn handshakes_are_limited() {
    let (go, wait) = sync_channel::<()>(1);
    let wait = Mutex::new(wait);
    let backend = Backend::start(move |_, mut peer| {
        peer.head();
        let _ = wait.lock().unwrap().recv();
        peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    });
    let few = Limits {
        max_handshakes: 1,
        ..limits()
    };
    let proxy = Proxy::with_limits(&[Rule::new("/", &[backend.address])], few);
    let client = Client::open(proxy.address).await;
    let request = || connect("/", "websocket").body(()).unwrap();
    let (first, _keep) = client.begin(request(), false).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (response, _) = client.tunnel(request()).await.unwrap();
    assert_eq!(response.headers()["holdfast-reason"], "HandshakeLimit");
    go.send(()).unwrap();
    assert_eq!(first.await.unwrap().status(), 403);
    proxy.stop().await;
}

/// A defect of hyper 1.12 (`proto/h2/server.rs` returns where it should go on): not the stream ends but its connection,
/// and every session on it. Fails once hyper is mended; then the siblings' life is to be shown here.
#[tokio::test]
async fn a_connect_with_a_length_ends_its_connection() {
    let backend = echo().await;
    let proxy = start(&[Rule::new("/", &[backend])]);
    let client = Client::open(proxy.address).await;
    let mut socket = open(&client, "/").await;
    echoes(&mut socket, "before").await;
    let request = connect("/", "websocket").header("content-length", "5").body(());
    let (_response, _send) = client.begin(request.unwrap(), false).await;
    let ended = timeout(PATIENCE, client.driver).await;
    let _ = ended.expect("the connection lives on: hyper is mended").unwrap();
    // Other connections do not.
    let client = Client::open(proxy.address).await;
    echoes(&mut open(&client, "/").await, "after").await;
    proxy.stop().await;
}
