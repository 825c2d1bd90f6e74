//! Many cheap WebSocket sessions in a process of their own, driven in JSON lines (see `peers/README.md`):
//! `listen` starts the echo server; `storm` makes TLS handshakes; `requests` asks for pages; `open`, `ask_all`, `run` and `close` are about its client sessions.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use e2e::swarm::{Asking, Clients, echo, requests, storm};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut clients = Clients::default();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let reply = match call(&mut clients, &serde_json::from_str(&line)?).await {
            Ok(reply) => reply,
            Err(error) => json!({ "error": format!("{error:#}") }),
        };
        println!("{reply}");
    }
    Ok(())
}

async fn call(clients: &mut Clients, call: &Value) -> Result<Value> {
    let number = |key: &str| {
        call[key]
            .as_u64()
            .with_context(|| format!("`{key}` must be a number"))
    };
    let text = |key: &str| {
        call[key]
            .as_str()
            .with_context(|| format!("`{key}` must be a string"))
    };
    Ok(match text("op")? {
        "listen" => {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let port = listener.local_addr()?.port();
            tokio::spawn(echo(listener));
            json!({ "port": port })
        }
        "open" => {
            let count = usize::try_from(number("count")?)?;
            let tls = call["tls"].as_bool().unwrap_or_default();
            clients
                .open(text("to")?.parse()?, text("host")?, count, tls)
                .await?;
            json!({ "sessions": clients.len() })
        }
        "ask_all" => {
            let size = usize::try_from(call["size"].as_u64().unwrap_or(64))?;
            json!({ "answered": clients.ask_all(size).await })
        }
        "run" => {
            let size = usize::try_from(number("size")?)?;
            let pace = call["pace_ms"].as_u64().map(Duration::from_millis);
            let mut times = clients
                .run(size, pace, Duration::from_millis(number("ms")?))
                .await?;
            let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| times.quantile(share));
            json!({ "messages": times.count(), "p50_us": p50, "p99_us": p99, "max_us": max })
        }
        "storm" => {
            let count = usize::try_from(number("count")?)?;
            json!({ "handshakes": storm(text("to")?.parse()?, text("host")?, count).await })
        }
        "requests" => {
            let flag = |key: &str| call[key].as_bool().unwrap_or_default();
            let asking = Asking {
                to: text("to")?.parse()?,
                host: text("host")?,
                tls: flag("tls"),
                http2: flag("http2"),
                browser: flag("browser"),
                length: Duration::from_millis(number("ms")?),
            };
            json!({ "answered": requests(asking).await? })
        }
        "close" => {
            clients.close();
            json!({ "sessions": 0 })
        }
        other => bail!("unknown op '{other}'"),
    })
}
