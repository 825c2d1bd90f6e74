//! The data plane beside Debian's nginx as a WebSocket reverse proxy, in the same run, one worker each: CPU
//! time per echoed 64-byte message, and user memory per idle session. Prints figures and their ratio.
//!
//! The measured process is the proxy alone: clients and backend are cheap and in processes of their own, and
//! count what passed; CPU time is the proxy's, from the kernel. Rounds are interleaved, so that whatever else
//! the machine does hits both. Without nginx only our own figures are printed.

mod proxy;

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

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut server = Peer::swarm()?;
    let backend = server.listen(json!({})).await?;
    let mut proxies = vec![Proxy::holdfast(backend).await?];
    match Proxy::nginx(backend).await? {
        Some(nginx) => proxies.push(nginx),
        None => println!("nginx is not in PATH (apt-get install nginx): no ratios"),
    }
    messages(&proxies, "saturated", None).await?;
    messages(
        &proxies,
        "paced, one message per session each 20 ms",
        Some(PACE_MS),
    )
    .await?;
    idle_memory(&proxies).await
}

/// A process with open sessions through a proxy.
async fn sessions(proxy: &Proxy, count: u64) -> Result<Peer> {
    let mut clients = Peer::swarm()?;
    let open = json!({ "to": proxy.addr.to_string(), "host": "bench.test", "count": count });
    clients.call("open", open).await?;
    Ok(clients)
}

async fn messages(proxies: &[Proxy], title: &str, pace_ms: Option<u64>) -> Result<()> {
    println!("\nCPU time per echoed 64-byte message, {CONNECTIONS} sessions, {title}:");
    let mut crowds = vec![];
    for proxy in proxies {
        crowds.push((proxy, sessions(proxy, CONNECTIONS).await?, vec![]));
    }
    for _ in 0..ROUNDS {
        for (proxy, clients, costs) in &mut crowds {
            let before = cpu_time(proxy.pid)?;
            let length = u64::try_from(ROUND.as_millis())?;
            let run: Value = clients
                .call("run", json!({ "size": 64, "ms": length, "pace_ms": pace_ms }))
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
    let mut medians = vec![];
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
        medians.push(cost);
    }
    ratio(&medians);
    Ok(())
}

async fn idle_memory(proxies: &[Proxy]) -> Result<()> {
    println!("\nUser memory per idle session, {IDLE} sessions:");
    let mut each = vec![];
    for proxy in proxies {
        let before = memory(proxy.pid)?;
        let mut clients = sessions(proxy, IDLE).await?;
        let idle = memory(proxy.pid)?;
        let answered = clients.call("ask_all", json!({})).await?;
        ensure!(answered["answered"] == IDLE, "{answered}");
        let used = memory(proxy.pid)?;
        let per = |after: u64, before: u64| after.saturating_sub(before) as f64 / IDLE as f64;
        println!(
            "  {:9} {:6.0} B   (PSS {:.0} B; after a message each {:.0} B)",
            proxy.name,
            per(idle.private, before.private),
            per(idle.pss, before.pss),
            per(used.private, before.private),
        );
        each.push(per(idle.private, before.private));
    }
    ratio(&each);
    Ok(())
}

fn ratio(figures: &[f64]) {
    if let [ours, nginx] = figures {
        println!("  holdfast / nginx = {:.2}", ours / nginx);
    }
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
