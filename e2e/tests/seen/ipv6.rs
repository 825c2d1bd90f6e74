//! Clients, proxy and backends that speak IPv6 alone.

use std::net::{Ipv6Addr, SocketAddr, TcpListener};

use anyhow::{Result, ensure};
use e2e::backends::web::Web;
use e2e::backends::{Echo, fields};
use e2e::clients::{Client, Library, Offer, http};
use e2e::lone::Parts;
use e2e::manifests::{App, Manifests};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_it_goes_over_ipv6() -> Result<()> {
    let anywhere = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 0);
    if let Err(error) = TcpListener::bind(anywhere) {
        println!("not tested: this machine has no IPv6 ({error})");
        return Ok(());
    }
    let (web, echo) = (Web::start_at(anywhere).await?, Echo::plain_at(anywhere).await?);
    let manifests = Manifests::with(&[&App::new("web", &[web.addr]), &App::new("chat", &[echo.addr])])?;
    let parts = Parts::start_at(anywhere.ip(), manifests, 2, &[]).await?;
    let to = parts.dataplane.http;
    ensure!(to.is_ipv6(), "{to}");
    let seen = http::get(to, "web.test", "/").await?.json()?;
    for (name, value) in [
        ("x-forwarded-for", "::1"),
        ("x-real-ip", "::1"),
        ("forwarded", "for=\"[::1]\";host=\"web.test\";proto=http"),
    ] {
        ensure!(fields(&seen, name) == [value], "{name}: {seen}");
    }
    for library in Library::ALL {
        let (mut client, _) = Client::connect(library, to, "chat.test", "/", &Offer::default()).await?;
        ensure!(client.ask("hello").await? == "hello", "{library:?}");
    }
    parts.dataplane.admin.none_cut_by_config().await
}
