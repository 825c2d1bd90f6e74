//! The fixtures against each other, with nothing in between: what the interop tests show about the proxy
//! rests on this.

use anyhow::{Context, Result, ensure};
use e2e::backends::script::{DeadPort, Script};
use e2e::backends::web::Web;
use e2e::backends::{Accepts, Echo};
use e2e::clients::{Client, Closing, Library, Offer, http};
use e2e::foreign::{Peer, target};
use e2e::frames::{CLOSE, Frame, TEXT};
use e2e::pattern::Pattern;
use e2e::raw::{End, Raw};
use serde_json::json;

#[tokio::test]
async fn every_client_talks_to_every_server() -> Result<()> {
    for server in Library::ALL {
        let accepts = Accepts {
            subprotocols: vec!["chat.v2".to_owned()],
            compress: true,
        };
        let mut echo = Echo::start(server, &accepts).await?;
        for client in Library::ALL {
            let offer = Offer {
                subprotocols: vec!["chat.v1".to_owned(), "chat.v2".to_owned()],
                compress: true,
                headers: vec![("X-Token".to_owned(), "secret".to_owned())],
                ..Offer::default()
            };
            let (mut ws, agreed) = Client::connect(client, echo.addr, "echo.test", "/a?b=c", &offer).await?;
            ensure!(
                agreed.subprotocol == "chat.v2",
                "{client:?} to {server:?}: {agreed:?}"
            );
            let deflating = [server, client]
                .iter()
                .all(|library| Library::DEFLATING.contains(library));
            ensure!(
                deflating == agreed.extensions.contains("permessage-deflate"),
                "{client:?} {server:?}"
            );
            let info = ws.info().await?;
            ensure!(info["path"] == "/a?b=c", "{info}");
            let headers = info["headers"].as_array().cloned().unwrap_or_default();
            for field in [json!(["x-token", "secret"]), json!(["host", "echo.test"])] {
                ensure!(headers.contains(&field), "{client:?} to {server:?}: {info}");
            }
            ws.echo(Pattern::text(0)).await?;
            ws.echo(Pattern::binary(70_000).fragments(5)).await?;
            ws.ping("are you there").await?;
            ensure!(
                ws.ask("!ping hello").await? == "pong hello",
                "{client:?} to {server:?}"
            );
            let bye = Closing::new(4001, "so long");
            let answered = ws.close(&bye).await?;
            ensure!(answered.code == 4001, "{client:?} to {server:?}: {answered:?}");
            let seen = echo
                .closed()
                .await
                .with_context(|| format!("{client:?} to {server:?}"))?;
            ensure!(seen == bye, "{client:?} to {server:?}: {seen:?}");

            let (mut ws, _) = Client::connect(client, echo.addr, "x", "/", &Offer::default()).await?;
            let bye = Closing::new(1012, "service restart");
            ensure!(ws.ask_to_close(&bye).await? == bye, "{client:?} to {server:?}");
            let seen = echo
                .closed()
                .await
                .with_context(|| format!("{client:?} to {server:?}"))?;
            ensure!(seen.code == 1012, "{client:?} to {server:?}: {seen:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn raw_ends_see_what_the_other_does() -> Result<()> {
    let script = Script::websocket(&[Frame::text("along")], |mut raw| async move {
        let frame = raw.frame().await?;
        raw.send(&frame).await?;
        raw.send(&Frame::close(1000, "done")).await?;
        raw.reset()
    })
    .await?;
    let mut raw = Raw::websocket(script.addr, "raw.test", "/").await?;
    ensure!(
        raw.frame().await? == Frame::text("along"),
        "the frame along with the 101"
    );
    raw.send(&Frame::text("hi")).await?;
    let frame = raw.frame().await?;
    ensure!(
        (frame.opcode, frame.payload.as_slice()) == (TEXT, b"hi".as_slice()),
        "{frame:?}"
    );
    let frame = raw.frame().await?;
    ensure!(
        frame.opcode == CLOSE && frame.close_code() == Some((1000, "done".to_owned())),
        "{frame:?}"
    );
    ensure!(raw.rest().await?.1 == End::Reset, "a reset");
    ensure!(
        script.heads()[0].field("host") == Some("raw.test"),
        "{:?}",
        script.heads()
    );
    Ok(())
}

#[tokio::test]
async fn broken_backends_are_broken() -> Result<()> {
    let refused = http::get(Script::refuse(403, "no").await?.addr, "h", "/").await?;
    ensure!(
        (refused.status, refused.text().as_str()) == (403, "no"),
        "{refused:?}"
    );
    let garbage = Script::garbage().await?;
    ensure!(
        http::get(garbage.addr, "h", "/").await.is_err(),
        "garbage is no answer"
    );
    for broken in [
        Script::switch_without_accept().await?,
        Script::switch_with_wrong_accept().await?,
    ] {
        let result = Client::connect(Library::Tungstenite, broken.addr, "h", "/", &Offer::default()).await;
        ensure!(result.is_err(), "a client that checks must refuse");
    }
    let dead = DeadPort::new()?;
    ensure!(
        http::get(dead.addr, "h", "/").await.is_err(),
        "nothing listens on a dead port"
    );
    Ok(())
}

#[tokio::test]
async fn web_server_says_what_it_got() -> Result<()> {
    let web = Web::start().await?;
    let seen = http::get(web.addr, "web.test", "/x?y").await?.json()?;
    ensure!(seen["path"] == "/x?y" && seen["method"] == "GET", "{seen}");
    for path in ["/bytes/100000", "/chunks/100000"] {
        let answer = http::get(web.addr, "web.test", path).await?;
        ensure!(answer.body == Pattern::binary(100_000).payload(), "{path}");
        ensure!(
            answer.field("content-length").is_some() == path.starts_with("/bytes"),
            "{path}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn socketio_and_graphql_peers_work() -> Result<()> {
    let mut server = Peer::script("socketio_server.cjs")?;
    let addr = server.listen(json!({})).await?;
    let mut client = Peer::script("socketio_client.cjs")?;
    let connected = client.call("connect", target(addr, "io.test", "/")).await?;
    ensure!(
        connected["transports"] == json!(["polling", "websocket"]),
        "{connected}"
    );
    let reply = client.call("chat", json!({ "text": "hi" })).await?;
    ensure!(
        reply["text"] == "hi" && reply["transport"] == "websocket",
        "{reply}"
    );

    let mut server = Peer::script("graphql_server.cjs")?;
    let addr = server.listen(json!({})).await?;
    let mut client = Peer::script("graphql_client.cjs")?;
    client
        .call("connect", target(addr, "api.test", "/graphql"))
        .await?;
    let answer = client
        .call("query", json!({ "query": "{ greet(name: \"you\") }" }))
        .await?;
    ensure!(answer["body"]["data"]["greet"] == "Hello, you", "{answer}");
    let answer = client
        .call("subscribe", json!({ "query": "subscription { count(to: 3) }" }))
        .await?;
    ensure!(
        answer["results"] == json!([{ "count": 1 }, { "count": 2 }, { "count": 3 }]),
        "{answer}"
    );
    Ok(())
}

#[tokio::test]
async fn swarm_talks_to_itself() -> Result<()> {
    let mut server = Peer::swarm()?;
    let addr = server.listen(json!({})).await?;
    let mut clients = Peer::swarm()?;
    let open = json!({ "to": addr.to_string(), "host": "swarm.test", "count": 100 });
    clients.call("open", open).await?;
    let answered = clients.call("ask_all", json!({})).await?;
    ensure!(answered["answered"] == 100, "{answered}");
    let ran = clients
        .call("run", json!({ "size": 64, "pace_ms": 50, "ms": 300 }))
        .await?;
    ensure!(ran["messages"].as_u64() >= Some(300), "{ran}");
    clients.call("close", json!({})).await?;
    Ok(())
}
