//! The demo, as `make demo` starts it: a page, a chat and an echo through both binaries; an edit of its
//! manifest takes effect without one open session noticing. Started twice it picks another port and says so.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::binaries;
use e2e::child::Child;
use e2e::clients::tungstenite::Client;
use e2e::clients::{Offer, http};
use e2e::deadline::{SOON, until_true};
use e2e::stack::address;
use tempfile::TempDir;

/// Which backend takes whoever comes is drawn by weight: after so many draws both have been, unless one has none.
const DRAWS: usize = 40;

struct Demo {
    process: Child,
    http: SocketAddr,
    run_dir: TempDir,
}

async fn demo(http: &str) -> Result<Demo> {
    let run_dir = TempDir::with_prefix("holdfast-run-")?;
    let mut command = Command::new(binaries::find("holdfast")?);
    command.args([
        "serve",
        "--demo",
        "--http",
        http,
        "--https",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--run-dir",
    ]);
    command.arg(run_dir.path());
    let mut process = Child::start(command)?;
    let http = address(&process.announced("ready ", SOON).await?, "http")?;
    Ok(Demo {
        process,
        http,
        run_dir,
    })
}

/// The next line of the chat that contains `text`.
async fn heard(client: &mut Client, text: &str) -> Result<String> {
    loop {
        let line = client.next().await?.into_text()?.to_string();
        if line.contains(text) {
            return Ok(line);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chats_and_takes_an_edit_that_nobody_notices() -> Result<()> {
    let demo = demo("127.0.0.1:0").await?;
    for part in ["/ in two windows", "connect ws://", "demo.yaml"] {
        demo.process.logs.line_with(&[part], SOON).await?;
    }
    let page = http::get(demo.http, "localhost", "/").await?;
    ensure!(page.status == 200 && page.text().contains("<html"), "{page:?}");

    let mut guests = vec![];
    for _ in 0..DRAWS {
        guests.push(
            Client::connect(demo.http, "localhost", "/chat", &Offer::default())
                .await?
                .0,
        );
    }
    let mut hellos = vec![];
    for guest in &mut guests {
        hellos.push(heard(guest, "hello").await?);
    }
    for endpoint in ["blue", "green"] {
        ensure!(
            hellos.iter().any(|hello| hello.contains(endpoint)),
            "nobody met {endpoint}: {hellos:?}"
        );
    }

    let file = demo.run_dir.path().join("holdfast-demo/demo.yaml");
    let text = std::fs::read_to_string(&file)?;
    let edited = text.replacen(
        "{name: blue, port: 80, weight: 1}",
        "{name: blue, port: 80, weight: 0}",
        1,
    );
    ensure!(edited != text, "the file no longer invites that edit: {text}");
    std::fs::write(&file, edited)?;
    // Each answer says which endpoint it met.
    until_true("only green for whoever comes now", SOON, || async {
        for _ in 0..DRAWS {
            let who = http::get(demo.http, "localhost", "/whoami").await;
            if !who.is_ok_and(|who| who.text().contains("green")) {
                return false;
            }
        }
        true
    })
    .await?;
    guests[0].order("still here").await?;
    for guest in &mut guests {
        heard(guest, "still here").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn started_twice_takes_another_port_and_says_so() -> Result<()> {
    let first = demo("127.0.0.1:0").await?;
    let second = demo(&first.http.to_string()).await?;
    ensure!(first.http != second.http, "both at {}", first.http);
    let port = second.http.port().to_string();
    second
        .process
        .logs
        .line_with(&[&first.http.to_string()], SOON)
        .await
        .context("the port taken")?;
    second
        .process
        .logs
        .line_with(&["open http://", &port], SOON)
        .await
        .context("the port instead")?;
    for demo in [&first, &second] {
        let (mut client, _) = Client::connect(demo.http, "localhost", "/echo", &Offer::default()).await?;
        ensure!(client.ask("hello").await? == "hello", "the echo at {}", demo.http);
    }
    Ok(())
}
