//! The proxies that are measured: the data plane with a controller, nginx and HAProxy, one worker each.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use e2e::child::Child;
use e2e::clients::http;
use e2e::deadline::{SOON, until};
use e2e::lone::Parts;
use e2e::manifests::{App, Manifests};
use e2e::proc::children;
use e2e::tls::{Authority, Pair};
use tempfile::TempDir;

/// A running proxy in front of one backend.
pub(crate) struct Proxy {
    /// What to call it.
    pub(crate) name: &'static str,
    /// Where clients connect.
    pub(crate) addr: SocketAddr,
    /// Where they connect with TLS.
    pub(crate) secure: SocketAddr,
    /// The process that carries the sessions.
    pub(crate) pid: u32,
    _running: Running,
}

/// What has to live as long as the proxy.
#[allow(dead_code, reason = "held, never read")]
enum Running {
    Holdfast(Box<Parts>),
    Foreign(Child, TempDir),
}

impl Proxy {
    /// Ours, and those of Debian's that are installed.
    pub(crate) async fn all(backend: SocketAddr) -> Result<Vec<Self>> {
        // The same kind of certificate that the data plane makes for itself: ECDSA P-256.
        let pair = Authority::new("bench")?.sign(&["bench.test"])?;
        let mut proxies = vec![Self::holdfast(backend).await?];
        for (name, argument, start) in [
            (
                "nginx",
                "-v",
                nginx as fn(&Path, Ports, SocketAddr, &Pair) -> Result<Command>,
            ),
            ("haproxy", "-v", haproxy),
        ] {
            let path = [name.to_owned(), format!("/usr/sbin/{name}")];
            let found = path.into_iter().find(|path| {
                let asked = Command::new(path).arg(argument).output();
                asked.is_ok_and(|output| output.status.success())
            });
            match found {
                Some(path) => {
                    proxies.push(Self::foreign(name, Path::new(&path), start, backend, &pair).await?)
                }
                None => println!("{name} is not in PATH (apt-get install {name}): not compared"),
            }
        }
        Ok(proxies)
    }

    async fn holdfast(backend: SocketAddr) -> Result<Self> {
        let manifests = Manifests::with(&[&App::new("bench", &[backend])])?;
        let mut parts = Parts::start(manifests, 1, &["--h2c", "--access-log=off"]).await?;
        parts.quiet();
        let dataplane = &parts.dataplane;
        let (addr, secure, pid) = (dataplane.http, dataplane.https, dataplane.process.pid());
        Ok(Self {
            name: "holdfast",
            addr,
            secure,
            pid,
            _running: Running::Holdfast(Box::new(parts)),
        })
    }

    async fn foreign(
        name: &'static str,
        path: &Path,
        start: fn(&Path, Ports, SocketAddr, &Pair) -> Result<Command>,
        backend: SocketAddr,
        pair: &Pair,
    ) -> Result<Self> {
        // They can't say which ports the system picked; these are free a moment before they start.
        let free = || TcpListener::bind("127.0.0.1:0")?.local_addr();
        let ports = Ports {
            plain: free()?,
            secure: free()?,
        };
        let dir = TempDir::with_prefix("bench-")?;
        let mut command = start(dir.path(), ports, backend, pair)?;
        let mut program = Command::new(path);
        program.args(command.get_args()).current_dir(dir.path());
        command = program;
        let mut process = Child::start(command)?;
        process.quiet();
        until("an answer of the other proxy", SOON, || async {
            http::get(ports.plain, "bench.test", "/").await.ok()
        })
        .await?;
        let worker = children(process.pid()).into_iter().next();
        let pid = worker.map_or(process.pid(), |(pid, _)| pid);
        Ok(Self {
            name,
            addr: ports.plain,
            secure: ports.secure,
            pid,
            _running: Running::Foreign(process, dir),
        })
    }
}

/// Where a foreign proxy listens.
#[derive(Clone, Copy)]
struct Ports {
    plain: SocketAddr,
    secure: SocketAddr,
}

/// The WebSocket reverse proxy that nginx's documentation describes, with one worker. It tells backends of clients what
/// we tell, but for `Forwarded`; ingress-nginx has it tell more.
fn nginx(dir: &Path, ports: Ports, backend: SocketAddr, pair: &Pair) -> Result<Command> {
    std::fs::write(dir.join("tls.crt"), &pair.certificate)?;
    std::fs::write(dir.join("tls.key"), &pair.key)?;
    let Ports { plain, secure } = ports;
    let text = format!(
        "daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid nginx.pid; error_log stderr warn;\n\
         events {{ worker_connections 20000; }}\n\
         http {{\n  access_log off; client_body_temp_path body; proxy_temp_path proxy;\n  \
         fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n  \
         map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}\n  keepalive_requests 10000000;\n  \
         upstream backend {{ server {backend}; keepalive 64; keepalive_requests 10000000; }}\n  server {{\n    \
         listen {plain} backlog=4096;\n    listen {secure} ssl http2 backlog=4096;\n    \
         ssl_certificate tls.crt; ssl_certificate_key tls.key; ssl_protocols TLSv1.2 TLSv1.3;\n    \
         location / {{\n      proxy_pass http://backend;\n      proxy_http_version 1.1;\n      \
         proxy_set_header Upgrade $http_upgrade;\n      proxy_set_header Connection $connection_upgrade;\n      \
         proxy_set_header Host $host;\n      proxy_set_header X-Real-IP $remote_addr;\n      \
         proxy_set_header X-Forwarded-For $remote_addr;\n      proxy_set_header X-Forwarded-Host $host;\n      \
         proxy_set_header X-Forwarded-Port $server_port;\n      proxy_set_header X-Forwarded-Proto $scheme;\n      \
         proxy_read_timeout 1h;\n      proxy_send_timeout 1h;\n    \
         }}\n  }}\n}}\n"
    );
    std::fs::write(dir.join("nginx.conf"), text)?;
    let mut command = Command::new("nginx");
    command
        .arg("-p")
        .arg(dir)
        .args(["-c", "nginx.conf", "-e", "stderr"]);
    Ok(command)
}

/// HAProxy's own example of a reverse proxy, with one thread, a tunnel timeout, and the same fields as nginx.
fn haproxy(dir: &Path, ports: Ports, backend: SocketAddr, pair: &Pair) -> Result<Command> {
    std::fs::write(dir.join("tls.pem"), format!("{}{}", pair.certificate, pair.key))?;
    let Ports { plain, secure } = ports;
    let text = format!(
        "global\n  nbthread 1\n  maxconn 9000\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 1h\n  \
         timeout server 1h\n  timeout tunnel 1h\n  option forwardfor\nfrontend all\n  \
         http-request set-header X-Real-IP %[src]\n  http-request set-header X-Forwarded-Host %[req.hdr(host)]\n  \
         http-request set-header X-Forwarded-Port %[dst_port]\n  \
         http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]\n  bind {plain} backlog 4096\n  \
         bind {secure} ssl crt {} alpn h2,http/1.1 backlog 4096\n  default_backend one\nbackend one\n  \
         server one {backend}\n",
        dir.join("tls.pem").display()
    );
    let file = dir.join("haproxy.cfg");
    std::fs::write(&file, text).context("write haproxy.cfg")?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(file);
    Ok(command)
}
