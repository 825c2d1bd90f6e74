//! TLS, with the real binaries and clients that check certificates: curl, the system's OpenSSL, rustls. Certificates that
//! rotate cut nobody and are shown at once; a broken one leaves the last good one.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backends::Echo;
use e2e::backends::web::Web;
use e2e::binaries;
use e2e::clients::http2::Connection;
use e2e::clients::{Client, Library, Offer};
use e2e::deadline::{SOON, until_true, within};
use e2e::foreign::Peer;
use e2e::manifests::{App, Manifests};
use e2e::stack::Stack;
use e2e::tls::{Authority, Pair, connect};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::Instant;

const HOST: &str = "shop.test";
/// Sessions that live through the rotations.
const SESSIONS: u64 = 500;
/// Certificates that rotate, and how often each.
const CERTIFICATES: usize = 200;
const ROTATIONS: usize = 2;
/// Time from the change of a file to handshakes that show it, at most. The push itself is a part of it: the folder is
/// looked at, the change gathered with others, compiled, sent.
const SEEN: Duration = Duration::from_secs(2);

/// curl with the authority's certificate; the answer's status, where it leads, and the protocol, then the body.
async fn curl(to: SocketAddr, trust: &str, arguments: &[&str], url: &str) -> Result<(String, String)> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, trust)?;
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--show-error", "--noproxy", "*", "--cacert"])
        .arg(&file);
    command.args(["--write-out", "\n%{http_code} %{http_version} %{redirect_url}"]);
    command
        .arg("--connect-to")
        .arg(format!("::{to}"))
        .args(arguments)
        .arg(url);
    let output = within(
        "curl",
        SOON,
        command.stdin(Stdio::null()).kill_on_drop(true).output(),
    )
    .await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "curl {url}: {errors}");
    let text = String::from_utf8(output.stdout)?;
    let (body, facts) = text.rsplit_once('\n').context("no facts")?;
    Ok((facts.trim().to_owned(), body.to_owned()))
}

/// The certificate that clients of this name are shown.
async fn shown(to: SocketAddr, name: &str) -> Result<Vec<u8>> {
    let stream = connect(name, TcpStream::connect(to).await?, &[]).await?;
    let chain = stream.get_ref().1.peer_certificates().context("none is shown")?;
    Ok(chain.first().context("none is shown")?.to_vec())
}

async fn until_shown(to: SocketAddr, name: &str, pair: &Pair) -> Result<Duration> {
    let start = Instant::now();
    until_true(&format!("the new certificate of {name}"), SEEN, || async {
        shown(to, name).await.is_ok_and(|der| der == pair.der.to_vec())
    })
    .await?;
    Ok(start.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ingress_and_a_route_are_served_with_their_certificates() -> Result<()> {
    let (web, echo) = (Web::start().await?, Echo::plain().await?);
    let authority = Authority::new("seen")?;
    let manifests = Manifests::with(&[
        &App::new("shop", &[web.addr]).as_ingress().tls("shop", "Allow"),
        &App::new("strict", &[web.addr]).as_ingress().tls("shop", "Reject"),
        &App::new("chat", &[echo.addr]).tls("chat", "Redirect"),
    ])?;
    manifests.save(
        "shop.secret.yaml",
        &authority.sign(&[HOST, "strict.test"])?.secret("shop"),
    )?;
    manifests.save(
        "chat.secret.yaml",
        &authority.sign(&["chat.test"])?.secret("chat"),
    )?;
    let stack = Stack::serve(manifests, &[]).await?;
    let pem = authority.trust()?.pem;
    let (plain, secure) = (stack.http, stack.https);

    let (facts, body) = curl(secure, &pem, &["--http1.1"], "https://shop.test/inspect").await?;
    ensure!(facts == "200 1.1", "{facts}");
    ensure!(
        body.contains("x-forwarded-proto") && body.contains("https"),
        "{body}"
    );
    ensure!(
        curl(plain, &pem, &[], "http://shop.test/")
            .await?
            .0
            .starts_with("200 1.1")
    );
    ensure!(
        curl(plain, &pem, &[], "http://strict.test/")
            .await?
            .0
            .starts_with("403 1.1")
    );
    ensure!(
        curl(secure, &pem, &["--http1.1"], "https://strict.test/")
            .await?
            .0
            == "200 1.1"
    );
    let (facts, _) = curl(plain, &pem, &[], "http://chat.test/room?a=b").await?;
    ensure!(
        facts == format!("308 1.1 https://chat.test:{}/room?a=b", secure.port()),
        "{facts}"
    );
    // A name that nobody has gets a certificate that nobody trusts.
    ensure!(curl(secure, &pem, &[], "https://other.test/").await.is_err());

    // A connection is for the name that it asked for, also where it could carry others.
    let connection = Connection::open(secure, HOST, &authority.trust()?).await?;
    for (url, status) in [
        ("https://shop.test/", 200),
        ("https://chat.test/", 421),
        ("https://SHOP.test:443/", 200),
    ] {
        let answer = connection.get(url).await?;
        ensure!(answer.status() == status, "{url}: {answer:?}");
    }

    let offer = Offer {
        tls: Some(authority.trust()?),
        ..Offer::default()
    };
    for library in Library::ALL {
        let (mut client, _) = Client::connect(library, secure, "chat.test", "/", &offer).await?;
        ensure!(client.ask("hello").await? == "hello", "{library:?}");
    }
    let folder = tempfile::tempdir()?;
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &pem)?;
    let url = format!("wss://chat.test:{}/", secure.port());
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(binaries::find("holdfast")?);
        command
            .args(["connect", &url, "--resolve", "127.0.0.1", "--message", "hello"])
            .args(arguments);
        let output = within("connect", SOON, command.kill_on_drop(true).output()).await?;
        let text = [output.stdout, output.stderr].concat();
        anyhow::Ok((output.status.code(), String::from_utf8(text)?))
    };
    let ca = ca.to_str().context("a path")?;
    for (arguments, code, says) in [
        (&["--ca", ca][..], 0, "TLSv1.3 in"),
        (&["--insecure"], 0, "< hello"),
        (&[], 2, "--insecure takes any certificate"),
    ] {
        let (status, text) = run(arguments).await?;
        ensure!(
            status == Some(code) && text.contains(says),
            "{arguments:?}: {status:?} {text}"
        );
    }
    // Node's client follows a redirect if it may; the others say what they got.
    let refused = Client::connect(Library::Tungstenite, plain, "chat.test", "/", &Offer::default()).await;
    ensure!(format!("{:#}", refused.err().context("it opens without TLS")?).contains("308"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotating_certificates_cut_nobody_and_are_seen_at_once() -> Result<()> {
    let echo = Echo::plain().await?;
    let authority = Authority::new("seen")?;
    let name = |number: usize| format!("c{number}");
    let apps: Vec<App> = (0..CERTIFICATES)
        .map(|number| App::new(&name(number), &[echo.addr]).tls(&name(number), "Allow"))
        .collect();
    let manifests = Manifests::with(&apps.iter().collect::<Vec<_>>())?;
    let host = |number: usize| format!("c{number}.test");
    let save = |manifests: &Manifests, number: usize| -> Result<Pair> {
        let pair = authority.sign(&[&host(number)])?;
        manifests.save(
            &format!("{}.secret.yaml", name(number)),
            &pair.secret(&name(number)),
        )?;
        Ok(pair)
    };
    for number in 0..CERTIFICATES {
        save(&manifests, number)?;
    }
    let stack = Stack::serve(manifests, &[]).await?;
    let to = stack.https;
    let mut sessions = Peer::swarm()?;
    let open = json!({ "to": to.to_string(), "host": "c0.test", "count": SESSIONS, "tls": true });
    sessions.call("open", open).await?;

    let mut times = vec![];
    let over = AtomicBool::new(false);
    let rotate = async {
        for round in 0..ROTATIONS {
            for number in 0..CERTIFICATES {
                let pair = save(&stack.manifests, number)?;
                // Some are waited for one by one, the others come in bursts.
                if number % 10 == round {
                    times.push(until_shown(to, &host(number), &pair).await?);
                }
            }
        }
        over.store(true, Ordering::SeqCst);
        anyhow::Ok(())
    };
    let talk = async {
        // A session that ends is an error.
        while !over.load(Ordering::SeqCst) {
            let run = json!({ "size": 64, "ms": 1_000, "pace_ms": 250 });
            sessions
                .call("run", run)
                .await
                .context("a session did not live on")?;
        }
        Ok(())
    };
    tokio::try_join!(rotate, talk)?;
    times.sort();
    let (middle, last) = (times[times.len() / 2], times[times.len() - 1]);
    println!(
        "{} rotations seen after {middle:?}, {last:?} at most",
        times.len()
    );
    let metrics = stack.admin.metrics().await?;
    let applied = |suffix: &str, labels: &[(&str, &str)]| {
        metrics.sum(
            &format!("holdfast_config_apply_duration_seconds_{suffix}"),
            labels,
        )
    };
    // A push that serves is one that new handshakes meet.
    println!(
        "{} pushes, of which {} served within 0.1 s; {:.1} ms each",
        applied("count", &[]),
        applied("bucket", &[("le", "0.1")]),
        applied("sum", &[]) / applied("count", &[]) * 1e3
    );
    let answered = within("all sessions", SOON * 2, sessions.call("ask_all", json!({}))).await?;
    ensure!(answered["answered"] == SESSIONS, "{answered}");
    stack.admin.none_cut_by_config().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_secret_leaves_the_last_good_certificate() -> Result<()> {
    let web = Web::start().await?;
    let authority = Authority::new("seen")?;
    let (good, other) = (authority.sign(&[HOST])?, authority.sign(&[HOST])?);
    let manifests = Manifests::with(&[&App::new("shop", &[web.addr]).as_ingress().tls("shop", "Allow")])?;
    manifests.save("secret.yaml", &good.secret("shop"))?;
    let stack = Stack::serve(manifests, &[]).await?;
    until_shown(stack.https, HOST, &good).await?;

    let mixed = Pair {
        key: other.key.clone(),
        ..good.clone()
    };
    let damaged = Pair {
        certificate: good.certificate.replace("MII", "QQQ"),
        ..good.clone()
    };
    for (broken, says) in [(mixed, "does not belong to"), (damaged, "tls.crt")] {
        stack.manifests.save("secret.yaml", &broken.secret("shop"))?;
        stack.logs().line_with(&[says], SOON).await?;
        ensure!(
            shown(stack.https, HOST).await? == good.der.to_vec(),
            "another certificate is shown"
        );
    }
    stack.manifests.save("secret.yaml", &other.secret("shop"))?;
    until_shown(stack.https, HOST, &other).await?;
    Ok(())
}
