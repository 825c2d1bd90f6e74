//! A browser (headless Chromium): a page, a fetch and a WebSocket over TLS, with HTTP/1.1 and with HTTP/2, over which the
//! WebSocket is an extended CONNECT of the same connection (RFC 8441). The page says which protocol it came by.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backends::script::Script;
use e2e::deadline::{SOON, within};
use e2e::frames::CLOSE;
use e2e::manifests::{App, Manifests};
use e2e::raw::Raw;
use e2e::stack::Stack;
use e2e::tls::Authority;
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::mpsc;

const PAGE: &str = r#"<!doctype html><title>wait</title><script>
(async () => {
  const out = {};
  const report = () => fetch('/report', { method: 'POST', body: JSON.stringify(out) });
  out.data = await (await fetch('/data')).text();
  out.page = performance.getEntriesByType('navigation')[0].nextHopProtocol;
  out.fetched = performance.getEntriesByName(location.origin + '/data')[0].nextHopProtocol;
  const ws = new WebSocket('wss://' + location.host + '/ws', ['chat']);
  ws.onopen = () => ws.send('hello');
  ws.onmessage = (event) => { out.echo = event.data; out.subprotocol = ws.protocol; ws.close(4001, 'done'); };
  ws.onclose = (event) => { out.code = event.code; out.clean = event.wasClean; report(); };
})();
</script>"#;
/// A browser takes its time to start.
const STARTED: Duration = Duration::from_secs(90);

/// Where the browser is; it is a tool of the tests, not of the product.
fn browser() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    ["chromium", "chromium-browser", "google-chrome"]
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
}

/// A page, what it fetches, an echo, and what the page reports.
async fn site(reports: mpsc::Sender<String>) -> Result<Script> {
    Script::start(move |mut raw, first| {
        let reports = reports.clone();
        async move {
            let mut head = first;
            loop {
                if head.field("upgrade").is_some() {
                    let answer = Raw::switching_protocols(&head)?;
                    let answer = answer.replacen("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n", 1);
                    raw.write(answer.as_bytes()).await?;
                    loop {
                        let frame = raw.frame().await?;
                        raw.send(&frame).await?;
                        if frame.opcode == CLOSE {
                            return raw.rest().await.map(drop);
                        }
                    }
                }
                let body = raw.body(&head).await?;
                if head.start.starts_with("POST /report") {
                    reports.send(String::from_utf8(body)?).await?;
                }
                let (kind, text) = match head.start.split(' ').nth(1) {
                    Some("/") => ("text/html", PAGE),
                    _ => ("text/plain", "the data"),
                };
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{text}",
                    text.len()
                );
                raw.write(answer.as_bytes()).await?;
                head = raw.head().await?;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_opens_a_websocket_over_either_protocol() -> Result<()> {
    let Some(browser) = browser() else {
        println!("skipped: no Chromium in PATH (apt-get install chromium)");
        return Ok(());
    };
    let (sender, mut reports) = mpsc::channel(8);
    let site = site(sender).await?;
    let authority = Authority::new("seen")?;
    let manifests = Manifests::with(&[&App::new("page", &[site.addr]).tls("page", "Redirect")])?;
    manifests.save("secret.yaml", &authority.sign(&["page.test"])?.secret("page"))?;
    let stack = Stack::serve(manifests, &[]).await?;
    for (protocol, flags) in [("h2", &[][..]), ("http/1.1", &["--disable-http2"])] {
        let profile = tempfile::tempdir()?;
        let mut command = Command::new(&browser);
        command
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--ignore-certificate-errors",
                "--disable-quic",
            ])
            .arg("--host-resolver-rules=MAP page.test 127.0.0.1")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(flags)
            .arg(format!("https://page.test:{}/", stack.https.port()));
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let report = within("the page's report", STARTED, async {
            reports.recv().await.context("the site is gone")
        })
        .await?;
        process.kill().await?;
        let report: Value = serde_json::from_str(&report)?;
        println!("{report}");
        for (key, expected) in [
            ("data", "the data"),
            ("page", protocol),
            ("fetched", protocol),
            ("echo", "hello"),
            ("subprotocol", "chat"),
        ] {
            ensure!(report[key] == expected, "{key}: {report}");
        }
        ensure!(report["code"] == 4001 && report["clean"] == true, "{report}");
        let carried = if protocol == "h2" { "HTTP/2" } else { "HTTP/1.1" };
        let record = stack
            .logs()
            .line_with(
                &[
                    r#""kind":"session""#,
                    r#""path":"/ws""#,
                    &format!(r#""protocol":"{carried}"#),
                ],
                SOON,
            )
            .await?;
        ensure!(record.contains(r#""close_from_client":4001"#), "{record}");
    }
    Ok(())
}
