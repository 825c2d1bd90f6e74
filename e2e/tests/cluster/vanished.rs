//! Clients that vanish without a word, as machines do that lose their power or their network: what they held is given
//! back once the kernel has asked in vain, and nobody else notices. No API server: only the network is needed.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Result, ensure};
use e2e::backends::Echo;
use e2e::cluster::network::Subnet;
use e2e::cluster::trial::trial;
use e2e::deadline::{SOON, until_true};
use e2e::frames::Frame;
use e2e::lone::Parts;
use e2e::manifests::{App, Manifests};
use e2e::proc::{descriptors, memory};
use e2e::raw::Raw;
use libtest_mimic::Trial;

/// Sessions, and as many connections that pause between two requests.
const CLIENTS: usize = 200;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("vanished::half_open_clients_are_given_up", half_open)]
}

/// A connection from the address, once the proxy has said this to a request.
async fn ask(from: SocketAddr, to: SocketAddr, request: &str, status: u16) -> Result<Raw> {
    let mut client = Raw::connect_from(from, to).await?;
    client.write(request.as_bytes()).await?;
    let head = client.head().await?;
    ensure!(head.status() == status, "{head:?}");
    Ok(client)
}

async fn half_open(subnet: Subnet) -> Result<()> {
    let echo = Echo::plain().await?;
    let manifests = Manifests::with(&[&App::new("calm", &[echo.addr])])?;
    let mut parts = Parts::start(manifests, 2, &["--tcp-keepalive=1s"]).await?;
    parts.quiet();
    let (to, pid, admin) = (
        parts.dataplane.http,
        parts.dataplane.process.pid(),
        parts.dataplane.admin,
    );
    let handshake = Raw::handshake_request("calm.test", "/");
    let missing = "GET / HTTP/1.1\r\nhost: nowhere.test\r\n\r\n";
    // What stays, and what the first requests leave for good.
    let mut stays = ask(subnet.at(1, 0), to, &handshake, 101).await?;
    let (calm, open) = (memory(pid)?.private, descriptors(pid)?);
    let gone = subnet.at(2, 0);
    let mut clients = vec![];
    for _ in 0..CLIENTS {
        clients.push(ask(gone, to, &handshake, 101).await?);
        clients.push(ask(gone, to, missing, 404).await?);
    }
    let full = memory(pid)?.private;

    // From here on no packet reaches them, and none of theirs arrives.
    let route = format!("{}/32", gone.ip());
    let blackhole = Command::new("ip")
        .args(["route", "add", "blackhole", &route, "table", "local"])
        .output()?;
    ensure!(
        blackhole.status.success(),
        "{}",
        String::from_utf8_lossy(&blackhole.stderr)
    );
    admin
        .until_metric("holdfast_worker_connections", &[], 4 * SOON, |count| count == 1.0)
        .await?;
    until_true("all descriptors back", SOON, || async {
        descriptors(pid).is_ok_and(|now| now <= open + 4)
    })
    .await?;
    println!(
        "{} half-open clients: private memory {} KiB in calm, {} KiB with them, {} KiB after; {} descriptors of {open}",
        clients.len(),
        calm / 1024,
        full / 1024,
        memory(pid)?.private / 1024,
        descriptors(pid)?
    );
    stays.send(&Frame::text("hi")).await?;
    ensure!(stays.frame().await? == Frame::text("hi"), "no echo");
    drop(clients);
    admin.none_cut_by_config().await
}
