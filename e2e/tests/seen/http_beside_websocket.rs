//! HTTP beside WebSocket on the same route: Socket.IO polling then upgrade with the real client and server;
//! GraphQL over both.

use anyhow::{Result, ensure};
use e2e::clients::http;
use e2e::foreign::{Peer, target};
use e2e::manifests::App;
use e2e::stack::Stack;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn socketio_polls_and_then_upgrades() -> Result<()> {
    let mut server = Peer::script("socketio_server.cjs")?;
    // One endpoint: a Socket.IO session polls several times before it upgrades, and all must go to one place.
    let stack = Stack::start(&[&App::new("io", &[server.listen(json!({})).await?])]).await?;
    let page = http::get(stack.http, "io.test", "/a/page").await?.json()?;
    ensure!(page["page"] == "/a/page", "{page}");
    let mut clients = [
        Peer::script("socketio_client.cjs")?,
        Peer::script("socketio_client.cjs")?,
    ];
    for client in &mut clients {
        let connected = client.call("connect", target(stack.http, "io.test", "/")).await?;
        ensure!(
            connected["transports"] == json!(["polling", "websocket"]),
            "{connected}"
        );
    }
    let reply = clients[0].call("chat", json!({ "text": "hello, all" })).await?;
    ensure!(reply["transport"] == "websocket", "{reply}");
    // The reply to one's own message comes after all earlier messages.
    clients[1].call("chat", json!({ "text": "hello back" })).await?;
    let heard = clients[1].call("heard", json!({})).await?;
    ensure!(heard["heard"] == json!(["hello, all", "hello back"]), "{heard}");
    let closed = clients[0].call("closed", json!({})).await?;
    ensure!(closed["reason"] == "io server disconnect", "{closed}");

    // A client that may not upgrade keeps polling.
    let mut arguments = target(stack.http, "io.test", "/");
    arguments["transports"] = json!(["polling"]);
    clients[0].call("connect", arguments).await?;
    let reply = clients[0].call("chat", json!({ "text": "by polling" })).await?;
    ensure!(reply["transport"] == "polling", "{reply}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graphql_asks_over_http_and_subscribes_over_websocket() -> Result<()> {
    let mut server = Peer::script("graphql_server.cjs")?;
    let app = App::new("api", &[server.listen(json!({})).await?])
        .path("/graphql")
        .as_ingress();
    let stack = Stack::start(&[&app]).await?;
    let mut client = Peer::script("graphql_client.cjs")?;
    client
        .call("connect", target(stack.http, "api.test", "/graphql"))
        .await?;
    let variables = json!({ "name": "you" });
    let query = json!({ "query": "query ($name: String!) { greet(name: $name) }", "variables": variables });
    let answer = client.call("query", query).await?;
    ensure!(
        answer["status"] == 200 && answer["body"]["data"]["greet"] == "Hello, you",
        "{answer}"
    );
    let subscription = json!({ "query": "subscription { count(to: 500) }" });
    let answer = client.call("subscribe", subscription).await?;
    let expected: Vec<_> = (1..=500).map(|count| json!({ "count": count })).collect();
    ensure!(answer["results"] == json!(expected), "{answer}");
    Ok(())
}
