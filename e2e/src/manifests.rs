//! Manifests: the YAML of a small application, and the folder it is saved in.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use tempfile::TempDir;

/// A folder of manifests that ends with its guard.
#[derive(Debug)]
pub struct Manifests {
    dir: TempDir,
}

impl Manifests {
    /// An empty folder.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn new() -> Result<Self> {
        Ok(Self {
            dir: TempDir::with_prefix("holdfast-e2e-")?,
        })
    }

    /// A folder with these applications, a file each.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn with(apps: &[&App]) -> Result<Self> {
        let manifests = Self::new()?;
        for app in apps {
            manifests.save_app(app)?;
        }
        Ok(manifests)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Saves a file at once, as `kubectl`, configuration management and careful editors do: a reader sees the
    /// old or the new text, never a part.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn save(&self, name: &str, text: &str) -> Result<()> {
        let draft = self.file(&format!(".{name}.draft"));
        fs::write(&draft, text)?;
        Ok(fs::rename(draft, self.file(name))?)
    }

    /// Saves a file in place, as careless editors do: truncate, then write.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn overwrite(&self, name: &str, text: &str) -> Result<()> {
        Ok(fs::write(self.file(name), text)?)
    }

    /// Saves `NAME.yaml` with everything an application needs.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn save_app(&self, app: &App) -> Result<()> {
        self.save(&format!("{}.yaml", app.name), &app.yaml())
    }

    /// Deletes a file.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove(&self, name: &str) -> Result<()> {
        Ok(fs::remove_file(self.file(name))?)
    }
}

/// A Service with its endpoints.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Name of the Service.
    pub service: String,
    /// Share of new sessions.
    pub weight: u32,
    /// Where it listens, and whether it is ready.
    pub endpoints: Vec<(SocketAddr, bool)>,
}

impl Backend {
    /// One whose endpoints are all ready.
    pub fn new(service: &str, weight: u32, endpoints: &[SocketAddr]) -> Self {
        let endpoints = endpoints.iter().map(|address| (*address, true)).collect();
        Self {
            service: service.to_owned(),
            weight,
            endpoints,
        }
    }

    /// The Service and an EndpointSlice for each endpoint (each has its own port).
    pub fn yaml(&self) -> String {
        let service = &self.service;
        let mut yaml = format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {service}}}\nspec:\n  ports:\n  \
             - {{name: web, port: 80}}\n"
        );
        for (index, (address, ready)) in self.endpoints.iter().enumerate() {
            let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
            let _ = write!(
                yaml,
                "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  \
                 name: {service}-{index}\n  labels: {{kubernetes.io/service-name: {service}}}\n\
                 addressType: {family}\nports:\n- {{name: web, port: {}}}\nendpoints:\n\
                 - addresses: ['{}']\n  conditions: {{ready: {ready}}}\n",
                address.port(),
                address.ip(),
            );
        }
        yaml
    }
}

/// An application: a WebSocketRoute (or an Ingress), its Services and their endpoints.
///
/// Its host is `NAME.test`, its path `/`, its Service has its name.
#[derive(Clone, Debug)]
pub struct App {
    /// Name of the route, and of the file.
    pub name: String,
    /// Virtual host.
    pub host: String,
    /// Path prefix.
    pub path: String,
    /// Where it goes.
    pub backends: Vec<Backend>,
    /// Fields of `spec.timeouts`, such as `("idle", "30m")`.
    pub timeouts: Vec<(String, String)>,
    /// Write an Ingress instead of a WebSocketRoute.
    pub ingress: bool,
    /// The Secret of its certificate, and what a request without TLS gets.
    pub tls: Option<(String, String)>,
}

impl App {
    /// One Service with ready endpoints.
    pub fn new(name: &str, endpoints: &[SocketAddr]) -> Self {
        Self {
            name: name.to_owned(),
            host: format!("{name}.test"),
            path: "/".to_owned(),
            backends: vec![Backend::new(name, 1, endpoints)],
            timeouts: vec![],
            ingress: false,
            tls: None,
        }
    }

    /// Another host.
    #[must_use]
    pub fn host(self, host: &str) -> Self {
        Self {
            host: host.to_owned(),
            ..self
        }
    }

    /// Another path prefix.
    #[must_use]
    pub fn path(self, path: &str) -> Self {
        Self {
            path: path.to_owned(),
            ..self
        }
    }

    /// Other Services.
    #[must_use]
    pub fn backends(self, backends: Vec<Backend>) -> Self {
        Self { backends, ..self }
    }

    /// A field of `spec.timeouts`.
    #[must_use]
    pub fn timeout(mut self, field: &str, duration: &str) -> Self {
        self.timeouts.push((field.to_owned(), duration.to_owned()));
        self
    }

    /// Writes an Ingress instead of a WebSocketRoute (first Service only, no timeouts).
    #[must_use]
    pub fn as_ingress(self) -> Self {
        Self {
            ingress: true,
            ..self
        }
    }

    /// A certificate; without TLS, clients get what the policy says (`Allow`, `Redirect`, `Reject`).
    #[must_use]
    pub fn tls(self, secret: &str, insecure_policy: &str) -> Self {
        Self {
            tls: Some((secret.to_owned(), insecure_policy.to_owned())),
            ..self
        }
    }

    /// Everything.
    pub fn yaml(&self) -> String {
        let mut yaml = if self.ingress {
            self.ingress_yaml()
        } else {
            self.route_yaml()
        };
        yaml.extend(self.backends.iter().map(Backend::yaml));
        yaml
    }

    /// The WebSocketRoute alone.
    pub fn route_yaml(&self) -> String {
        let Self { name, host, path, .. } = self;
        let mut yaml = format!(
            "apiVersion: holdfast.dev/v1alpha1\nkind: WebSocketRoute\nmetadata: {{name: {name}}}\nspec:\n  \
             hostnames: ['{host}']\n  rules:\n  - matches:\n    - path: {{value: '{path}'}}\n    backendRefs:\n"
        );
        for Backend { service, weight, .. } in &self.backends {
            let _ = writeln!(yaml, "    - {{name: {service}, port: 80, weight: {weight}}}");
        }
        if let Some((secret, policy)) = &self.tls {
            let _ = writeln!(yaml, "  tls: {{secretName: {secret}, insecurePolicy: {policy}}}");
        }
        if !self.timeouts.is_empty() {
            yaml.push_str("  timeouts:\n");
        }
        for (field, duration) in &self.timeouts {
            let _ = writeln!(yaml, "    {field}: {duration}");
        }
        yaml
    }

    fn ingress_yaml(&self) -> String {
        let Self {
            name,
            host,
            path,
            backends,
            ..
        } = self;
        let service = backends.first().map_or("none", |backend| &backend.service);
        let (annotation, tls) = match &self.tls {
            Some((secret, policy)) => (
                format!(
                    ", annotations: {{holdfast.dev/insecure-policy: {}}}",
                    policy.to_lowercase()
                ),
                format!("  tls:\n  - {{hosts: [{host}], secretName: {secret}}}\n"),
            ),
            None => (String::new(), String::new()),
        };
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}{annotation}}}\nspec:\n{tls}  rules:\n  \
             - host: {host}\n    http:\n      paths:\n      - path: {path}\n        pathType: Prefix\n        \
             backend: {{service: {{name: {service}, port: {{name: web}}}}}}\n"
        )
    }
}
