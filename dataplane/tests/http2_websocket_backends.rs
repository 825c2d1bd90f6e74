//! WebSockets to backends that speak HTTP/2 (RFC 8441), with independent peers on both sides.
#![allow(clippy::unwrap_used, reason = "test")]

#[path = "fixture/h2_client.rs"]
mod h2_client;
#[path = "fixture/handshake.rs"]
mod handshake;
#[path = "fixture/pki.rs"]
mod pki;
#[path = "fixture/proxy.rs"]
mod proxy;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dataplane::local::Limits;
use futures_util::{SinkExt, StreamExt};
use h2::Reason;
use h2::ext::Protocol;
use h2::server::SendResponse;
use h2_client::{Client, Duplex, PATIENCE};
use http::{HeaderMap, Method, Request, Response};
use pki::Authority;
use proxy::{Proxy, Rule};
use routetable::{BackendProtocol, BackendTls, Timeouts, Verify};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{
    ErrorResponse, Request as Asked, Response as Agreed,
};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_async, accept_hdr_async, client_async};

/// A Close with 1000, and a small message, as backends send them.
const CLOSE: &[u8] = &[0x88, 2, 0x03, 0xE8];
const TICK: &[u8] = b"\x81\x1ethirty bytes make a small tick";

/// What a backend tells the test.
#[derive(Debug)]
enum Event {
    /// A request came, over a connection with this number.
    Asked(Box<Request<()>>, usize),
    /// A stream was read to its end.
    Ended(Vec<u8>),
    /// A stream was reset.
    Reset(Option<Reason>),
    /// So many messages were sent before nobody took any more.
    Ticked(usize),
    /// A connection is over.
    Closed,
}

/// A backend of HTTP/2.
struct Backend {
    address: SocketAddr,
    events: Receiver<Event>,
}

impl Backend {
    /// Starts it; `extended`: it takes an extended CONNECT; with TLS it agrees on what that offers. `/echo` and any path
    /// unknown sends messages back, see [`answer`].
    async fn start(extended: bool, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, events) = channel(100);
        tokio::spawn(async move {
            for number in 0.. {
                let (socket, _) = listener.accept().await.unwrap();
                let (tell, tls) = (tell.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(socket, extended, number, tell).await,
                        Some(tls) => {
                            let stream = tls.accept(socket).await.unwrap();
                            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                                serve(stream, extended, number, tell).await;
                            } else {
                                echo(accept_async(stream).await.unwrap()).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, events }
    }

    async fn next(&mut self) -> Event {
        let next = timeout(PATIENCE, self.events.recv()).await;
        next.expect("an event in time").unwrap()
    }

    /// What became of a stream; other events are passed over.
    async fn told(&mut self) -> Event {
        loop {
            if let event @ (Event::Ended(_) | Event::Reset(_) | Event::Ticked(_)) = self.next().await {
                return event;
            }
        }
    }

    /// The next request; events of former ones are passed over.
    async fn asked(&mut self) -> (Request<()>, usize) {
        loop {
            if let Event::Asked(request, number) = self.next().await {
                return (*request, number);
            }
        }
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    extended: bool,
    number: usize,
    tell: Sender<Event>,
) {
    let mut builder = h2::server::Builder::new();
    if extended {
        builder.enable_connect_protocol();
    }
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else {
        return;
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts, ());
        tell.try_send(Event::Asked(Box::new(request.clone()), number))
            .unwrap();
        let tell = tell.clone();
        tokio::spawn(async move {
            if request.method() != Method::CONNECT {
                let mut respond = respond;
                respond.send_response(Response::new(()), true).unwrap();
                return;
            }
            answer(request.uri().path(), respond, body, tell).await;
        });
    }
    let _ = tell.try_send(Event::Closed);
}

async fn answer(path: &str, mut respond: SendResponse<Bytes>, body: h2::RecvStream, tell: Sender<Event>) {
    let head = |status: u16| Response::builder().status(status);
    let chosen = head(200).header("sec-websocket-protocol", "chat");
    let (response, end) = match path {
        "/declines" => (head(403).header("x-why", "no"), false),
        "/by-get-alone" | "/by-members-alone" => (head(405), true),
        "/nowhere" => (head(404).header("x-why", "no stream"), true),
        "/accepted" => (head(202), false),
        "/other-subprotocol" => (head(200).header("sec-websocket-protocol", "other"), false),
        "/chooses" => (chosen, false),
        "/has-a-body" => (head(200).header("content-length", "4"), false),
        "/wants-http1" => return respond.send_reset(Reason::HTTP_1_1_REQUIRED),
        "/refuses" => return respond.send_reset(Reason::REFUSED_STREAM),
        "/waits" => return std::future::pending().await,
        _ => (head(200).header("x-app", "yes"), false),
    };
    let send = respond.send_response(response.body(()).unwrap(), end).unwrap();
    let mut stream = Duplex::new(send, body);
    match path {
        _ if end => {}
        "/declines" => {
            stream.write_all(b"body").await.unwrap();
            stream.shutdown().await.unwrap();
        }
        "/tells" => {
            stream.write_all(b"\x81\x05ready").await.unwrap();
            let mut got = Vec::new();
            let event = match stream.read_to_end(&mut got).await {
                Ok(_) => Event::Ended(got),
                Err(_) => Event::Reset(Some(stream.reset().await)),
            };
            tell.try_send(event).unwrap();
            let _ = stream.write_all(b"\x81\x05after").await;
            let _ = stream.shutdown().await;
        }
        "/ends" => {
            stream.write_all(b"\x81\x05final").await.unwrap();
            stream.shutdown().await.unwrap();
            let mut got = Vec::new();
            stream.read_to_end(&mut got).await.unwrap();
            tell.try_send(Event::Ended(got)).unwrap();
        }
        "/closes" => {
            // Dropped with its other half open, it is reset with NO_ERROR.
            stream.write_all(CLOSE).await.unwrap();
            stream.shutdown().await.unwrap();
        }
        "/ticks" => {
            let mut ticks = 0;
            while let Ok(wrote) = timeout(Duration::from_secs(1), stream.write_all(TICK)).await {
                wrote.unwrap();
                ticks += 1;
            }
            tell.try_send(Event::Ticked(ticks)).unwrap();
            // The one that was under way may be there in part.
            std::future::pending().await
        }
        "/resets" => {
            stream.write_all(b"\x81\x05ready").await.unwrap();
            stream.read_exact(&mut [0; 1]).await.unwrap();
            stream.send.send_reset(Reason::INTERNAL_ERROR);
        }
        _ => echo(WebSocketStream::from_raw_socket(stream, Role::Server, None).await).await,
    }
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>) {
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            break;
        }
    }
    // A stream that is only dropped is reset.
    let _ = socket.get_mut().shutdown().await;
}

fn h2c() -> BackendProtocol {
    BackendProtocol {
        http2: true,
        ..BackendProtocol::default()
    }
}

async fn open(proxy: &Proxy, path: &str) -> Result<(WebSocketStream<TcpStream>, HeaderMap), Error> {
    let mut request = format!("ws://test.example{path}").into_client_request().unwrap();
    let offer = "chat,superchat".parse().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", offer);
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    // The library wants a choice, where we have a backend that makes none.
    if path != "/chooses" {
        request.headers_mut().remove("sec-websocket-protocol");
    }
    let opened = timeout(PATIENCE, client_async(request, stream)).await;
    opened
        .expect("an answer in time")
        .map(|(socket, response)| (socket, response.headers().clone()))
}

async fn next<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>) -> Message {
    let next = timeout(PATIENCE, socket.next()).await;
    next.expect("a message in time").expect("not the end").unwrap()
}

async fn echoes<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, len: usize) {
    let message = Message::binary(vec![7; len]);
    let (mut sink, mut stream) = socket.split();
    let sent = async { sink.send(message.clone()).await.unwrap() };
    let got = async { timeout(PATIENCE, stream.next()).await.expect("an echo in time") };
    let ((), got) = tokio::join!(sent, got);
    assert!(got.unwrap().unwrap() == message, "{len} bytes");
}

fn refusal(opened: Result<(WebSocketStream<TcpStream>, HeaderMap), Error>) -> Response<Option<Vec<u8>>> {
    match opened {
        Err(Error::Http(response)) => *response,
        other => panic!("not refused: {other:?}"),
    }
}

/// A session in bytes. Nothing behind the 101 is read.
async fn raw(proxy: &Proxy, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream
        .write_all(handshake::ask(path, "").as_bytes())
        .await
        .unwrap();
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(read(&mut stream, 1).await);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
    stream
}

async fn read(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut got = vec![0; len];
    let read = timeout(PATIENCE, stream.read_exact(&mut got)).await;
    read.expect("bytes in time").unwrap();
    got
}

/// All that comes before the end, which must be a clean one.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = vec![];
    let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    ended.expect("the end in time").unwrap();
    rest
}

#[tokio::test]
async fn a_session_of_http1_becomes_a_stream() {
    let mut backend = Backend::start(true, None).await;
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address]).protocol(h2c())]);
    let (mut socket, head) = open(&proxy, "/chooses").await.unwrap();
    assert_eq!(head["sec-websocket-protocol"], "chat");
    let (request, _) = backend.asked().await;
    assert_eq!(
        (request.method(), request.uri().to_string().as_str()),
        (&Method::CONNECT, "http://test.example/chooses")
    );
    assert_eq!(
        request.extensions().get::<Protocol>().map(Protocol::as_str),
        Some("websocket")
    );
    let fields = request.headers();
    assert_eq!(fields["sec-websocket-version"], "13");
    assert_eq!(fields["sec-websocket-protocol"], "chat,superchat");
    assert!(fields.contains_key("x-forwarded-for"));
    for gone in [
        "sec-websocket-key",
        "connection",
        "upgrade",
        "host",
        "content-length",
    ] {
        assert!(!fields.contains_key(gone), "{gone}");
    }
    for len in [0, 1, 125, 126, 65_535, 65_536, 16 << 20] {
        echoes(&mut socket, len).await;
    }
    socket.send(Message::Ping("hi".into())).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::Pong("hi".into()));
    let frame = CloseFrame {
        code: 4321.into(),
        reason: "bye".into(),
    };
    socket.close(Some(frame)).await.unwrap();
    match next(&mut socket).await {
        Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 4321),
        other => panic!("{other:?}"),
    }
    let record = proxy.record();
    assert_eq!(
        (&record["kind"], &record["outcome"]),
        (&"session".into(), &"closed".into())
    );
    assert!(
        matches!(backend.next().await, Event::Closed),
        "the connection ends with its session"
    );
    proxy.stop().await;
}

#[tokio::test]
async fn http2_on_both_sides() {
    let mut backend = Backend::start(true, None).await;
    let limits = Limits {
        h2c: true,
        ..Limits::default()
    };
    let rule = Rule::new("/", &[backend.address]).protocol(h2c());
    let proxy = Proxy::with_limits(&[rule], limits);
    let client = Client::open(proxy.address).await;
    let mut sockets = vec![];
    for number in 0..20 {
        let stream = client.websocket("/").await;
        sockets.push(WebSocketStream::from_raw_socket(stream, Role::Client, None).await);
        assert_eq!(
            backend.asked().await.1,
            number,
            "a connection of its own for each"
        );
    }
    for socket in &mut sockets {
        echoes(socket, 100_000).await;
    }
    proxy.drain(Duration::ZERO, PATIENCE).await;
    for socket in &mut sockets {
        match next(socket).await {
            Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1012),
            other => panic!("{other:?}"),
        }
    }
    drop(sockets);
    proxy.ended().await;
}

#[tokio::test]
async fn over_tls_as_well() {
    let authority = Authority::new("test");
    let pair = authority.sign(&["backend.test"]);
    for extended in [true, false] {
        let mut config = authority.server(&pair, false);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut backend = Backend::start(extended, Some(TlsAcceptor::from(Arc::new(config)))).await;
        let protocol = BackendProtocol {
            tls: Some(BackendTls {
                server_name: "backend.test".into(),
                verify: Verify::Authorities(vec![authority.der()]),
                certificate: None,
            }),
            ..h2c()
        };
        let proxy = Proxy::start(&[Rule::new("/", &[backend.address]).protocol(protocol)]);
        for _ in 0..2 {
            // One that speaks both gets HTTP/1.1 if it takes no WebSockets over the other.
            let (mut socket, _) = open(&proxy, "/").await.unwrap();
            echoes(&mut socket, 100_000).await;
            if extended {
                let (request, _) = backend.asked().await;
                assert_eq!(request.uri(), "https://test.example/");
            }
        }
        if !extended {
            assert!(matches!(backend.next().await, Event::Closed));
            assert!(backend.events.try_recv().is_err(), "asked once");
        }
        proxy.stop().await;
    }
}

#[tokio::test]
async fn an_answer_that_is_no_yes_opens_nothing() {
    let backend = Backend::start(true, None).await;
    let timeouts = Timeouts {
        handshake: Duration::from_secs(2),
        ..Timeouts::default()
    };
    let rule = Rule::new("/", &[backend.address])
        .protocol(h2c())
        .timeouts(timeouts);
    let proxy = Proxy::start(&[rule]);
    let answer = refusal(open(&proxy, "/declines").await);
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-why"]),
        (403, &"no".parse().unwrap())
    );
    for (path, status, reason) in [
        ("/accepted", 502, "BadUpstreamHandshake"),
        ("/other-subprotocol", 502, "BadUpstreamHandshake"),
        ("/has-a-body", 502, "BadUpstreamHandshake"),
        ("/refuses", 502, "BadUpstreamHandshake"),
        ("/waits", 504, "HandshakeTimeout"),
    ] {
        let answer = refusal(open(&proxy, path).await);
        assert_eq!(
            (
                answer.status().as_u16(),
                answer.headers()["holdfast-reason"].to_str().unwrap()
            ),
            (status, reason),
            "{path}"
        );
    }
    proxy.stop().await;
}

#[tokio::test]
async fn ends_and_resets_pass_both_ways() {
    let mut backend = Backend::start(true, None).await;
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address]).protocol(h2c())]);
    // The client's end, then more from the backend.
    let mut stream = raw(&proxy, "/tells").await;
    read(&mut stream, 7).await;
    stream.write_all(b"\x81\x82\0\0\0\0hi").await.unwrap();
    stream.shutdown().await.unwrap();
    let ended = |event| matches!(event, Event::Ended(got) if got == b"\x81\x82\0\0\0\0hi");
    assert!(ended(backend.told().await));
    assert_eq!(rest(&mut stream).await, b"\x81\x05after");
    assert_eq!(proxy.record()["outcome"], "finished");

    // The backend's end, then more from the client.
    let mut stream = raw(&proxy, "/ends").await;
    assert_eq!(rest(&mut stream).await, b"\x81\x05final");
    stream.write_all(b"\x81\x82\0\0\0\0hi").await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(ended(backend.told().await));
    assert_eq!(proxy.record()["outcome"], "finished");

    // The client's reset.
    let mut stream = raw(&proxy, "/tells").await;
    read(&mut stream, 7).await;
    stream.set_zero_linger().unwrap();
    drop(stream);
    match backend.told().await {
        Event::Reset(Some(Reason::CANCEL)) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(proxy.record()["ended_by"], "client");

    // The backend's reset.
    let mut stream = raw(&proxy, "/resets").await;
    read(&mut stream, 7).await;
    stream.write_all(b"\x81\x82\0\0\0\0hi").await.unwrap();
    let rest = timeout(PATIENCE, stream.read_to_end(&mut vec![])).await.unwrap();
    assert!(rest.is_err(), "a clean end");
    assert_eq!(proxy.record()["ended_by"], "upstream");
    proxy.stop().await;
}

#[tokio::test]
async fn a_close_before_the_reset_of_the_other_half_arrives() {
    let backend = Backend::start(true, None).await;
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address]).protocol(h2c())]);
    for _ in 0..20 {
        let mut stream = raw(&proxy, "/closes").await;
        assert_eq!(read(&mut stream, 4).await, CLOSE);
        stream
            .write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8])
            .await
            .unwrap();
        assert_eq!(rest(&mut stream).await, b"");
        let record = proxy.record();
        assert_eq!(
            (&record["outcome"], &record["ended_by"]),
            (&"closed".into(), &"upstream".into()),
            "{record}"
        );
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_client_that_reads_small_messages_slowly_loses_none() {
    let mut backend = Backend::start(true, None).await;
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address]).protocol(h2c())]);
    let mut stream = raw(&proxy, "/ticks").await;
    let Event::Ticked(ticks) = backend.told().await else {
        panic!("the stream broke");
    };
    assert!(ticks > 10_000, "{ticks}");
    let got = read(&mut stream, ticks * TICK.len()).await;
    assert!(got.chunks(TICK.len()).all(|tick| tick == TICK));
    proxy.stop().await;
}

/// A backend that reads either protocol on one port, as servers do that have h2c, and tells for each connection whether
/// it is HTTP/2. Over HTTP/1.1 it takes WebSockets, but at two paths; `extended`: as [`Backend::start`].
async fn start_both(extended: bool) -> (SocketAddr, Receiver<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, heard) = channel(100);
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut first = [0; 3];
                while socket.peek(&mut first).await.unwrap() < 3 {
                    tokio::task::yield_now().await;
                }
                let http2 = &first == b"PRI";
                tell.try_send(http2).unwrap();
                if http2 {
                    let (tell, _events) = channel(100);
                    serve(socket, extended, 0, tell).await;
                } else if let Ok(opened) = accept_hdr_async(socket, take).await {
                    echo(opened).await;
                }
            });
        }
    });
    (address, heard)
}

#[allow(clippy::result_large_err, reason = "the library's")]
fn take(request: &Asked, response: Agreed) -> Result<Agreed, ErrorResponse> {
    let status = match request.uri().path() {
        "/nowhere" => 400,
        "/by-members-alone" => 401,
        _ => return Ok(response),
    };
    let no = Response::builder().status(status).header("x-why", "no page");
    Err(no.body(None).unwrap())
}

/// The protocols of all connections since, by name.
fn connections(heard: &mut Receiver<bool>) -> Vec<&'static str> {
    let of = |http2| if http2 { "h2" } else { "http/1.1" };
    std::iter::from_fn(|| heard.try_recv().ok()).map(of).collect()
}

#[tokio::test]
async fn without_the_extension_sessions_go_over_http1() {
    let (address, mut heard) = start_both(false).await;
    let proxy = Proxy::start(&[Rule::new("/", &[address]).protocol(h2c())]);
    for expected in [&["h2", "http/1.1"][..], &["http/1.1"]] {
        let (mut socket, _) = open(&proxy, "/").await.unwrap();
        echoes(&mut socket, 1000).await;
        assert_eq!(connections(&mut heard), expected);
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_server_that_announces_the_extension_for_a_library_that_lacks_it_is_asked_over_http1() {
    let (address, mut heard) = start_both(true).await;
    let proxy = Proxy::start(&[Rule::new("/", &[address]).protocol(h2c())]);
    // Neither way: nothing is learnt, and the first answer stands.
    for _ in 0..2 {
        let answer = refusal(open(&proxy, "/nowhere").await);
        assert_eq!(answer.headers()["x-why"], "no stream");
        assert_eq!(connections(&mut heard), ["h2", "http/1.1"]);
    }
    // Another no says more.
    let answer = refusal(open(&proxy, "/by-members-alone").await);
    assert_eq!(answer.status(), 401);
    assert_eq!(connections(&mut heard), ["h2", "http/1.1"]);
    for expected in [&["h2", "http/1.1"][..], &["http/1.1"]] {
        let (mut socket, _) = open(&proxy, "/by-get-alone").await.unwrap();
        echoes(&mut socket, 1000).await;
        assert_eq!(connections(&mut heard), expected);
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_server_that_has_taken_one_is_asked_over_http1_only_if_the_method_may_be_wrong() {
    let (address, mut heard) = start_both(true).await;
    let proxy = Proxy::start(&[Rule::new("/", &[address]).protocol(h2c())]);
    open(&proxy, "/").await.unwrap();
    assert_eq!(connections(&mut heard), ["h2"]);
    let answer = refusal(open(&proxy, "/nowhere").await);
    assert_eq!(answer.status(), 404);
    assert_eq!(connections(&mut heard), ["h2"]);
    open(&proxy, "/by-get-alone").await.unwrap();
    assert_eq!(connections(&mut heard), ["h2", "http/1.1"]);
    proxy.stop().await;
}

#[tokio::test]
async fn the_answer_over_http2_stands_where_there_is_no_http1() {
    // It takes HTTP/1.1 for a broken preface.
    let mut backend = Backend::start(true, None).await;
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address]).protocol(h2c())]);
    // Asked once more by the first alone.
    for number in [0, 2, 3] {
        let answer = refusal(open(&proxy, "/nowhere").await);
        assert_eq!(answer.headers()["x-why"], "no stream");
        assert_eq!(answer.status(), 404);
        assert_eq!(backend.asked().await.1, number);
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_reset_that_asks_for_http1_is_obeyed() {
    let (address, mut heard) = start_both(true).await;
    let proxy = Proxy::start(&[Rule::new("/", &[address]).protocol(h2c())]);
    for expected in [&["h2", "http/1.1"][..], &["http/1.1"]] {
        let (mut socket, _) = open(&proxy, "/wants-http1").await.unwrap();
        echoes(&mut socket, 1000).await;
        assert_eq!(connections(&mut heard), expected);
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_backend_that_reads_nothing_holds_the_client_back() {
    let mut backend = Backend::start(true, None).await;
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address]).protocol(h2c())]);
    let (socket, _) = open(&proxy, "/tells-nothing").await.unwrap();
    assert_eq!(backend.asked().await.0.uri().path(), "/tells-nothing");
    // It echoes, and nobody reads what comes back: both directions fill up.
    let mut stream = socket.into_inner();
    let mut sent = 0;
    let frame = [&b"\x82\xff\0\0\0\0\0\x01\0\0\0\0\0\0"[..], &[7; 65_536]].concat();
    while let Ok(wrote) = timeout(Duration::from_secs(2), stream.write_all(&frame)).await {
        wrote.unwrap();
        sent += frame.len();
        assert!(sent < 64 << 20, "taken without end");
    }
    proxy.drain(Duration::ZERO, Duration::from_secs(1)).await;
    proxy.ended().await;
}
