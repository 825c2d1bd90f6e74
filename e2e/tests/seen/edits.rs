//! Edits and slips in the very objects that live sessions stand on: none of them cuts a session while its
//! route exists and nobody says that its endpoint is gone. Whoever comes meanwhile is told the truth.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backends::Echo;
use e2e::chatter::{Chatter, Talk};
use e2e::deadline::SOON;
use e2e::manifests::Manifests;
use e2e::stack::Stack;

const TALK: Talk = Talk {
    pace: Duration::from_millis(100),
    padding: 50,
};
const FILE: &str = "app.yaml";

/// Each replaces something in the manifest of the sessions.
const EDITS: [(&str, &str, &str); 8] = [
    (
        "a slip in the Service's name",
        "{name: app, port: 80}",
        "{name: ap, port: 80}",
    ),
    (
        "a slip in the port",
        "{name: app, port: 80}",
        "{name: app, port: 81}",
    ),
    (
        "a Service port gets a name before its slices do",
        "ports: [{port: 80}]",
        "ports: [{name: ws, port: 80}]",
    ),
    (
        "a second match",
        "- matches: [{path: {value: /}}]",
        "- matches: [{path: {value: /}}, {path: {value: /x}}]",
    ),
    (
        "another path",
        "- matches: [{path: {value: /}}]",
        "- matches: [{path: {value: /x}}]",
    ),
    ("a rule gets a name", "- matches:", "- name: all\n    matches:"),
    (
        "a rule before it",
        "  rules:\n",
        "  rules:\n  - matches: [{path: {value: /first}}]\n    backendRefs: [{name: app, port: 80}]\n",
    ),
    ("another time limit", "idle: 1h", "idle: 2h"),
];

fn manifest(port: u16) -> String {
    format!(
        "apiVersion: holdfast.dev/v1alpha1
kind: WebSocketRoute
metadata: {{name: app}}
spec:
  hostnames: [app.test]
  rules:
  - matches: [{{path: {{value: /}}}}]
    backendRefs: [{{name: app, port: 80}}]
  timeouts: {{idle: 1h}}
---
apiVersion: v1
kind: Service
metadata: {{name: app}}
spec:
  ports: [{{port: 80}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: app, labels: {{kubernetes.io/service-name: app}}}}
addressType: IPv4
ports: [{{port: {port}}}]
endpoints: [{{addresses: [127.0.0.1]}}]
"
    )
}

/// Saves the file, and waits until the data plane serves another generation.
async fn save(stack: &Stack, text: &str) -> Result<()> {
    const GENERATION: &str = "holdfast_config_generation";
    let before = stack.admin.metrics().await?.sum(GENERATION, &[]);
    stack.manifests.save(FILE, text)?;
    stack
        .admin
        .until_metric(GENERATION, &[], SOON, |now| now > before)
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_of_a_live_route_cut_nobody() -> Result<()> {
    let echo = Echo::plain().await?;
    let base = manifest(echo.addr.port());
    let manifests = Manifests::new()?;
    manifests.save(FILE, &base)?;
    let stack = Stack::serve(manifests, &[]).await?;
    let chatter = Chatter::start(stack.http, "app.test", 10, TALK).await?;
    for (what, old, new) in EDITS {
        let edited = base.replace(old, new);
        ensure!(edited != base, "{what} changes nothing");
        save(&stack, &edited).await.context(what)?;
        let active = stack
            .admin
            .metrics()
            .await?
            .sum("holdfast_connections_active", &[]);
        ensure!(active == 10.0, "{what}: {active} of 10 sessions are left");
        save(&stack, &base).await.context(what)?;
    }
    chatter.all_alive().await?;
    stack.admin.none_cut_by_config().await
}
