//! Independent clients and servers on both sides (tokio-tungstenite, fastwebsockets, Python websockets, node
//! ws): text, binary, 0 B to 16 MiB, fragments, ping/pong, permessage-deflate untouched, subprotocol, close
//! codes both ways. What needs a peer that misbehaves is in `raw_ends`.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use e2e::backends::{Accepts, Echo, fields};
use e2e::clients::{Client, Closing, Library, Offer};
use e2e::manifests::{App, Manifests};
use e2e::pattern::{Kind, Pattern};
use e2e::stack::Stack;
use e2e::tls::{Authority, Trust};

/// Around every length form of a frame, and around the proxy's buffers.
const SIZES: [usize; 9] = [0, 1, 125, 126, 65_535, 65_536, 131_073, 1 << 20, 16 << 20];

/// Codes that all four libraries agree to send.
const CODES: [u16; 14] = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 3000, 3999, 4000, 4999,
];

fn name(library: Library) -> String {
    format!("{library:?}").to_lowercase()
}

/// A stack with an echo server of each library, at `LIBRARY.test`, with TLS and without; and whom to believe with it.
async fn four_echoes(accepts: &Accepts) -> Result<(Stack, Vec<(Library, Echo)>, Trust)> {
    let mut echoes = vec![];
    for library in Library::ALL {
        echoes.push((library, Echo::start(library, accepts).await?));
    }
    let apps: Vec<_> = echoes
        .iter()
        .map(|(library, echo)| App::new(&name(*library), &[echo.addr]).tls("any", "Allow"))
        .collect();
    let manifests = Manifests::with(&apps.iter().collect::<Vec<_>>())?;
    let authority = Authority::new("interop")?;
    let hosts = Library::ALL.map(|library| format!("{}.test", name(library)));
    let pair = authority.sign(&hosts.each_ref().map(String::as_str))?;
    manifests.save("any.yaml", &pair.secret("any"))?;
    Ok((Stack::serve(manifests, &[]).await?, echoes, authority.trust()?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_exchanges_messages_of_every_size() -> Result<()> {
    let (stack, _echoes, trust) = four_echoes(&Accepts::default()).await?;
    for way in Way::ALL {
        for server in Library::ALL {
            for client in way.clients() {
                talk(&stack, *client, server, way, &trust)
                    .await
                    .with_context(|| format!("{client:?} to {server:?}, {way:?}"))?;
            }
        }
    }
    Ok(())
}

/// How a client comes to the proxy.
#[derive(Clone, Copy, Debug)]
enum Way {
    Plain,
    Tls,
    Http2,
}

impl Way {
    const ALL: [Self; 3] = [Self::Plain, Self::Tls, Self::Http2];

    /// Those who can.
    fn clients(self) -> &'static [Library] {
        match self {
            Self::Plain | Self::Tls => &Library::ALL,
            Self::Http2 => &Library::ANYWHERE,
        }
    }

    fn door(self, stack: &Stack) -> SocketAddr {
        match self {
            Self::Plain => stack.http,
            Self::Tls | Self::Http2 => stack.https,
        }
    }

    fn offer(self, trust: &Trust) -> Offer {
        Offer {
            tls: (!matches!(self, Self::Plain)).then(|| trust.clone()),
            http2: matches!(self, Self::Http2),
            ..Offer::default()
        }
    }
}

async fn talk(stack: &Stack, client: Library, server: Library, way: Way, trust: &Trust) -> Result<()> {
    let host = format!("{}.test", name(server));
    let (mut ws, _) = Client::connect(client, way.door(stack), &host, "/", &way.offer(trust)).await?;
    for size in SIZES {
        ws.echo(Pattern::binary(size)).await?;
        if size <= 1 << 20 {
            ws.echo(Pattern::text(size)).await?;
        }
    }
    let text = "žluťoučký kůň 🦄 \u{0} end";
    ensure!(ws.ask(text).await? == text, "the text came back different");
    for kind in [Kind::Text, Kind::Binary] {
        for (size, fragments) in [(0, 3), (2, 5), (100_000, 2), (1 << 20, 257)] {
            ws.echo(Pattern {
                kind,
                size,
                seed: 9,
                fragments,
            })
            .await?;
        }
    }
    ws.ping("from the client").await?;
    ensure!(
        ws.ask("!ping hello").await? == "pong hello",
        "a ping from the server"
    );
    ensure!(
        ws.close(&Closing::new(1000, "done")).await?.code == 1000,
        "the closing handshake"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_closes_with_every_code_both_ways() -> Result<()> {
    let (stack, mut echoes, trust) = four_echoes(&Accepts::default()).await?;
    for (server, echo) in &mut echoes {
        let host = format!("{}.test", name(*server));
        for (way, client) in Way::ALL
            .into_iter()
            .flat_map(|way| way.clients().iter().map(move |client| (way, *client)))
        {
            let (proxy, offer) = (way.door(&stack), way.offer(&trust));
            let mut last: Option<Client> = None;
            for code in CODES {
                let pair = || format!("{client:?} to {server:?}, code {code}, {way:?}");
                let closing = Closing::new(code, &format!("because {code}"));
                let (mut ws, _) = match last {
                    Some(ws) => ws.reconnect(proxy, &host, "/", &offer).await?,
                    None => Client::connect(client, proxy, &host, "/", &offer).await?,
                };
                let answer = ws.close(&closing).await.with_context(pair)?;
                ensure!(answer.code == code, "{}: answered {answer:?}", pair());
                let seen = echo.closed().await.with_context(pair)?;
                ensure!(seen == closing, "{}: the server saw {seen:?}", pair());

                (ws, _) = ws.reconnect(proxy, &host, "/", &offer).await?;
                let seen = ws.ask_to_close(&closing).await.with_context(pair)?;
                ensure!(seen == closing, "{}: the client saw {seen:?}", pair());
                let answer = echo.closed().await.with_context(pair)?;
                ensure!(answer.code == code, "{}: the client answered {answer:?}", pair());
                last = Some(ws);
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subprotocols_and_permessage_deflate_are_settled_by_the_ends() -> Result<()> {
    let accepts = Accepts {
        subprotocols: vec!["chat.v2".to_owned()],
        compress: true,
    };
    let (stack, echoes, trust) = four_echoes(&accepts).await?;
    let offer = Offer {
        subprotocols: vec!["chat.v1".to_owned(), "chat.v2".to_owned()],
        compress: true,
        ..Offer::default()
    };
    let with_tls = Offer {
        tls: Some(trust),
        ..offer.clone()
    };
    let with_http2 = Offer {
        http2: true,
        ..with_tls.clone()
    };
    for (server, echo) in &echoes {
        let host = format!("{}.test", name(*server));
        for client in Library::ALL {
            let (_, direct) = Client::connect(client, echo.addr, &host, "/", &offer).await?;
            let (mut ws, agreed) = Client::connect(client, stack.http, &host, "/", &offer).await?;
            ensure!(
                agreed == direct,
                "{client:?} to {server:?}: {agreed:?}, without the proxy {direct:?}"
            );
            let (_, agreed_with_tls) = Client::connect(client, stack.https, &host, "/", &with_tls).await?;
            ensure!(agreed_with_tls == agreed, "with TLS {agreed_with_tls:?}");
            if Library::ANYWHERE.contains(&client) {
                let (_, over_http2) = Client::connect(client, stack.https, &host, "/", &with_http2).await?;
                ensure!(over_http2 == agreed, "over HTTP/2 {over_http2:?}");
            }
            ensure!(
                agreed.subprotocol == "chat.v2",
                "{client:?} to {server:?}: {agreed:?}"
            );
            let both = [client, *server]
                .iter()
                .all(|library| Library::DEFLATING.contains(library));
            ensure!(
                agreed.extensions.contains("permessage-deflate") == both,
                "{agreed:?}"
            );
            for pattern in [
                Pattern::text(1 << 20),
                Pattern::binary(1 << 20).fragments(10),
                Pattern::text(0),
            ] {
                ws.echo(pattern)
                    .await
                    .with_context(|| format!("{client:?} to {server:?}"))?;
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handshake_arrives_as_it_was_sent() -> Result<()> {
    let accepts = Accepts {
        subprotocols: vec!["two".to_owned()],
        compress: true,
    };
    let (stack, echoes, _) = four_echoes(&accepts).await?;
    let (server, echo) = &echoes[3];
    let headers = [
        ("Origin", "https://a.test"),
        ("Cookie", "a=1; b=2"),
        ("Authorization", "Bearer t"),
        ("X-Own", "x"),
    ];
    let offer = Offer {
        subprotocols: vec!["one".to_owned(), "two".to_owned()],
        compress: true,
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Offer::default()
    };
    let host = format!("{}.test", name(*server));
    let (mut direct, _) = Client::connect(Library::NodeWs, echo.addr, &host, "/b?c=%2f", &offer).await?;
    let (mut proxied, _) = Client::connect(Library::NodeWs, stack.http, &host, "/b?c=%2f", &offer).await?;
    let (direct, proxied) = (direct.info().await?, proxied.info().await?);
    for name in [
        "host",
        "upgrade",
        "origin",
        "cookie",
        "authorization",
        "x-own",
        "sec-websocket-version",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
    ] {
        let (sent, arrived) = (fields(&direct, name), fields(&proxied, name));
        ensure!(
            !sent.is_empty() && sent == arrived,
            "{name}: sent {sent:?}, arrived {arrived:?}"
        );
    }
    ensure!(proxied["path"] == "/b?c=%2f", "{proxied}");
    ensure!(fields(&proxied, "x-forwarded-for") == ["127.0.0.1"], "{proxied}");
    ensure!(fields(&proxied, "x-forwarded-proto") == ["http"], "{proxied}");
    Ok(())
}
