//! A cluster as the source, and who reports back into it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use kube::Client;
use tokio::sync::watch;
use tokio::time::Instant;

use super::journal::Journal;
use crate::compile::{self, Compiled, Compiler, Finding, Severity};
use crate::config::Kubernetes;
use crate::metrics::Metrics;
use crate::publish::peers::Peers;
use crate::source::cluster::connect::{self, Credentials};
use crate::source::cluster::observed::{Board, field_manager};
use crate::source::cluster::{Cluster, Namespaces, Scope};
use crate::status::{self, Identity, Publish};
use crate::world::Name;

/// A cluster that is being watched.
pub(super) struct Opened {
    client: Client,
    cluster: Cluster,
    board: Board,
    settings: compile::Settings,
    identity: Identity,
    publish: Option<Publish>,
}

/// Starts to watch as the settings say.
///
/// # Errors
/// No credentials, or a name that is none.
pub(super) async fn open(settings: &Kubernetes, default_certificate: Option<Name>) -> anyhow::Result<Opened> {
    let credentials = Credentials {
        kubeconfig: settings.kubeconfig.clone(),
        context: settings.context.clone(),
    };
    let client = connect::client(&credentials).await?;
    let board = Board::default();
    // An empty variable is one empty name.
    let named = settings.watch_namespaces.iter().filter(|name| !name.is_empty());
    let named: BTreeSet<String> = named.cloned().collect();
    let namespaces = match &settings.watch_namespace_selector {
        Some(selector) => Namespaces::Selected(selector.clone()),
        None if named.is_empty() => Namespaces::All,
        None => Namespaces::Named(named),
    };
    let scope = Scope {
        namespaces,
        secrets: settings.watch_secrets,
        default_certificate: default_certificate.clone(),
        external_names: settings.allow_external_names,
        manager: field_manager(&settings.controller_name).to_owned(),
    };
    let cluster = Cluster::open(client.clone(), &scope, board.clone()).await;
    let identity = Identity {
        pod: pod_name(settings)?,
        namespace: settings
            .pod_namespace
            .clone()
            .unwrap_or_else(|| client.default_namespace().to_owned()),
        lease: settings.lease_name.clone(),
        duration: settings.lease_duration,
        controller: settings.controller_name.clone(),
    };
    let publish = match (&settings.publish_service, settings.publish_address.as_slice()) {
        (Some(service), _) => Publish::Service {
            namespace: service.namespace.clone(),
            name: service.name.clone(),
        },
        (None, []) => Publish::Nothing,
        (None, given) => Publish::Given(given.to_vec()),
    };
    Ok(Opened {
        client,
        cluster,
        board,
        settings: compile::Settings {
            watch_without_class: settings.watch_ingress_without_class,
            controller: settings.controller_name.clone(),
            allow_external_names: settings.allow_external_names,
            secrets: settings.watch_secrets,
            default_certificate,
        },
        identity,
        publish: settings.update_status.then_some(publish),
    })
}

fn pod_name(settings: &Kubernetes) -> anyhow::Result<String> {
    if let Some(name) = &settings.pod_name {
        return Ok(name.clone());
    }
    let system = rustix::system::uname();
    let name = system
        .nodename()
        .to_str()
        .context("the host's name is not text; set `--pod-name`")?;
    Ok(name.to_lowercase())
}

/// Everything that reports back into a cluster.
pub(super) struct Reports {
    client: Client,
    identity: Identity,
    sources: status::Sources,
}

impl Reports {
    /// Reports until `ending` says so.
    pub(super) async fn run(self, metrics: Arc<Metrics>, ending: watch::Receiver<bool>) {
        // It holds everything that reports: too large for a stack.
        Box::pin(status::run(
            self.client,
            self.identity,
            self.sources,
            metrics,
            ending,
        ))
        .await;
    }
}

impl Opened {
    /// Who reports; nobody if statuses are not to be written.
    pub(super) fn reports(
        &self,
        compiled: watch::Receiver<Option<Arc<Compiled>>>,
        peers: Peers,
    ) -> Option<Reports> {
        Some(Reports {
            client: self.client.clone(),
            identity: self.identity.clone(),
            sources: status::Sources {
                compiled,
                peers,
                board: self.board.clone(),
                publish: self.publish.clone()?,
            },
        })
    }

    /// Compiles whatever the cluster holds, off the runtime's thread, and logs what is new about it.
    pub(super) async fn compile_each(
        self,
        out: watch::Sender<Option<Arc<Compiled>>>,
        metrics: &Metrics,
    ) -> anyhow::Result<()> {
        let Self {
            mut cluster,
            settings,
            ..
        } = self;
        let mut compiler = Compiler::new(settings);
        let mut journal = Journal::default();
        let mut pace = Duration::ZERO;
        loop {
            cluster.changed(pace).await;
            let started = Instant::now();
            let world = cluster.world().clone();
            let compile = tokio::task::spawn_blocking(move || {
                let compiled = compiler.compile(&world);
                (compiler, compiled)
            });
            let compiled;
            (compiler, compiled) = compile.await.context("compiling the objects")?;
            let compiled = Arc::new(compiled);
            metrics.compiled(&compiled);
            journal.note(&compiled, &worth_logging(&compiled));
            if out.send(Some(compiled)).is_err() {
                return Ok(());
            }
            // However fast changes come, at least half of the time is left for other things.
            pace = started.elapsed();
        }
    }
}

/// What others do in the same cluster is no news.
fn worth_logging(compiled: &Compiled) -> Vec<Arc<Finding>> {
    let findings = compiled.findings.iter();
    findings
        .filter(|finding| finding.severity != Severity::Info)
        .cloned()
        .collect()
}
