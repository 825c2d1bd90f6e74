//! Annotations of ours on an Ingress: they work, mistakes are told when they are applied and in Events, and one
//! that should guard something closes the Ingress rather than be ignored.

use anyhow::{Result, ensure};
use e2e::backends::Echo;
use e2e::clients::Offer;
use e2e::clients::tungstenite::Client;
use e2e::cluster::expect::PROMPT;
use e2e::cluster::network::Subnet;
use e2e::cluster::trial::trial;
use e2e::deadline::{SOON, until_true};
use e2e::manifests::Backend;
use libtest_mimic::Trial;

use crate::setting::Setting;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "annotations::that_are_wrong_are_told_when_they_are_applied",
            advice,
        ),
        trial("annotations::that_are_wrong_are_told_in_events", mistakes),
        trial("annotations::set_the_limits_of_a_session", limits),
    ]
}

/// An Ingress for `chat.test` with one annotation.
fn annotated(key: &str, value: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: chat, annotations: {{'{key}': '{value}'}}}}\n\
         spec:\n  rules:\n  - host: chat.test\n    http: {{paths: [{{path: /, pathType: Prefix, \
         backend: {{service: {{name: chat, port: {{number: 80}}}}}}}}]}}\n"
    )
}

/// The chart's admission policy answers the one who applies.
async fn advice(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &[]).await?;
    let server = &setting.server;
    for (key, value, words) in [
        (
            "holdfast.dev/idle-timeuot",
            "1h",
            "annotation 'holdfast.dev/idle-timeuot' is misspelt or not in this version, which knows 'holdfast.dev/connect-timeout'",
        ),
        (
            "holdfast.dev/idle-timeout",
            "1d",
            "annotation 'holdfast.dev/idle-timeout' must be a duration such as '1h', '30s' or '500ms'; got '1d'",
        ),
    ] {
        // A policy works a moment after it was applied.
        until_true(&format!("a warning: {words}"), SOON, || async {
            let said = server.apply_with(&annotated(key, value), &[]).await;
            said.is_ok_and(|said| said.contains("Warning") && said.contains(words))
        })
        .await?;
    }
    let good = annotated("holdfast.dev/idle-timeout", "30m");
    let said = server.apply_with(&good, &[]).await?;
    ensure!(!said.contains("Warning"), "a warning about what is right: {said}");
    Ok(())
}

async fn mistakes(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &[]).await?;
    let Setting { server, replica, .. } = &setting;
    setting.serve("chat").await?;
    const MISTAKES: [(&str, &str, &str, &str); 3] = [
        (
            "holdfast.dev/idle-timeuot",
            "1h",
            "UnknownAnnotation",
            "did you mean 'holdfast.dev/idle-timeout'?",
        ),
        (
            "holdfast.dev/idle-timeout",
            "3600",
            "InvalidAnnotation",
            "write '3600s'; kept the default 1h",
        ),
        (
            "nginx.ingress.kubernetes.io/proxy-read-timeout",
            "3600",
            "UnsupportedAnnotation",
            "annotation 'nginx.ingress.kubernetes.io/proxy-read-timeout' has no effect",
        ),
    ];
    for (key, value, reason, words) in MISTAKES {
        server.apply(&annotated(key, value)).await?;
        server.until_event("default", "chat", reason, words, SOON).await?;
        replica.until_served("chat.test", "/").await?;
    }
    for (key, words) in [
        ("holdfast.dev/allow-source-ranges", "is not in this version"),
        ("holdfast.dev/auth-servic", "which seems to guard something"),
        (
            "nginx.ingress.kubernetes.io/whitelist-source-range",
            "is not in this version",
        ),
    ] {
        server.apply(&annotated(key, "10.0.0.0/8")).await?;
        replica
            .until_reason("chat.test", "/", Some("NoReadyEndpoints"), PROMPT)
            .await?;
        server
            .until_event("default", "chat", "UnsupportedAnnotation", words, SOON)
            .await?;
        server
            .apply(&annotated("holdfast.dev/idle-timeout", "1h"))
            .await?;
        replica.until_reason("chat.test", "/", None, PROMPT).await?;
    }
    Ok(())
}

async fn limits(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &[]).await?;
    let Setting { server, replica, .. } = &setting;
    let echo = Echo::plain_at(subnet.at(110, 8080)).await?;
    server
        .apply(&Backend::new("chat", 1, &[echo.addr]).yaml())
        .await?;
    server
        .apply(&annotated("holdfast.dev/idle-timeout", "1s"))
        .await?;
    until_true("the route", SOON, || async {
        Client::connect(replica.http, "chat.test", "/", &Offer::default())
            .await
            .is_ok()
    })
    .await?;
    let (mut client, _) = Client::connect(replica.http, "chat.test", "/", &Offer::default()).await?;
    ensure!(client.ask("hello").await?.contains("hello"), "no echo");
    let closing = client.closed().await?;
    ensure!(closing.code == 1001, "ended with {closing:?}");
    Ok(())
}
