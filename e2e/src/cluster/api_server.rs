//! One etcd and one kube-apiserver, which can be stopped, killed, and started again with their data, with a
//! compacted history, or empty.
//!
//! There is no controller manager: EndpointSlices are what the test writes, and namespaces are not deleted.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::Full;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use super::network::Subnet;
use super::tools;
use crate::child::Child;
use crate::clients::http;
use crate::deadline;

/// Its host number in the subnet.
const SERVER: u8 = 1;
const ETCD: u8 = 2;
const ADMIN_TOKEN: &str = "admin-token";
/// Time for a start; 3 s on a quiet machine.
const START: Duration = Duration::from_secs(120);
const ATTEMPT: Duration = Duration::from_secs(5);

/// A running API server. Dropping it kills both processes.
pub struct ApiServer {
    subnet: Subnet,
    dir: TempDir,
    // Killed before its database: without it, it would not end by itself.
    server: Option<Child>,
    etcd: Option<Child>,
    client: Option<Client>,
}

impl ApiServer {
    /// Starts an empty one.
    ///
    /// # Errors
    /// When it does not come up; the logs are printed.
    pub async fn start(subnet: Subnet) -> Result<Self> {
        let dir = TempDir::with_prefix("holdfast-api-")?;
        let tokens = format!("{ADMIN_TOKEN},admin,admin,system:masters\n");
        fs::write(dir.path().join("tokens.csv"), tokens)?;
        let mut server = Self {
            subnet,
            dir,
            server: None,
            etcd: None,
            client: None,
        };
        fs::write(
            server.admin_kubeconfig(),
            server.kubeconfig(&format!("token: {ADMIN_TOKEN}")),
        )?;
        server.resume().await?;
        Ok(server)
    }

    /// The test's addresses.
    pub fn subnet(&self) -> Subnet {
        self.subnet
    }

    /// The kubeconfig file of an administrator.
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.path("admin.conf")
    }

    /// A file of this server's folder, which goes with it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The text of a kubeconfig whose user has this one field.
    pub fn kubeconfig(&self, user: &str) -> String {
        let server = self.subnet.at(SERVER, 6443);
        let authority = self.path("pki/apiserver.crt");
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: e2e\n  cluster:\n    server: https://{server}\n    \
             certificate-authority: {}\nusers:\n- name: e2e\n  user:\n    {user}\ncontexts:\n- name: e2e\n  context: \
             {{cluster: e2e, user: e2e}}\ncurrent-context: e2e\n",
            authority.display()
        )
    }

    /// A client that is an administrator.
    ///
    /// # Errors
    /// When the server was never up.
    pub fn admin(&self) -> Result<Client> {
        self.client.clone().context("the API server was never up")
    }

    async fn connect(&self) -> Result<Client> {
        let kubeconfig = Kubeconfig::read_from(self.admin_kubeconfig())?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    }

    /// Process ids of the API server and its database.
    pub fn pids(&self) -> Vec<u32> {
        self.server.iter().chain(&self.etcd).map(Child::pid).collect()
    }

    /// Kills both processes; the data stay.
    pub fn kill(&mut self) {
        self.server = None;
        self.etcd = None;
    }

    /// Freezes the API server: connections stand, nothing answers.
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze(&self) -> Result<()> {
        self.server
            .as_ref()
            .context("the API server does not run")?
            .signal(Signal::STOP)
    }

    /// Lets a frozen one go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn thaw(&self) -> Result<()> {
        self.server
            .as_ref()
            .context("the API server does not run")?
            .signal(Signal::CONT)
    }

    /// Starts what does not run, on the same addresses and with the same keys; returns when it answers.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn resume(&mut self) -> Result<()> {
        if self.etcd.is_none() {
            self.etcd = Some(self.start_etcd()?);
            let health = format!("etcd at {}", self.etcd_address());
            deadline::until_true(&health, START, || async {
                http::get(self.etcd_address(), "etcd", "/health")
                    .await
                    .is_ok_and(|answer| answer.status == 200)
            })
            .await?;
        }
        if self.server.is_none() {
            self.server = Some(self.start_server()?);
        }
        let client = deadline::until("the API server to be ready", START, || self.ready()).await?;
        self.client = Some(client);
        Ok(())
    }

    /// Forgets every object: what a restart finds after this is a new cluster with the old keys.
    ///
    /// # Errors
    /// When the data can't be removed.
    pub fn wipe(&mut self) -> Result<()> {
        self.kill();
        Ok(fs::remove_dir_all(self.path("etcd"))?)
    }

    /// Drops the history of every object: a watch from an old version is answered with 410 after the API
    /// server's next start, because its own cache begins there.
    ///
    /// # Errors
    /// When etcd refuses.
    pub async fn compact(&self) -> Result<()> {
        let all = json!({ "key": "AA==", "range_end": "AA==", "count_only": true });
        let state = self.ask_etcd("/v3/kv/range", &all).await?;
        let revision = &state["header"]["revision"];
        ensure!(revision.is_string(), "no revision in {state}");
        let work = json!({ "revision": revision, "physical": true });
        self.ask_etcd("/v3/kv/compaction", &work).await.map(drop)
    }

    async fn ask_etcd(&self, path: &str, body: &Value) -> Result<Value> {
        let request = ::http::Request::post(path)
            .header("host", "etcd")
            .body(Full::new(Bytes::from(body.to_string())))?;
        let answer = http::send(self.etcd_address(), request).await?;
        ensure!(answer.status == 200, "etcd: {} {}", answer.status, answer.text());
        answer.json()
    }

    /// A client, once it answers. Its certificate is there only after its first start.
    async fn ready(&self) -> Option<Client> {
        let client = self.connect().await.ok()?;
        let request = ::http::Request::get("/readyz").body(vec![]).ok()?;
        // One attempt may hang for minutes: asked while the server starts, or in the client's own pauses.
        let asked = timeout(ATTEMPT, client.request_text(request)).await;
        asked.ok()?.ok()?;
        Some(client)
    }

    fn etcd_address(&self) -> SocketAddr {
        self.subnet.at(ETCD, 2379)
    }

    fn start_etcd(&self) -> Result<Child> {
        let clients = format!("http://{}", self.etcd_address());
        let peers = format!("http://{}", self.subnet.at(ETCD, 2380));
        let mut command = Command::new(tools::find("etcd")?);
        command.arg("--data-dir").arg(self.path("etcd"));
        command.args([
            "--listen-client-urls",
            &clients,
            "--advertise-client-urls",
            &clients,
        ]);
        command.args([
            "--listen-peer-urls",
            &peers,
            "--initial-advertise-peer-urls",
            &peers,
        ]);
        command.args(["--initial-cluster", &format!("default={peers}")]);
        command.args(["--unsafe-no-fsync", "--log-level", "warn"]);
        Child::start_bound(&command)
    }

    fn start_server(&self) -> Result<Child> {
        let address = self.subnet.ip(SERVER).to_string();
        let pki = self.path("pki");
        // Made by the server at its first start; good enough to sign tokens with, too.
        let key = pki.join("apiserver.key");
        let mut command = Command::new(tools::find("kube-apiserver")?);
        command.args(["--bind-address", &address, "--advertise-address", &address]);
        command.args([
            "--secure-port",
            "6443",
            "--service-cluster-ip-range",
            "10.96.0.0/16",
        ]);
        command.args(["--etcd-servers", &format!("http://{}", self.etcd_address())]);
        command.args([
            "--authorization-mode",
            "RBAC",
            "--disable-admission-plugins",
            "ServiceAccount",
        ]);
        command.args([
            "--service-account-issuer",
            "https://kubernetes.default.svc.cluster.local",
        ]);
        flag(&mut command, "--cert-dir", &pki);
        flag(&mut command, "--token-auth-file", &self.path("tokens.csv"));
        flag(&mut command, "--service-account-key-file", &key);
        flag(&mut command, "--service-account-signing-key-file", &key);
        Child::start_bound(&command)
    }
}

fn flag(command: &mut Command, name: &str, path: &Path) {
    command.arg(name).arg(path);
}
