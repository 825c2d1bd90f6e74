//! 9,500 idle sessions (or what the descriptor limit allows): no measurable idle CPU, all still answer after
//! 130 s.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::child::raise_descriptor_limit;
use e2e::foreign::Peer;
use e2e::manifests::App;
use e2e::proc::{cpu_time, descriptors, memory};
use e2e::stack::{DATAPLANE, Stack};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

const WANTED: u64 = 9_500;
/// Descriptors of the data plane that are not sessions' sockets.
const SPARE: u64 = 300;
const IDLE: Duration = Duration::from_secs(130);
/// What the data plane may use over the two quiet minutes, for timers of its own: under two per mille of a core.
const QUIET_CPU: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_sessions_cost_no_cpu_and_still_answer() -> Result<()> {
    let limit = raise_descriptor_limit();
    // A session has two sockets in the data plane.
    let count = WANTED.min(limit.saturating_sub(SPARE) / 2);
    let mut server = Peer::swarm()?;
    let stack = Stack::start(&[&App::new("idle", &[server.listen(json!({})).await?])]).await?;
    let pid = stack.pid(DATAPLANE).await?;
    let before = memory(pid)?;
    let mut clients = Peer::swarm()?;
    let open = json!({ "to": stack.http.to_string(), "host": "idle.test", "count": count });
    let opened = clients.call("open", open).await?;
    ensure!(opened["sessions"] == count, "{opened}");
    let opened_at = Instant::now();
    let after = memory(pid)?;
    println!(
        "descriptor limit {limit}: {count} sessions, {} descriptors",
        descriptors(pid)?
    );
    println!(
        "user memory per idle session: {} B",
        after.private.saturating_sub(before.private) / count
    );
    let metrics = stack.admin.metrics().await?;
    ensure!(
        metrics.sum("holdfast_connections_active", &[]) == count as f64,
        "{}",
        metrics.0
    );

    // What setting them up left to do is done after 10 s.
    sleep_until(opened_at + Duration::from_secs(10)).await;
    let start = cpu_time(pid)?;
    sleep_until(opened_at + IDLE).await;
    let used = cpu_time(pid)? - start;
    println!(
        "CPU time of the data plane over {:?}: {used:?}",
        IDLE - Duration::from_secs(10)
    );
    ensure!(
        used < QUIET_CPU,
        "the data plane used {used:?} of CPU time while all sessions were idle"
    );

    let answered = clients.call("ask_all", json!({})).await?;
    ensure!(answered["answered"] == count, "{answered} of {count}");
    Ok(())
}
