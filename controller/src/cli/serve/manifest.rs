//! The manifests that `serve --to` and `serve --demo` write, in the words a cluster understands.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Writes `text` as `file` into the folder `name` of the run directory.
pub(super) fn write(run_dir: &Path, name: &str, file: &str, text: &str) -> anyhow::Result<PathBuf> {
    let folder = run_dir.join(name);
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(folder.join(file), text))
        .with_context(|| format!("cannot write '{}'", folder.join(file).display()))?;
    Ok(folder)
}

/// Every host and path to one address.
pub(super) fn to(app: &str, address: SocketAddr) -> String {
    let mut text = format!(
        "# Written by 'holdfast serve --to {app}'.
apiVersion: holdfast.dev/v1alpha1
kind: WebSocketRoute
metadata: {{name: app}}
spec:
  hostnames: ['*']
  rules:
  - backendRefs: [{{name: app, port: 80}}]
"
    );
    service(&mut text, "app", address);
    text
}

/// The demo: two Services, one endpoint each, and comments that invite an edit.
pub(super) fn demo(blue: SocketAddr, green: SocketAddr) -> String {
    let mut text = String::from(
        "# The objects that 'holdfast serve --demo' serves. Edit and save: changes take effect at once,
# and no open session notices. A mistake is reported in the log and harms nothing else.
apiVersion: holdfast.dev/v1alpha1
kind: WebSocketRoute
metadata: {name: demo}
spec:
  hostnames: ['*']
  rules:
  - backendRefs:
    - {name: blue, port: 80, weight: 1}    # 'weight: 0': whoever comes now meets green
    - {name: green, port: 80, weight: 1}
  # - matches:                             # remove the '#'s: every new echo session goes to green
  #   - path: {type: Exact, value: /echo}
  #   backendRefs: [{name: green, port: 80}]
  timeouts:
    idle: 1h                               # '5s': new sessions end after five silent seconds
",
    );
    service(&mut text, "blue", blue);
    service(&mut text, "green", green);
    text
}

/// A Service with one port, 80, and one endpoint.
fn service(text: &mut String, name: &str, address: SocketAddr) {
    let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
    let (ip, port) = (address.ip(), address.port());
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  ports: [{{port: 80}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: {family}
ports: [{{port: {port}}}]
endpoints: [{{addresses: ['{ip}']}}]
"
    );
}

#[cfg(test)]
mod tests;
