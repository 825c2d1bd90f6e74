//! The definition of WebSocketRoute on a real API server: it is admitted, accepts what it should, and refuses
//! mistakes with a sentence that says what to write instead.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use e2e::binaries::workspace;
use e2e::cluster::api_server::ApiServer;
use e2e::cluster::chart::{Chart, render};
use e2e::cluster::network::Subnet;
use e2e::cluster::trial::trial;
use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("definition::mistakes_are_refused_in_words", mistakes),
        trial("definition::good_routes_are_admitted", good_routes),
        trial("definition::every_set_of_values_is_admitted", values),
    ]
}

/// A `spec` in flow style, and what the API server must say to it.
const MISTAKES: &[(&str, &[&str])] = &[
    (
        "{hostnames: ['https://chat.example.com/ws'], rules: [{backendRefs: [{name: chat, port: 80}]}]}",
        &[
            "spec.hostnames[0]",
            "must be a DNS name such as 'chat.example.com'; put the path in `rules[].matches`",
        ],
    ),
    (
        "{hostnames: [10.0.0.1], rules: [{backendRefs: [{name: chat, port: 80}]}]}",
        &["spec.hostnames[0]", "must be a DNS name, not an IP address"],
    ),
    (
        "{hostnames: ['chat.example.com:8080'], rules: [{backendRefs: [{name: chat, port: 80}]}]}",
        &["must not hold a port; write 'chat.example.com'"],
    ),
    (
        "{hostnames: [Chat.example.com], rules: [{backendRefs: [{name: chat, port: 80}]}]}",
        &["must be in lower case; write 'chat.example.com'"],
    ),
    (
        "{hostnames: ['*', chat.example.com], rules: [{backendRefs: [{name: chat, port: 80}]}]}",
        &["spec.hostnames", "must not be '*' beside other hostnames"],
    ),
    (
        "{hostnames: [a.test], timeout: {idle: 1h}, rules: [{backendRefs: [{name: chat, port: 80}]}]}",
        &["unknown field \"spec.timeout\""],
    ),
    (
        "{hostnames: [a.test], timeouts: {idle: 3600}, rules: [{backendRefs: [{name: chat, port: 80}]}]}",
        &["spec.timeouts.idle", "must be of type string: \"integer\""],
    ),
    (
        "{hostnames: [a.test], timeouts: {idle: '3600'}, rules: [{backendRefs: [{name: chat, port: 80}]}]}",
        &[
            "spec.timeouts.idle",
            "must be a duration string such as '1h'; write '3600s'",
        ],
    ),
    (
        "{hostnames: [a.test], timeouts: {idle: 1d}, rules: [{backendRefs: [{name: chat, port: 80}]}]}",
        &[
            "spec.timeouts.idle",
            "must use h, m, s or ms; write '24h' for a day",
        ],
    ),
    (
        "{hostnames: [a.test], timeouts: {handshake: 10m}, rules: [{backendRefs: [{name: chat, port: 80}]}]}",
        &[
            "spec.timeouts.handshake",
            "must be greater than '0s' and at most '5m'",
        ],
    ),
    (
        "{hostnames: [a.test], timeouts: {connect: 20s}, rules: [{backendRefs: [{name: chat, port: 80}]}]}",
        &[
            "spec.timeouts.connect",
            "must not be greater than `spec.timeouts.handshake` ('10s', the default)",
        ],
    ),
    (
        "{hostnames: [a.test], timeouts: {maxDuration: 30s}, rules: [{backendRefs: [{name: chat, port: 80}]}]}",
        &["spec.timeouts.maxDuration", "must be '0s' (off) or at least '1m'"],
    ),
    (
        "{hostnames: [a.test], rules: [{backendRefs: [{name: chat, port: 70000}]}]}",
        &["spec.rules[0].backendRefs[0].port", "65535"],
    ),
    (
        "{hostnames: [a.test], rules: [{matches: [{path: {value: ws}}], backendRefs: [{name: chat, port: 80}]}]}",
        &["spec.rules[0].matches[0].path.value", "must start with '/'"],
    ),
    (
        "{hostnames: [a.test], rules: [{matches: [{path: {value: /a//b}}], backendRefs: [{name: chat, port: 80}]}]}",
        &["must not hold '//'"],
    ),
    (
        "{hostnames: [a.test], rules: [{matches: [{path: {type: Regex}}], backendRefs: [{name: chat, port: 80}]}]}",
        &[
            "spec.rules[0].matches[0].path.type",
            "\"PathPrefix\", \"Exact\", \"RegularExpression\"",
        ],
    ),
    (
        "{hostnames: [a.test], rules: [{name: one, backendRefs: [{name: a, port: 80}]}, {name: one, backendRefs: [{name: b, port: 80}]}]}",
        &["spec.rules", "`name` must be unique among the rules of a route"],
    ),
    (
        "{hostnames: [a.test], rules: [{matches: [{headers: [{name: X-A, value: '1'}, {name: x-a, value: '2'}]}], backendRefs: [{name: chat, port: 80}]}]}",
        &["must not repeat a name, whatever its case"],
    ),
    (
        "{hostnames: [], rules: [{backendRefs: [{name: chat, port: 80}]}]}",
        &["spec.hostnames", "at least 1"],
    ),
    (
        "{hostnames: [a.test], rules: [{backendRefs: []}]}",
        &["spec.rules[0].backendRefs", "at least 1"],
    ),
];

async fn mistakes(subnet: Subnet) -> Result<()> {
    let server = ApiServer::start(subnet).await?;
    Chart::install(&server, &[]).await?;
    let mut wrong = vec![];
    for (spec, sentences) in MISTAKES {
        let said = server.refused(&object("mistake", spec)).await?;
        for sentence in *sentences {
            if !said.contains(sentence) {
                wrong.push(format!("{spec}\n  must say: {sentence}\n  but says: {said}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

const GOOD: &[&str] = &[
    // What users write: the shortest; Socket.IO; GraphQL by subprotocol; a terminal; a canary.
    "{hostnames: [chat.example.com], rules: [{backendRefs: [{name: chat, port: 8080}]}]}",
    "{hostnames: [chat.example.com], rules: [{matches: [{path: {value: /socket.io/}}], backendRefs: [{name: chat, port: 3000}]}]}",
    "{hostnames: [api.example.com], timeouts: {maxDuration: 4h}, rules: [{name: subscriptions, matches: [{path: {type: Exact, \
     value: /graphql}, subprotocols: [graphql-transport-ws]}], backendRefs: [{name: gql-ws, port: http}]}, {name: queries, \
     matches: [{path: {type: Exact, value: /graphql}}], backendRefs: [{name: gql-http, port: http}]}]}",
    "{hostnames: [vnc.example.com], timeouts: {idle: 30m}, rules: [{matches: [{path: {value: /websockify}}, {path: {value: /tty}}], \
     backendRefs: [{name: desktop, port: 6080}]}]}",
    "{hostnames: [live.example.com], rules: [{name: testers, matches: [{headers: [{name: X-Canary, value: always}]}, \
     {cookies: [{name: canary, value: always}]}], backendRefs: [{name: live-v2, port: 8080}]}, {name: everyone, \
     backendRefs: [{name: live-v1, port: 8080, weight: 90}, {name: live-v2, port: 8080, weight: 10}]}]}",
    // What else the fields take.
    "{hostnames: ['*'], rules: [{backendRefs: [{name: chat, port: web}]}]}",
    "{hostnames: ['*.example.com', example.com], timeouts: {connect: 500ms, handshake: 1m30s, idle: 0s, maxDuration: 24h}, \
     rules: [{name: canary, matches: [{path: {type: Exact, value: /ws}, headers: [{name: X-Canary, value: '1'}], \
     queryParams: [{name: v, type: RegularExpression, value: '[0-9]+'}], cookies: [{name: c, value: ''}], \
     subprotocols: [graphql-transport-ws]}], backendRefs: [{name: a, port: 80, weight: 0}, {name: b, port: 80, weight: 1000000}]}]}",
    "{ingressClassName: holdfast, hostnames: [a.test], rules: [{matches: [{path: {type: RegularExpression, value: '/room/[0-9]+'}}, \
     {path: {}}], backendRefs: [{name: chat, port: 65535}]}]}",
];

async fn good_routes(subnet: Subnet) -> Result<()> {
    let server = ApiServer::start(subnet).await?;
    Chart::install(&server, &[]).await?;
    for (number, spec) in GOOD.iter().enumerate() {
        server.apply(&object(&format!("good-{number}"), spec)).await?;
    }
    let route = server.object("default", "websocketroute/good-0").await?;
    let backend = &route["spec"]["rules"][0]["backendRefs"][0];
    ensure!(backend["weight"] == 1, "no default weight in {backend}");
    // Nobody serves it yet, and it says so.
    ensure!(
        route["status"]["conditions"][0]["reason"] == "Pending",
        "no first status in {route}"
    );
    let table = server.kubectl(&["get", "wsr"]).await?;
    let head = table.lines().next().unwrap_or_default();
    for column in ["NAME", "READY", "AGE"] {
        ensure!(head.contains(column), "no column {column} in '{head}'");
    }
    // What `examples` shows is admitted as it is.
    let example = workspace().join("examples/chat/route.yaml");
    server.apply(&std::fs::read_to_string(example)?).await
}

async fn values(subnet: Subnet) -> Result<()> {
    let server = ApiServer::start(subnet).await?;
    let mut namespaces = BTreeSet::new();
    let mut count = 0;
    for entry in std::fs::read_dir(workspace().join("charts/holdfast/ci"))? {
        let file = entry?.path();
        let file = file.to_string_lossy();
        let objects = render(&["--values", &file]).await?;
        let named = objects
            .lines()
            .filter_map(|line| line.strip_prefix("  namespace: "));
        for namespace in named {
            if namespaces.insert(namespace.to_owned()) {
                server.kubectl(&["create", "namespace", namespace]).await?;
            }
        }
        // Kinds of the Prometheus operator are not on this server.
        let known: Vec<&str> = objects
            .split("\n---\n")
            .filter(|object| !object.contains("apiVersion: monitoring.coreos.com/"))
            .collect();
        let outcome = server
            .apply_with(&known.join("\n---\n"), &["--dry-run=server", "--validate=strict"])
            .await;
        ensure!(outcome.is_ok(), "{file}: {outcome:?}");
        count += 1;
    }
    ensure!(count > 5, "only {count} sets of values");
    Ok(())
}

fn object(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: holdfast.dev/v1alpha1\nkind: WebSocketRoute\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    )
}
