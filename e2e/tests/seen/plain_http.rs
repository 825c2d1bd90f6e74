//! Plain HTTP by curl: keep-alive on both sides, bodies of any size both ways, chunks, fields.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use e2e::backends::fields;
use e2e::backends::web::Web;
use e2e::deadline::{SOON, within};
use e2e::manifests::App;
use e2e::pattern::Pattern;
use e2e::stack::Stack;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

const HOST: &str = "web.test";

/// Runs curl against the proxy, for paths of the web app; yields its standard output.
async fn curl(proxy: SocketAddr, arguments: &[&str], paths: &[&str]) -> Result<Vec<u8>> {
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--fail",
        "--http1.1",
        "--noproxy",
        "*",
    ]);
    command
        .arg("--resolve")
        .arg(format!("{HOST}:{}:{}", proxy.port(), proxy.ip()))
        .args(arguments);
    command.args(
        paths
            .iter()
            .map(|path| format!("http://{HOST}:{}{path}", proxy.port())),
    );
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = within("curl", SOON * 2, command.output()).await?;
    ensure!(
        output.status.success(),
        "curl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}

async fn stack() -> Result<(Stack, Web)> {
    let web = Web::start().await?;
    let stack = Stack::start(&[&App::new("web", &[web.addr])]).await?;
    Ok((stack, web))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_arrive_as_they_were_sent() -> Result<()> {
    let (stack, _web) = stack().await?;
    let arguments = [
        "-X",
        "PATCH",
        "-d",
        "some text",
        "-H",
        "X-Own: 1",
        "-H",
        "X-Forwarded-For: 9.9.9.9",
    ];
    let seen: Value = serde_json::from_slice(&curl(stack.http, &arguments, &["/a%2Fb?c=d%20e"]).await?)?;
    ensure!(
        seen["method"] == "PATCH" && seen["path"] == "/a%2Fb?c=d%20e" && seen["body"] == 9,
        "{seen}"
    );
    ensure!(seen["version"] == "HTTP/1.1", "{seen}");
    ensure!(
        fields(&seen, "host") == [format!("{HOST}:{}", stack.http.port())],
        "{seen}"
    );
    ensure!(fields(&seen, "x-own") == ["1"], "{seen}");
    // What a client claims about those before it is not believed.
    ensure!(fields(&seen, "x-forwarded-for") == ["127.0.0.1"], "{seen}");
    ensure!(
        fields(&seen, "connection")
            .iter()
            .all(|value| !value.contains("upgrade")),
        "{seen}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_kept_alive_on_both_sides() -> Result<()> {
    let web = Web::start().await?;
    let manifests = e2e::manifests::Manifests::with(&[&App::new("web", &[web.addr])])?;
    // Each worker has a pool of its own.
    let stack = Stack::serve(manifests, &["--workers", "1"]).await?;
    let output = curl(stack.http, &["-w", "\n%{num_connects}\n"], &["/1", "/2", "/3"]).await?;
    let output = String::from_utf8(output)?;
    let lines: Vec<_> = output.lines().collect();
    ensure!(lines.len() == 6, "{output}");
    ensure!(
        [lines[1], lines[3], lines[5]] == ["1", "0", "0"],
        "downstream connections: {output}"
    );
    let ports = [lines[0], lines[2], lines[4]].map(serde_json::from_str::<Value>);
    let ports: Vec<_> = ports
        .into_iter()
        .map(|seen| Ok(seen?["port"].clone()))
        .collect::<Result<_>>()?;
    ensure!(
        ports.iter().all(|port| *port == ports[0]),
        "upstream connections: {ports:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_any_size_go_both_ways() -> Result<()> {
    let (stack, _web) = stack().await?;
    for size in [0, 1, 65_536, 32 << 20] {
        for path in ["bytes", "chunks"] {
            let body = curl(stack.http, &[], &[&format!("/{path}/{size}")]).await?;
            ensure!(
                body == Pattern::binary(size).payload(),
                "/{path}/{size}: got {} bytes",
                body.len()
            );
        }
    }
    let folder = TempDir::new()?;
    let file = folder.path().join("body");
    let body = Pattern::binary(32 << 20).payload();
    std::fs::write(&file, &body)?;
    let upload = |path: &Path| path.to_str().map(str::to_owned).context("a path in UTF-8");
    let file = upload(&file)?;
    for framing in [&[][..], &["-H", "Transfer-Encoding: chunked"]] {
        let arguments = [&["-T", &file], framing].concat();
        ensure!(
            curl(stack.http, &arguments, &["/mirror"]).await? == body,
            "mirrored {framing:?}"
        );
        let seen: Value = serde_json::from_slice(&curl(stack.http, &arguments, &["/count"]).await?)?;
        ensure!(seen["body"] == body.len(), "{seen}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_answer_has_no_body() -> Result<()> {
    let (stack, _web) = stack().await?;
    let head = String::from_utf8(curl(stack.http, &["-I"], &["/bytes/1000"]).await?)?.to_lowercase();
    ensure!(
        head.starts_with("http/1.1 200") && head.contains("content-length: 1000"),
        "{head}"
    );
    ensure!(head.contains("\r\ndate: "), "{head}");
    Ok(())
}
