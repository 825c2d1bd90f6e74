//! Services of type ExternalName: served only where that is allowed, and never to where they must not reach.

use anyhow::Result;
use e2e::cluster::expect::{PROMPT, route as at};
use e2e::cluster::network::Subnet;
use e2e::cluster::trial::trial;
use e2e::deadline::SOON;
use libtest_mimic::Trial;

use crate::setting::{Setting, simple_route};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("aliases::are_refused_unless_they_are_allowed", refused),
        trial("aliases::lead_anywhere_but_to_the_proxy_itself", allowed),
    ]
}

/// A Service that stands for a host.
fn alias(name: &str, host: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
         spec: {{type: ExternalName, externalName: '{host}', ports: [{{port: 80, targetPort: 8080}}]}}\n"
    )
}

async fn refused(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &[]).await?;
    let Setting {
        server, replica, web, ..
    } = &setting;
    server
        .apply(&(alias("chat", &web.addr.ip().to_string()) + &simple_route("chat")))
        .await?;
    let unresolved = ("ResolvedRefs", "False", "ExternalNameNotAllowed");
    let words = "--allow-external-names";
    server
        .until_condition(&at("default", "chat"), unresolved, words, SOON)
        .await?;
    replica
        .until_reason("chat.test", "/", Some("NoReadyEndpoints"), PROMPT)
        .await
}

async fn allowed(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &["controller.allowExternalNames=true"]).await?;
    let Setting {
        server, replica, web, ..
    } = &setting;
    // The resolver takes an address for itself: no name server is needed.
    let here = alias("chat", &web.addr.ip().to_string()).replace("port: 80,", "port: 8080,");
    let route = simple_route("chat").replace("port: 80", "port: 8080");
    server.apply(&(here + &route)).await?;
    replica.until_served("chat.test", "/").await?;
    server.until_ready(&at("default", "chat"), SOON).await?;
    // The proxy's own admin port, for example.
    let own = alias("own", "localhost") + &simple_route("own");
    server.apply(&own).await?;
    let idle = ("NoReadyEndpoints", "True", "NoReadyEndpoints");
    server
        .until_condition(&at("default", "own"), idle, "", SOON)
        .await?;
    server
        .until_event(
            "default",
            "own",
            "InvalidEndpoints",
            "loopback, link-local and multicast addresses are not used",
            SOON,
        )
        .await?;
    replica
        .until_reason("own.test", "/", Some("NoReadyEndpoints"), PROMPT)
        .await
}
