//! The data plane beside Debian's nginx and HAProxy as reverse proxies, in the same run, one worker each: CPU time per
//! request, per echoed 64-byte message and per handshake, and user memory per idle session, without TLS and with it.
//! Prints figures and their ratios; words after `--` choose among `messages`, `memory`, `requests`, `handshakes`, `storm`.
//!
//! The measured process is the proxy alone: clients and backend are cheap and in processes of their own, and
//! count what passed; CPU time is the proxy's, from the kernel. Rounds are interleaved, so that whatever else
//! the machine does hits all. What is not installed is left out.

mod proxy;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::foreign::Peer;
use e2e::proc::{cpu_time, memory};
use serde_json::{Value, json};

use self::proxy::Proxy;

const CONNECTIONS: u64 = 200;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(3);
const PACE_MS: u64 = 20;
const IDLE: u64 = 4_000;
const HANDSHAKES: u64 = 500;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut server = Peer::swarm()?;
    let backend = server.listen(json!({})).await?;
    let proxies = Proxy::all(backend).await?;
    // Some figures only: `cargo bench … -- requests storm`.
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|word| word == name);
    for tls in [false, true] {
        println!("\n=== {} ===", if tls { "wss" } else { "ws" });
        if wants("messages") {
            messages(&proxies, tls, "saturated", 64, None).await?;
            let title = "one message per session each 20 ms";
            messages(&proxies, tls, title, 64, Some(PACE_MS)).await?;
        }
        if wants("memory") {
            idle_memory(&proxies, tls).await?;
        }
    }
    if wants("requests") {
        for (tls, http2) in [(false, false), (true, false), (false, true), (true, true)] {
            for browser in [false, true] {
                requests(&proxies, tls, http2, browser).await?;
            }
        }
    }
    if wants("handshakes") {
        handshakes(&proxies).await?;
    }
    if wants("storm") {
        storm(&proxies).await?;
    }
    Ok(())
}

fn door(proxy: &Proxy, tls: bool) -> SocketAddr {
    if tls { proxy.secure } else { proxy.addr }
}

/// A process with open sessions through a proxy.
async fn sessions(proxy: &Proxy, count: u64, tls: bool) -> Result<Peer> {
    let mut clients = Peer::swarm()?;
    let to = door(proxy, tls).to_string();
    let open = json!({ "to": to, "host": "bench.test", "count": count, "tls": tls });
    clients.call("open", open).await?;
    Ok(clients)
}

async fn messages(proxies: &[Proxy], tls: bool, title: &str, size: u64, pace_ms: Option<u64>) -> Result<()> {
    println!("\nCPU time per echoed {size}-byte message, {CONNECTIONS} sessions, {title}:");
    let mut crowds = vec![];
    for proxy in proxies {
        crowds.push((proxy, sessions(proxy, CONNECTIONS, tls).await?, vec![]));
    }
    for _ in 0..ROUNDS {
        for (proxy, clients, costs) in &mut crowds {
            let before = cpu_time(proxy.pid)?;
            let length = u64::try_from(ROUND.as_millis())?;
            let run: Value = clients
                .call("run", json!({ "size": size, "ms": length, "pace_ms": pace_ms }))
                .await?;
            let used = cpu_time(proxy.pid)? - before;
            let count = run["messages"]
                .as_u64()
                .filter(|count| *count > 0)
                .context("no messages")?;
            costs.push((
                used.as_secs_f64() * 1e6 / count as f64,
                count as f64 / ROUND.as_secs_f64(),
            ));
        }
    }
    let mut rounds = vec![];
    for (proxy, _, costs) in &crowds {
        let cost = median(costs.iter().map(|(cost, _)| *cost));
        let rate = median(costs.iter().map(|(_, rate)| *rate));
        let mut all: Vec<_> = costs.iter().map(|(cost, _)| format!("{cost:.2}")).collect();
        all.sort();
        println!(
            "  {:9} {cost:6.2} µs   ({rate:.0} messages/s; rounds {})",
            proxy.name,
            all.join(" ")
        );
        rounds.push(costs.iter().map(|(cost, _)| *cost).collect());
    }
    ratios(proxies, &rounds);
    Ok(())
}

async fn idle_memory(proxies: &[Proxy], tls: bool) -> Result<()> {
    println!("\nUser memory per idle session, {IDLE} sessions:");
    let mut each = vec![];
    for proxy in proxies {
        let before = memory(proxy.pid)?;
        let mut clients = sessions(proxy, IDLE, tls).await?;
        let idle = memory(proxy.pid)?;
        let answered = clients.call("ask_all", json!({ "size": 64 })).await?;
        ensure!(answered["answered"] == IDLE, "{answered}");
        let used = memory(proxy.pid)?;
        let answered = clients.call("ask_all", json!({ "size": 65_536 })).await?;
        ensure!(answered["answered"] == IDLE, "{answered}");
        let large = memory(proxy.pid)?;
        let per = |after: u64, before: u64| after.saturating_sub(before) as f64 / IDLE as f64;
        println!(
            "  {:9} {:6.0} B   (PSS {:.0} B; after a message of 64 B each {:.0} B, of 64 KiB {:.0} B)",
            proxy.name,
            per(idle.private, before.private),
            per(idle.pss, before.pss),
            per(used.private, before.private),
            per(large.private, before.private),
        );
        each.push(vec![per(idle.private, before.private)]);
    }
    ratios(proxies, &each);
    Ok(())
}

/// Requests without pause, 64 at a time; over HTTP/2, eight on each of eight connections. They have the host alone, or the
/// fields of a browser.
async fn requests(proxies: &[Proxy], tls: bool, http2: bool, browser: bool) -> Result<()> {
    let way = match (tls, http2) {
        (false, false) => "HTTP/1.1",
        (true, false) => "HTTP/1.1 over TLS",
        (false, true) => "HTTP/2 without TLS",
        (true, true) => "HTTP/2 over TLS",
    };
    let size = if browser { ", as a browser" } else { "" };
    println!("\nCPU time per request, {way}{size}, backend HTTP/1.1:");
    let mut clients = Peer::swarm()?;
    // Debian's nginx reads either protocol on a plain port, not both.
    let able = |proxy: &&Proxy| tls || !http2 || proxy.name != "nginx";
    let proxies: Vec<&Proxy> = proxies.iter().filter(able).collect();
    let rounds = costs(&proxies, async |proxy| {
        let run = json!({
            "to": door(proxy, tls).to_string(), "host": "bench.test", "tls": tls, "http2": http2, "browser": browser,
            "ms": u64::try_from(ROUND.as_millis())?,
        });
        let answered = clients.call("requests", run).await?["answered"].as_u64();
        answered.filter(|count| *count > 0).context("no answers")
    })
    .await?;
    for (proxy, costs) in proxies.iter().zip(&rounds) {
        let cost = median(costs.iter().copied());
        println!("  {:9} {cost:6.2} µs", proxy.name);
    }
    ratios(proxies, &rounds);
    Ok(())
}

/// Has each do some work in every round; yields each one's CPU time by round, in µs for one of what `work` counts.
async fn costs(
    proxies: &[&Proxy],
    mut work: impl AsyncFnMut(&Proxy) -> Result<u64>,
) -> Result<Vec<Vec<f64>>> {
    let mut costs: Vec<Vec<f64>> = proxies.iter().map(|_| vec![]).collect();
    for _ in 0..ROUNDS {
        for (proxy, costs) in proxies.iter().zip(&mut costs) {
            let before = cpu_time(proxy.pid)?;
            let done = work(proxy).await?;
            let used = cpu_time(proxy.pid)? - before;
            costs.push(used.as_secs_f64() * 1e6 / done as f64);
        }
    }
    Ok(costs)
}

/// Full TLS handshakes, each on a connection of its own, eight at a time.
async fn handshakes(proxies: &[Proxy]) -> Result<()> {
    println!("\nCPU time per full TLS 1.3 handshake (ECDSA P-256, X25519MLKEM768 where offered):");
    let mut clients = Peer::swarm()?;
    let proxies: Vec<&Proxy> = proxies.iter().collect();
    let rounds = costs(&proxies, async |proxy| {
        let mut done = 0;
        while done < HANDSHAKES {
            let storm = json!({ "to": proxy.secure.to_string(), "host": "bench.test", "count": 8 });
            done += clients.call("storm", storm).await?["handshakes"]
                .as_u64()
                .context("a count")?;
        }
        Ok(done)
    })
    .await?;
    for (proxy, costs) in proxies.iter().zip(&rounds) {
        let cost = median(costs.iter().copied());
        println!(
            "  {:9} {cost:6.0} µs   ({:.0}/s on one core)",
            proxy.name,
            1e6 / cost
        );
    }
    ratios(proxies, &rounds);
    Ok(())
}

/// The latency of 500 busy sessions, in calm and while 2,000 clients shake hands at once.
async fn storm(proxies: &[Proxy]) -> Result<()> {
    println!(
        "\nEcho latency of 500 wss sessions, a message each 200 ms, in calm and beside 2,000 handshakes at once:"
    );
    for proxy in proxies {
        let mut clients = sessions(proxy, 500, true).await?;
        let mut strangers = Peer::swarm()?;
        let run = json!({ "size": 64, "ms": 5_000, "pace_ms": 200 });
        let calm = clients.call("run", run.clone()).await?;
        let before = memory(proxy.pid)?;
        let storm = json!({ "to": proxy.secure.to_string(), "host": "bench.test", "count": 2_000 });
        let (beside, storm) = tokio::join!(clients.call("run", run), strangers.call("storm", storm));
        let (beside, storm) = (beside?, storm?);
        let after = memory(proxy.pid)?;
        let ms = |run: &Value, key: &str| run[key].as_f64().unwrap_or(f64::NAN) / 1e3;
        println!(
            "  {:9} calm p50 {:.1} p99 {:.1} ms; storm p50 {:.1} p99 {:.1} max {:.1} ms ({} handshakes; memory +{} KiB)",
            proxy.name,
            ms(&calm, "p50_us"),
            ms(&calm, "p99_us"),
            ms(&beside, "p50_us"),
            ms(&beside, "p99_us"),
            ms(&beside, "max_us"),
            storm["handshakes"],
            after.private.saturating_sub(before.private) / 1024,
        );
    }
    Ok(())
}

/// Ours against each of the others: the median of the rounds' ratios, because a shared machine is faster in one minute
/// than in the next.
fn ratios<'a>(proxies: impl IntoIterator<Item = &'a Proxy>, rounds: &[Vec<f64>]) {
    let Some((ours, others)) = rounds.split_first() else {
        return;
    };
    for (proxy, other) in proxies.into_iter().skip(1).zip(others) {
        let ratio = median(ours.iter().zip(other).map(|(ours, other)| ours / other));
        println!("  holdfast / {} = {ratio:.2}", proxy.name);
    }
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
