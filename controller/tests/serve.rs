//! `holdfast serve` over stand-ins for the two other binaries: shell scripts in a folder of their own.
//! What the real ones do together is tested in `e2e`.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A well-behaved data plane: reports itself, notes its arguments, ends on SIGTERM.
const DATAPLANE: &str = r#"
echo "$$ $*" >> "$(dirname "$0")/dataplane.starts"
trap 'echo drained >> "$(dirname "$0")/order"; exit 0' TERM
echo 'something else'
echo 'ready http=127.0.0.1:4001 https=127.0.0.1:4003 admin=127.0.0.1:4002'
while kill -0 $PPID; do sleep 0.02; done 2>/dev/null"#;
const CONTROLLER: &str = r#"
echo "$$ $*" >> "$(dirname "$0")/controller.starts"
trap 'echo stopped >> "$(dirname "$0")/order"; exit 0' TERM
echo 'controller up' >&2
while kill -0 $PPID; do sleep 0.02; done 2>/dev/null"#;

/// The binaries, and a run directory whose path is short enough for a socket.
struct Folder(TempDir, TempDir);

impl Folder {
    fn new(controller: &str, dataplane: &str) -> Self {
        // Linked, not copied: a file open for writing in a process that forks cannot be run.
        let beside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("folder");
        let folder = Self(beside, tempfile::tempdir().expect("run directory"));
        fs::hard_link(env!("CARGO_BIN_EXE_holdfast"), folder.path("holdfast")).expect("link");
        folder.script("holdfast-controller", controller);
        folder.script("holdfast-dataplane", dataplane);
        fs::create_dir(folder.path("routes")).expect("routes");
        folder
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh{text}\n")).expect("script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn run_dir(&self) -> &str {
        self.1.path().to_str().expect("text")
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path("holdfast"));
        command.current_dir(self.0.path()).arg("serve").args(arguments);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts `serve` and waits for its ready line.
    fn serve(&self, arguments: &[&str]) -> Serve {
        let log = fs::File::create(self.path("log")).expect("log");
        let mut child = self.command(arguments).stderr(log).spawn().expect("spawn");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout"));
        let mut ready = String::new();
        stdout.read_line(&mut ready).expect("ready line");
        assert!(ready.starts_with("ready "), "{ready:?}, {}", self.read("log"));
        Serve { child, stdout, ready }
    }

    /// Waits until a file of the stand-ins holds that many lines.
    fn lines(&self, name: &str, count: usize) -> Vec<String> {
        for _ in 0..2000 {
            let lines: Vec<String> = self.read(name).lines().map(str::to_owned).collect();
            if lines.len() >= count {
                return lines;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!(
            "{name} has not {count} lines: {}\n{}",
            self.read(name),
            self.read("log")
        );
    }
}

struct Serve {
    child: Child,
    stdout: BufReader<ChildStdout>,
    ready: String,
}

impl Serve {
    fn signal(&self, signal: Signal) {
        kill(self.child.id(), signal);
    }

    /// The exit code and what else it said on stdout.
    fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("wait");
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("stdout");
        (status.code(), rest)
    }
}

impl Drop for Serve {
    /// What a failed test leaves behind; does nothing to one that was waited for.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn kill(id: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(id).expect("pid")).expect("pid");
    kill_process(pid, signal).expect("kill");
}

fn pid(line: &str) -> u32 {
    line.split(' ')
        .next()
        .and_then(|pid| pid.parse().ok())
        .expect("pid")
}

fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}/stat")).exists()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const PORTS: [&str; 7] = [
    "routes",
    "--http",
    "127.0.0.1:0",
    "--https",
    "127.0.0.1:0",
    "--admin",
    "127.0.0.1:0",
];

#[test]
fn prints_one_line_and_drains_data_plane_first() {
    let folder = Folder::new(CONTROLLER, DATAPLANE);
    let settings = [
        "--workers",
        "3",
        "--drain-window",
        "1s",
        "--default-certificate",
        "web/tls",
    ];
    let serve = folder.serve(&[&PORTS[..], &settings].concat());
    assert_eq!(
        serve.ready,
        "ready http=127.0.0.1:4001 https=127.0.0.1:4003 admin=127.0.0.1:4002\n"
    );
    let dataplane = folder.lines("dataplane.starts", 1).remove(0);
    for flag in [
        "--http=127.0.0.1:0",
        "--https=127.0.0.1:0",
        "--admin=127.0.0.1:0",
        "--workers=3",
        "--drain-window=1s",
        "--drain-deadline=10s",
        "--log-format=text",
        "--log-level=info",
        "--exit-with-parent",
    ] {
        assert!(
            dataplane.split(' ').any(|word| word == flag),
            "{flag}: {dataplane}"
        );
    }
    let controller = folder.lines("controller.starts", 1).remove(0);
    for words in [
        "--files routes --socket /",
        "--default-certificate=web/tls ",
        "--exit-with-parent",
    ] {
        assert!(controller.contains(words), "{words}: {controller}");
    }
    let socket = controller
        .split(' ')
        .find(|word| word.ends_with("/holdfast.sock"))
        .expect("socket");
    assert!(dataplane.contains(&format!("--socket {socket}")), "{dataplane}");
    let run_dir = Path::new(socket).parent().expect("run dir").to_owned();
    assert_eq!(
        fs::metadata(&run_dir).expect("run dir").permissions().mode() & 0o777,
        0o700
    );

    serve.signal(Signal::INT);
    assert_eq!(serve.end(), (Some(0), String::new()));
    assert_eq!(folder.read("order"), "drained\nstopped\n");
    assert!(!run_dir.exists(), "a temporary run directory goes away");
    let log = folder.read("log");
    assert!(log.contains("controller | controller up\n"), "{log}");
    assert!(log.contains("dataplane  | something else\n"), "{log}");
}

#[test]
fn either_process_is_started_again_on_the_same_addresses() {
    let folder = Folder::new(CONTROLLER, DATAPLANE);
    let serve = folder.serve(&PORTS);
    kill(pid(&folder.lines("dataplane.starts", 1)[0]), Signal::KILL);
    let second = folder.lines("dataplane.starts", 2).remove(1);
    assert!(
        second.contains("--http=127.0.0.1:4001 --https=127.0.0.1:4003 --admin=127.0.0.1:4002"),
        "{second}"
    );
    kill(pid(&folder.lines("controller.starts", 1)[0]), Signal::KILL);
    folder.lines("controller.starts", 2);
    serve.signal(Signal::TERM);
    assert_eq!(
        serve.end(),
        (Some(0), String::new()),
        "the ready line is printed once"
    );
}

#[test]
fn a_hangup_goes_on_to_both() {
    let noting = |name: &str| format!("\ntrap 'echo {name} >> \"$(dirname \"$0\")/hangups\"' HUP");
    let folder = Folder::new(
        &(noting("controller") + CONTROLLER),
        &(noting("dataplane") + DATAPLANE),
    );
    let serve = folder.serve(&PORTS);
    serve.signal(Signal::HUP);
    let mut hangups = folder.lines("hangups", 2);
    hangups.sort();
    assert_eq!(hangups, ["controller", "dataplane"]);
    serve.signal(Signal::TERM);
    assert_eq!(serve.end().0, Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    // Stand-ins that ignore the first one.
    let deaf = DATAPLANE.replace("; exit 0'", "'");
    let folder = Folder::new(CONTROLLER, &deaf);
    let serve = folder.serve(&[&PORTS[..], &["--drain-deadline", "1h"]].concat());
    let dataplane = pid(&folder.lines("dataplane.starts", 1)[0]);
    let controller = pid(&folder.lines("controller.starts", 1)[0]);
    serve.signal(Signal::TERM);
    folder.lines("order", 1);
    assert!(exists(dataplane));
    serve.signal(Signal::TERM);
    assert_eq!(serve.end(), (Some(0), String::new()));
    assert!(!exists(dataplane) && !exists(controller));
}

#[test]
fn a_process_that_cannot_start_ends_serve_with_its_reason() {
    let refuses = "\necho \"error: unknown flag\" >&2; exit 2";
    for (controller, dataplane, says) in [
        (
            refuses,
            DATAPLANE.replace("echo 'ready", "echo 'not"),
            "the controller cannot start",
        ),
        (CONTROLLER, refuses.to_owned(), "the data plane cannot start"),
        // Not a usage error: tried again, but not for ever.
        (
            CONTROLLER,
            "\necho \"error: unknown flag\" >&2; exit 1".to_owned(),
            "the data plane cannot start",
        ),
    ] {
        let folder = Folder::new(controller, &dataplane);
        let output = folder.command(&PORTS).output().expect("run");
        let log = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{log}");
        assert!(
            log.contains("| error: unknown flag\n") && log.contains(says),
            "{log}"
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_taken_address_is_an_error_and_in_the_demo_a_detour() {
    let folder = Folder::new(CONTROLLER, DATAPLANE);
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let taken = listener.local_addr().expect("address").to_string();
    for flag in ["--http", "--https", "--admin"] {
        let mut arguments = PORTS;
        let place = PORTS.iter().position(|word| *word == flag).expect("a flag");
        arguments[place + 1] = &taken;
        let output = folder.command(&arguments).output().expect("run");
        assert_eq!(output.status.code(), Some(2));
        let says = format!("{taken} is in use; choose another with {flag}");
        assert!(stderr(&output).contains(&says), "{}", stderr(&output));
    }

    let serve = folder.serve(&[
        "--demo",
        "--http",
        &taken,
        "--https",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--run-dir",
        folder.run_dir(),
    ]);
    let arguments = folder.lines("dataplane.starts", 1).remove(0);
    assert!(arguments.contains("--http=127.0.0.1:0"), "{arguments}");
    serve.signal(Signal::TERM);
    assert_eq!(serve.end().0, Some(0));
    let log = folder.read("log");
    assert!(
        log.contains(&format!(
            "{taken} is in use, so --http gets a port that the system picks"
        )),
        "{log}"
    );
    for line in [
        "1. open http://localhost:4001/ ",
        "connect ws://localhost:4001/echo (or wss://localhost:4003/echo --insecure)\n",
        "/holdfast-demo/demo.yaml (open sessions do not notice)\n",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert!(
        folder
            .read(&format!("{}/holdfast-demo/demo.yaml", folder.run_dir()))
            .contains("kind: WebSocketRoute")
    );
}

#[test]
fn one_app_becomes_a_folder_of_manifests() {
    let folder = Folder::new(CONTROLLER, DATAPLANE);
    let app = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = app.local_addr().expect("address").port();
    let serve = folder.serve(&[
        "--to",
        &format!("localhost:{port}"),
        "--http",
        "127.0.0.1:0",
        "--https",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--run-dir",
        folder.run_dir(),
    ]);
    let manifest = folder.read(&format!("{}/holdfast-to/app.yaml", folder.run_dir()));
    assert!(
        manifest.contains(&format!("ports: [{{port: {port}}}]")),
        "{manifest}"
    );
    assert!(
        manifest.contains("addresses: ['127.0.0.1']"),
        "the address that accepts: {manifest}"
    );
    serve.signal(Signal::TERM);
    assert_eq!(serve.end().0, Some(0));
}

#[test]
fn a_run_directory_has_one_user() {
    let folder = Folder::new(CONTROLLER, DATAPLANE);
    let arguments = [&PORTS[..], &["--run-dir", folder.run_dir()]].concat();
    let serve = folder.serve(&arguments);
    let output = folder.command(&arguments).output().expect("run");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("another 'holdfast serve' uses the run directory"),
        "{}",
        stderr(&output)
    );
    // Killed, it leaves nothing behind that keeps the next one out.
    serve.signal(Signal::KILL);
    assert_eq!(serve.end().0, None);
    let serve = folder.serve(&arguments);
    serve.signal(Signal::TERM);
    assert_eq!(serve.end().0, Some(0));
}

#[test]
fn json_logs_stay_json() {
    let folder = Folder::new(CONTROLLER, DATAPLANE);
    let serve = folder.serve(&[&PORTS[..], &["--log-format", "json"]].concat());
    // Both starts, a line of each process, and that the data plane serves.
    folder.lines("log", 5);
    serve.signal(Signal::TERM);
    assert_eq!(serve.end().0, Some(0));
    let log = folder.read("log");
    let mut processes: Vec<String> = log
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("{line}")))
        .map(|value| value["process"].as_str().expect("process").to_owned())
        .collect();
    processes.sort();
    processes.dedup();
    assert_eq!(processes, ["controller", "dataplane", "serve"]);
}

#[test]
fn usage_errors_say_what_to_write() {
    let folder = Folder::new(CONTROLLER, DATAPLANE);
    fs::create_dir(folder.path("open")).expect("folder");
    fs::set_permissions(folder.path("open"), fs::Permissions::from_mode(0o777)).expect("mode");
    let long = format!("/tmp/{}", "x".repeat(120));
    for (arguments, says) in [
        (
            &["absent"][..],
            "'absent' does not exist; name a folder of manifests",
        ),
        (&["routes", "--run-dir", "open"], "must not be writable by others"),
        (&["routes", "--run-dir", &long], "choose a shorter --run-dir"),
        (
            &["--to", "localhost"],
            "must be HOST:PORT such as 'localhost:3000'",
        ),
        (
            &["routes", "--http", "192.0.2.1:80"],
            "choose another with --http",
        ),
        (
            &["routes", "--drain-deadline", "5"],
            "must be a duration string such as '1h'; write '5s'",
        ),
        (&[], "required"),
    ] {
        let output = folder.command(arguments).output().expect("run");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            stderr(&output).contains(says),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
    let _ = fs::remove_dir(long);
    fs::remove_file(folder.path("holdfast-dataplane")).expect("remove");
    let output = folder.command(&PORTS).output().expect("run");
    assert!(stderr(&output).contains("'holdfast-dataplane' must be in the folder of 'holdfast'"));
}
