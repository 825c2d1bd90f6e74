//! The real binary against a controller that the test plays: ready line, traffic, signals, failures.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "fake/controller.rs"]
mod fake;

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};

use fake::*;
use futures_util::{SinkExt, StreamExt};
use routetable::wire::{Command, ToController, ToDataplane};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout};
use tokio_tungstenite::tungstenite::Message;

struct Plane {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Plane {
    fn start(fake: &Fake, more: &[&str]) -> Self {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_holdfast-dataplane"));
        command
            .arg("--socket")
            .arg(fake.socket())
            .arg("--run-dir")
            .arg(fake.run_dir());
        command
            .args([
                "--http",
                "127.0.0.1:0",
                "--https",
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
        let address =
            |at: usize, name: &str| -> SocketAddr { fields[at].strip_prefix(name).unwrap().parse().unwrap() };
        assert_ne!(address(2, "https=").port(), 0);
        (address(1, "http="), address(3, "admin="))
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
    let count = r#"holdfast_http_requests_total{route_namespace="prod",route="chat",rule="main",code="200",reason=""} 1"#;
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
async fn a_hangup_rereads_the_log_level() {
    let fake = Fake::new();
    let file = fake.run_dir().join("settings.yaml");
    std::fs::write(&file, "log-level: error").unwrap();
    let mut plane = Plane::start(&fake, &["--config", file.to_str().unwrap()]);
    let (mut link, _) = fake.accept().await;
    link.send_snapshot(&simple(&[("chat", 1)]), version(1)).await;
    plane.ready().await;

    std::fs::write(&file, "log-level: info").unwrap();
    plane.signal(Signal::HUP);
    let mut stderr = BufReader::new(plane.child.stderr.take().unwrap()).lines();
    let line = within("a log line", stderr.next_line()).await.unwrap().unwrap();
    assert!(
        line.contains("reread the log level"),
        "the first line at this level, but: {line}"
    );
    plane.signal(Signal::TERM);
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
    for flag in ["--http", "--https", "--admin"] {
        let mut args = vec![
            "--http",
            "127.0.0.1:0",
            "--https",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
        ];
        let at = args.iter().position(|arg| *arg == flag).unwrap() + 1;
        args[at] = &address;
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_holdfast-dataplane"));
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
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_holdfast-dataplane"));
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
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_holdfast-dataplane"));
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

/// A WebSocket backend that echoes.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut sink, mut stream) = tokio_tungstenite::accept_async(stream).await.unwrap().split();
                while let Some(Ok(message)) = stream.next().await {
                    if message.is_text() && sink.send(message).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

type Socket = tokio_tungstenite::WebSocketStream<TcpStream>;

async fn open(http: SocketAddr) -> Socket {
    let stream = TcpStream::connect(http).await.unwrap();
    let handshake = tokio_tungstenite::client_async("ws://chat.example.com/room", stream);
    within("a handshake", handshake).await.unwrap().0
}

async fn say(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
    let echoed = within("an echo", socket.next()).await.unwrap().unwrap();
    assert_eq!(echoed.into_text().unwrap().as_str(), text);
}

/// The code of the Close that ends the session.
async fn close_code(socket: &mut Socket) -> u16 {
    loop {
        match within("a Close", socket.next()).await {
            Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
            Some(Ok(_)) => {}
            other => panic!("no Close but {other:?}"),
        }
    }
}

fn sample(metrics: &str, name: &str) -> f64 {
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(name));
    lines
        .map(|rest| rest.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum()
}

#[tokio::test]
async fn a_session_is_seen_everywhere_and_ends_by_command_change_and_drain() {
    let fake = Fake::new();
    let mut plane = Plane::start(&fake, &["--drain-window", "1s", "--drain-deadline", "20s"]);
    let (mut link, _) = fake.accept().await;
    let backend = echo().await;
    let v1 = table([route("chat")], [set("chat", &[backend])]);
    link.send_snapshot(&v1, version(1)).await;
    let (http, admin) = plane.ready().await;
    let mut sockets = Vec::new();
    for _ in 0..4 {
        let mut socket = open(http).await;
        say(&mut socket, "hello").await;
        sockets.push(socket);
    }

    let metrics = ask(admin, "x", "/metrics").await;
    assert_eq!(sample(&metrics, "holdfast_connections_active{"), 4.0);
    assert_eq!(sample(&metrics, "holdfast_worker_sessions{"), 4.0);
    assert_eq!(
        sample(&metrics, "holdfast_worker_messages_total{"),
        8.0,
        "live sessions count"
    );
    let buffers = sample(&metrics, "holdfast_buffer_bytes ");
    assert!(
        (65536.0..=8.0 * 65536.0).contains(&buffers),
        "at most one for each direction: {buffers}"
    );
    let page = ask(admin, "x", "/connections?route=prod/chat&limit=3").await;
    let page: serde_json::Value = serde_json::from_str(page.split_once("\r\n\r\n").unwrap().1).unwrap();
    let listed = page["connections"].as_array().unwrap();
    assert_eq!((listed.len(), &listed[0]["route"]), (3, &"prod/chat/main".into()));
    let rest = ask(admin, "x", &format!("/connections?after={}", page["next"])).await;
    assert_eq!(rest.matches("\"endpoint\"").count(), 1);

    // By a command: one session.
    let id = listed[0]["id"].as_u64().unwrap();
    link.send(ToDataplane::Command(Command::CloseSession {
        session: id,
        close_code: 4000,
    }))
    .await;
    let first = within(
        "an end",
        futures_util::future::select_all(sockets.iter_mut().map(|s| Box::pin(close_code(s)))),
    );
    let (code, ended, _) = first.await;
    assert_eq!(code, 4000);
    drop(sockets.remove(ended));
    // A change elsewhere is not felt; the endpoint's removal is.
    let other = table(
        [route("chat"), route("feed")],
        [set("chat", &[backend]), set("feed", &[address(9)])],
    );
    link.send(delta((&v1, 1), (&other, 2))).await;
    link.expect(ToController::Ack(version(1))).await;
    link.expect(ToController::Ack(version(2))).await;
    for socket in &mut sockets {
        say(socket, "still here").await;
    }
    let elsewhere = table(
        [route("chat"), route("feed")],
        [set("chat", &[echo().await]), set("feed", &[address(9)])],
    );
    link.send(delta((&other, 2), (&elsewhere, 3))).await;
    for mut socket in sockets {
        assert_eq!(close_code(&mut socket).await, 1012);
    }
    let metrics = ask(admin, "x", "/metrics").await;
    assert_eq!(sample(&metrics, "holdfast_sessions_cut_by_config_total"), 0.0);

    // By the process's end.
    let mut last = open(http).await;
    plane.signal(Signal::TERM);
    assert_eq!(close_code(&mut last).await, 1012);
    drop(last);
    assert_eq!(plane.exited().await.code(), Some(0));
    let mut reasons = Vec::new();
    while let Some(line) = plane.lines.next_line().await.unwrap() {
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(record["kind"], "session", "{line}");
        reasons.push(record["reason"].as_str().unwrap().to_owned());
    }
    assert_eq!(
        reasons,
        [
            "command",
            "endpoint_removed",
            "endpoint_removed",
            "endpoint_removed",
            "shutdown"
        ]
    );
}
