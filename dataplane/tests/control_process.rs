//! The real binary against a controller that the test plays: ready line, traffic, signals, failures.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "fake/controller.rs"]
mod fake;

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};

use fake::*;
use routetable::wire::{ToController, ToDataplane};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};

struct Plane {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Plane {
    fn start(fake: &Fake, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast-dataplane"));
        command
            .arg("--socket")
            .arg(fake.socket())
            .arg("--run-dir")
            .arg(fake.run_dir());
        command
            .args([
                "--http",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
                "--workers",
                "2",
            ])
            .args(more);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        within("a line on stdout", self.lines.next_line())
            .await
            .unwrap()
            .expect("stdout ended")
    }

    /// Addresses of clients and admin.
    async fn ready(&mut self) -> (SocketAddr, SocketAddr) {
        let line = self.line().await;
        let fields: Vec<&str> = line.split(' ').collect();
        assert_eq!(fields[0], "ready", "{line}");
        let address = |at: usize, name: &str| fields[at].strip_prefix(name).unwrap().parse().unwrap();
        (address(1, "http="), address(2, "admin="))
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    async fn exited(&mut self) -> ExitStatus {
        within("the end of the process", self.child.wait()).await.unwrap()
    }

    async fn stderr(&mut self) -> String {
        let mut text = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        within("the end of stderr", stderr.read_to_string(&mut text))
            .await
            .unwrap();
        text
    }
}

async fn ask(address: SocketAddr, host: &str, path: &str) -> String {
    let ask = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    };
    within("an answer", ask).await
}

/// A backend that answers every connection once.
async fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut chunk = [0; 4096];
            let _ = stream.read(&mut chunk).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
                .await;
        }
    });
    address
}

#[tokio::test]
async fn a_table_makes_it_ready_and_a_signal_ends_it() {
    let fake = Fake::new();
    let mut plane = Plane::start(&fake, &[]);
    let (mut link, hello) = fake.accept().await;
    assert_eq!(hello.have, None);
    let backend = backend().await;
    link.send_snapshot(&table([route("chat")], [set("chat", &[backend])]), version(1))
        .await;
    link.expect(ToController::Ack(version(1))).await;
    let (http, admin) = plane.ready().await;

    let answer = ask(http, "chat.example.com", "/").await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("hi"),
        "{answer}"
    );
    let record: serde_json::Value = serde_json::from_str(&plane.line().await).unwrap();
    assert_eq!(
        (&record["kind"], &record["route"]),
        (&"request".into(), &"prod/chat/main".into())
    );
    assert_eq!(
        (&record["status"], &record["backend"]),
        (&200.into(), &"prod/chat:80".into())
    );
    assert!(ask(admin, "x", "/readyz").await.starts_with("HTTP/1.1 200"));
    let metrics = ask(admin, "x", "/metrics").await;
    let count =
        r#"holdfast_http_requests_total{route_namespace="prod",route="chat",rule="main",code="200"} 1"#;
    assert!(metrics.lines().any(|line| line == count), "{metrics}");

    plane.signal(Signal::TERM);
    assert_eq!(plane.exited().await.code(), Some(0));
}

#[tokio::test]
async fn the_table_on_disk_serves_before_the_controller_is_heard() {
    let fake = Fake::new();
    let backend = backend().await;
    let known = table([route("chat")], [set("chat", &[backend])]);
    let mut first = Plane::start(&fake, &[]);
    let (mut link, _) = fake.accept().await;
    link.send_snapshot(&known, version(1)).await;
    first.ready().await;
    first.signal(Signal::TERM);
    assert_eq!(first.exited().await.code(), Some(0));

    // The controller listens but says nothing, as one does that is still starting.
    let mut second = Plane::start(&fake, &[]);
    let (http, _) = second.ready().await;
    assert!(
        ask(http, "chat.example.com", "/")
            .await
            .starts_with("HTTP/1.1 200")
    );
    let (mut link, hello) = fake.accept().await;
    assert_eq!((hello.have, hello.digest), (Some(version(1)), known.digest()));
    link.send(ToDataplane::Current(version(8))).await;
    link.expect(ToController::Ack(version(8))).await;
}

#[tokio::test]
async fn a_drain_delay_takes_newcomers_while_readiness_is_off() {
    let fake = Fake::new();
    let mut plane = Plane::start(&fake, &["--drain-delay", "1h"]);
    let (mut link, _) = fake.accept().await;
    link.send_snapshot(
        &table([route("chat")], [set("chat", &[backend().await])]),
        version(1),
    )
    .await;
    let (http, admin) = plane.ready().await;
    plane.signal(Signal::TERM);
    within("readiness that is off", async {
        while !ask(admin, "x", "/readyz").await.starts_with("HTTP/1.1 503") {}
    })
    .await;
    assert!(
        ask(http, "chat.example.com", "/")
            .await
            .starts_with("HTTP/1.1 200")
    );
    // A second signal ends at once.
    plane.signal(Signal::INT);
    assert_eq!(plane.exited().await.code(), Some(0));
}

#[tokio::test]
async fn a_signal_before_any_table_ends_it_too() {
    let fake = Fake::new();
    let mut plane = Plane::start(&fake, &[]);
    let _link = fake.accept().await;
    plane.signal(Signal::INT);
    assert_eq!(plane.exited().await.code(), Some(0));
}

#[tokio::test]
async fn an_address_in_use_names_its_flag() {
    let fake = Fake::new();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--http", "--admin"] {
        let mut args = vec!["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let at = args.iter().position(|arg| *arg == flag).unwrap() + 1;
        args[at] = &address;
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast-dataplane"));
        command.arg("--socket").arg(fake.socket()).args(args);
        let output = within("its end", command.output()).await.unwrap();
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(
            text.contains(&format!("cannot listen on '{address}' (`{flag}`)")),
            "{text}"
        );
        assert!(text.contains("another process listens there"), "{text}");
    }
}

#[tokio::test]
async fn usage_errors_exit_with_2_and_help_with_0() {
    let run = async |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast-dataplane"));
        within("its end", command.args(args).output()).await.unwrap()
    };
    let help = run(&["--help"]).await;
    assert_eq!(help.status.code(), Some(0));
    let text = String::from_utf8(help.stdout).unwrap();
    for part in [
        "--http <ADDR:PORT>",
        "[default: 0.0.0.0:8080]",
        "HOLDFAST_DRAIN_WINDOW",
        "Exit codes",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    let wrong = run(&["--drain-windw", "1m"]).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        String::from_utf8(wrong.stderr)
            .unwrap()
            .contains("--drain-window")
    );
}

#[tokio::test]
async fn a_variable_counts_and_a_flag_beats_it() {
    let fake = Fake::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast-dataplane"));
    command
        .env("HOLDFAST_HTTP", "not an address")
        .arg("--socket")
        .arg(fake.socket());
    let output = within("its end", command.output()).await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("not an address")
    );

    let mut plane = Plane::start(&fake, &["--log-level", "error"]);
    let (mut link, _) = fake.accept().await;
    link.send_snapshot(&simple(&[("chat", 1)]), version(1)).await;
    plane.ready().await;
    plane.signal(Signal::TERM);
    assert!(plane.exited().await.success());
    assert_eq!(plane.stderr().await, "", "nothing worth an error happened");
}
