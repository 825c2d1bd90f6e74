//! The proxies that are measured: the data plane with a controller, and nginx.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use anyhow::{Context, Result};
use e2e::child::Child;
use e2e::clients::http;
use e2e::deadline::{SOON, until};
use e2e::lone::{Controller, DataPlane};
use e2e::manifests::{App, Manifests};
use e2e::proc::children;
use tempfile::TempDir;

/// A running proxy in front of one backend.
pub(crate) struct Proxy {
    /// What to call it.
    pub(crate) name: &'static str,
    /// Where clients connect.
    pub(crate) addr: SocketAddr,
    /// The process that carries the sessions.
    pub(crate) pid: u32,
    _parts: Parts,
}

/// What has to live as long as the proxy.
#[allow(dead_code, reason = "held, never read")]
enum Parts {
    Holdfast(Box<(DataPlane, Controller, Manifests, TempDir)>),
    Nginx(Child, TempDir),
}

impl Proxy {
    pub(crate) async fn holdfast(backend: SocketAddr) -> Result<Self> {
        let manifests = Manifests::with(&[&App::new("bench", &[backend])])?;
        let run_dir = TempDir::with_prefix("holdfast-run-")?;
        let mut controller = Controller::start(manifests.path(), run_dir.path())?;
        let mut dataplane = DataPlane::start(run_dir.path(), 1).await?;
        controller.process.quiet();
        dataplane.process.quiet();
        let (addr, pid) = (dataplane.http, dataplane.process.pid());
        let parts = Parts::Holdfast(Box::new((dataplane, controller, manifests, run_dir)));
        Ok(Self {
            name: "holdfast",
            addr,
            pid,
            _parts: parts,
        })
    }

    /// `None` when nginx is not installed.
    pub(crate) async fn nginx(backend: SocketAddr) -> Result<Option<Self>> {
        let installed = ["nginx", "/usr/sbin/nginx"].into_iter().find_map(|path| {
            Command::new(path)
                .arg("-v")
                .output()
                .ok()
                .filter(|output| output.status.success())
                .map(|_| path)
        });
        let Some(nginx) = installed else {
            return Ok(None);
        };
        // nginx can't say which port the system picked; this one is free a moment before it starts.
        let addr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let dir = TempDir::with_prefix("nginx-")?;
        std::fs::write(dir.path().join("nginx.conf"), configuration(addr, backend))?;
        let mut command = Command::new(nginx);
        command
            .arg("-p")
            .arg(dir.path())
            .args(["-c", "nginx.conf", "-e", "stderr"]);
        let mut master = Child::start(command)?;
        master.quiet();
        until("an answer of nginx", SOON, || async {
            http::get(addr, "bench.test", "/").await.ok()
        })
        .await?;
        let (pid, _) = children(master.pid())
            .into_iter()
            .next()
            .context("nginx has no worker")?;
        Ok(Some(Self {
            name: "nginx",
            addr,
            pid,
            _parts: Parts::Nginx(master, dir),
        }))
    }
}

/// The WebSocket reverse proxy that nginx's documentation describes, with one worker.
fn configuration(addr: SocketAddr, backend: SocketAddr) -> String {
    format!(
        "daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid nginx.pid; error_log stderr warn;\n\
         events {{ worker_connections 20000; }}\n\
         http {{\n  access_log off; client_body_temp_path body; proxy_temp_path proxy;\n  \
         fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n  \
         map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}\n  \
         upstream backend {{ server {backend}; }}\n  server {{\n    listen {addr} backlog=4096;\n    \
         location / {{\n      proxy_pass http://backend;\n      proxy_http_version 1.1;\n      \
         proxy_set_header Upgrade $http_upgrade;\n      proxy_set_header Connection $connection_upgrade;\n      \
         proxy_set_header Host $host;\n      proxy_read_timeout 1h;\n      proxy_send_timeout 1h;\n    \
         }}\n  }}\n}}\n"
    )
}
