//! A client behind a load balancer is known by its own address: in fields, records and limits, and to backends that want
//! a PROXY header themselves. Of networks that are not trusted nobody is believed.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use e2e::backends::web::Web;
use e2e::clients::http;
use e2e::deadline::{SOON, within};
use e2e::frames::Frame;
use e2e::lone::Parts;
use e2e::manifests::{App, Manifests};
use e2e::raw::Raw;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

/// A client at 192.0.2.7:5678, at the balancer's 198.51.100.1:443.
const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 5678 443\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\x16\x2e\x01\xbb";

/// What the backend sees of a request behind `header`.
async fn inspected(to: SocketAddr, header: &[u8], fields: &str) -> Result<String> {
    let mut client = Raw::connect(to).await?;
    client.write(header).await?;
    let request = format!("GET /inspect HTTP/1.1\r\nHost: shop.test\r\n{fields}\r\n");
    client.write(request.as_bytes()).await?;
    let head = client.head().await?;
    ensure!(head.status() == 200, "{head:?}");
    Ok(String::from_utf8(client.body(&head).await?)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_trusted_balancer_is_believed() -> Result<()> {
    let web = Web::start().await?;
    let manifests = Manifests::with(&[&App::new("shop", &[web.addr])])?;
    let trusted = ["--trusted-proxies", "127.0.0.0/8", "--proxy-protocol"];
    let parts = Parts::start(manifests, 1, &trusted).await?;
    let plain = parts.dataplane.http;
    for header in [V1, V2] {
        let seen = inspected(plain, header, "").await?;
        for words in [
            r#"["x-forwarded-for","192.0.2.7"]"#,
            r#"["x-forwarded-port","443"]"#,
        ] {
            ensure!(seen.contains(words), "{words}: {seen}");
        }
    }
    parts
        .dataplane
        .process
        .logs
        .line_with(&[r#""client":"192.0.2.7:5678""#, r#""path":"/inspect""#], SOON)
        .await?;
    // A balancer that was told to write one and does not is a mistake that must show.
    ensure!(
        http::get(plain, "shop.test", "/").await.is_err(),
        "no header is taken"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_anybody_else_is_not() -> Result<()> {
    let web = Web::start().await?;
    let manifests = Manifests::with(&[&App::new("shop", &[web.addr])])?;
    let trusted = ["--trusted-proxies", "203.0.113.0/24", "--proxy-protocol"];
    let parts = Parts::start(manifests, 1, &trusted).await?;
    let plain = parts.dataplane.http;
    ensure!(inspected(plain, V1, "").await.is_err(), "a stranger is believed");
    let seen = inspected(
        plain,
        b"",
        "X-Forwarded-For: 192.0.2.7\r\nForwarded: for=192.0.2.7\r\n",
    )
    .await?;
    ensure!(!seen.contains("192.0.2.7"), "{seen}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_written_to_backends_that_want_it() -> Result<()> {
    for (version, expected) in [("V1", V1), ("V2", V2)] {
        let backend = TcpListener::bind("127.0.0.1:0").await?;
        let route = App::new("chat", &[backend.local_addr()?]).yaml();
        let wanted = route.replacen("weight: 1}", &format!("weight: 1, proxyProtocol: {version}}}"), 1);
        ensure!(wanted != route, "{route}");
        let manifests = Manifests::new()?;
        manifests.save("chat.yaml", &wanted)?;
        let trusted = ["--trusted-proxies", "127.0.0.0/8", "--proxy-protocol"];
        let parts = Parts::start(manifests, 1, &trusted).await?;
        let mut client = Raw::connect(parts.dataplane.http).await?;
        client.write(V2).await?;
        client
            .write(Raw::handshake_request("chat.test", "/").as_bytes())
            .await?;
        let (mut stream, _): (TcpStream, _) = within("a connection", SOON, backend.accept()).await?;
        let mut header = vec![0; expected.len()];
        within("its header", SOON, stream.read_exact(&mut header)).await?;
        ensure!(header == expected, "{version}: {header:?}");
        let mut server = Raw::accepted(stream);
        let request = server.head().await?;
        ensure!(
            request.field("x-forwarded-for") == Some("192.0.2.7"),
            "{request:?}"
        );
        server
            .write(Raw::switching_protocols(&request)?.as_bytes())
            .await?;
        ensure!(client.head().await?.status() == 101, "no session");
        client.send(&Frame::text("hello")).await?;
        ensure!(server.frame().await? == Frame::text("hello"), "not what was sent");
    }
    Ok(())
}
