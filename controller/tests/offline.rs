//! `holdfast lint`, `routes` and `explain` over folders, files and stdin.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const ROUTE: &str = "apiVersion: holdfast.dev/v1alpha1
kind: WebSocketRoute
metadata: {name: chat}
spec:
  hostnames: [chat.example.com]
  rules:
  - name: canary
    matches: [{headers: [{name: X-Canary, value: always}]}]
    backendRefs: [{name: chat, port: 80}]
  - matches: [{path: {value: /ws}}]
    backendRefs: [{name: chat, port: 80}]
  timeouts: {idle: 90s}
";
const SERVICE: &str = "apiVersion: v1
kind: Service
metadata: {name: chat}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: chat, labels: {kubernetes.io/service-name: chat}}
addressType: IPv4
ports: [{port: 3000}]
endpoints:
- {addresses: ['127.0.0.1']}
- {addresses: ['127.0.0.2'], conditions: {ready: false}}
";

fn folder(route: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("folder");
    fs::write(folder.path().join("route.yaml"), route).expect("write");
    fs::create_dir(folder.path().join("deeper")).expect("folder");
    fs::write(folder.path().join("deeper/service.yaml"), SERVICE).expect("write");
    folder
}

fn holdfast(arguments: &[&str], folder: &TempDir) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .expect("run")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn a_folder_without_objects_is_a_warning() {
    let folder = tempfile::tempdir().expect("folder");
    let says = "the folder holds no Kubernetes objects; put *.yaml files there";
    let output = holdfast(&["lint", "."], &folder);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), format!(".:1: warning: {says} (NoObjects)\n"));
    let output = holdfast(&["routes", "-f", "."], &folder);
    assert!(String::from_utf8_lossy(&output.stderr).contains(says));
}

#[test]
fn lint_is_silent_about_good_manifests() {
    let output = holdfast(&["lint", "."], &folder(ROUTE));
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""));
}

#[test]
fn lint_names_file_line_and_remedy() {
    let wrong = ROUTE.replace("timeouts", "timeout");
    let folder = folder(&wrong);
    for path in [".", "route.yaml"] {
        let output = holdfast(&["lint", path], &folder);
        assert_eq!(output.status.code(), Some(1));
        let text = stdout(&output);
        let line = text
            .lines()
            .find(|line| line.contains("did you mean `spec.timeouts`?"))
            .expect(&text);
        assert!(
            line.contains("route.yaml:12: error: WebSocketRoute default/chat: "),
            "{line}"
        );
    }

    let mut lint = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["lint", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("spawn");
    lint.stdin
        .take()
        .expect("stdin")
        .write_all(wrong.as_bytes())
        .expect("write");
    let output = lint.wait_with_output().expect("run");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("stdin:12: error: "),
        "{}",
        stdout(&output)
    );

    let output = holdfast(&["lint", "absent"], &folder);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""));
}

#[test]
fn routes_prints_the_effective_table() {
    let folder = folder(ROUTE);
    let output = holdfast(&["routes", "-f", "."], &folder);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let words: Vec<&str> = text.lines().last().expect("a row").split_whitespace().collect();
    let row = [
        "chat.example.com",
        "/ws/*",
        "-",
        "WebSocketRoute",
        "default/chat",
        "rule-1",
        "default/chat:80",
        "(1/2)",
    ];
    assert_eq!(words, row, "{text}");

    let output = holdfast(
        &["routes", "-f", ".", "CHAT.example.com:80", "-o", "json"],
        &folder,
    );
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(rows.as_array().map(Vec::len), Some(2));
    assert_eq!(rows[0]["conditions"][0], "header x-canary=always");
    assert_eq!(rows[0]["backends"][0]["ready"], 1);
    let output = holdfast(&["routes", "-f", ".", "-o", "yaml"], &folder);
    assert!(
        stdout(&output).starts_with("- host: chat.example.com\n"),
        "{}",
        stdout(&output)
    );

    let output = holdfast(&["routes", "-f", ".", "other.example.com"], &folder);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn explain_says_who_wins_and_why_the_others_do_not() {
    let folder = folder(ROUTE);
    let output = holdfast(&["explain", "ws://chat.example.com/ws", "-f", "."], &folder);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    for part in [
        "takes the request",
        "header 'x-canary' must be 'always'",
        "timeout idle: 1m30s (WebSocketRoute default/chat)\n",
        "timeout connect: 5s (built-in)\n",
        "  127.0.0.1:3000: ready\n  127.0.0.2:3000: not ready\n",
        "answer: 101 if the endpoint accepts",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let canary = holdfast(
        &[
            "explain",
            "chat.example.com/ws",
            "-f",
            ".",
            "-H",
            "X-Canary: always",
        ],
        &folder,
    );
    let text = stdout(&canary);
    let winner = text
        .lines()
        .find(|line| line.ends_with("takes the request"))
        .expect(&text);
    assert!(
        winner.contains("WebSocketRoute default/chat rule-1"),
        "the longer prefix goes first: {text}"
    );
    assert!(
        text.contains("also matches; the longer prefix goes first"),
        "{text}"
    );

    let output = holdfast(&["explain", "http://other.example.com/", "-f", "."], &folder);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).ends_with("answer: 404 NoRoute\n"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn explain_knows_when_nothing_is_ready() {
    let folder = folder(ROUTE);
    fs::write(
        folder.path().join("deeper/service.yaml"),
        SERVICE.replace("'127.0.0.1']}", "'127.0.0.1'], conditions: {ready: false}}"),
    )
    .expect("write");
    let output = holdfast(&["explain", "chat.example.com/ws", "-f", "."], &folder);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).ends_with("answer: 503 NoReadyEndpoints\n"),
        "{}",
        stdout(&output)
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("see 'holdfast lint .'"));
}

#[test]
fn explain_knows_who_comes_in_without_tls() {
    let folder = folder(&ROUTE.replace(
        "  rules:",
        "  tls: {secretName: chat-tls, minVersion: TLSv1.3}\n  rules:",
    ));
    let answer = |url: &str| {
        let output = holdfast(&["explain", url, "-f", "."], &folder);
        let text = stdout(&output);
        assert!(
            text.contains("TLS: 'chat.example.com' with no certificate that is known here, without which handshakes are refused; TLSv1.3 or later\n"),
            "{text}"
        );
        (
            output.status.code(),
            text.lines().last().unwrap_or_default().to_owned(),
        )
    };
    let (code, last) = answer("ws://chat.example.com/ws");
    assert_eq!(code, Some(1));
    assert!(last.contains("browsers do not follow on a handshake"), "{last}");
    let (code, last) = answer("http://chat.example.com/ws");
    assert_eq!(
        (code, last.as_str()),
        (Some(1), "answer: 308 TlsRedirect to https://")
    );
    for url in ["wss://chat.example.com:8443/ws", "chat.example.com/ws"] {
        let (code, last) = answer(url);
        assert_eq!(code, Some(0));
        assert!(last.contains("101 if the endpoint accepts"), "{last}");
    }
}

#[test]
fn crds_are_printed_as_yaml() {
    let output = holdfast(&["crds", "print"], &folder(ROUTE));
    let crd: serde_yaml::Value = serde_yaml::from_slice(&output.stdout).expect("YAML");
    assert_eq!(crd["metadata"]["name"], "websocketroutes.holdfast.dev");
}
