//! What most tests begin with: an API server with the chart on it, a replica, and a backend that answers.

use anyhow::Result;
use e2e::backends::web::Web;
use e2e::cluster::api_server::ApiServer;
use e2e::cluster::chart::Chart;
use e2e::cluster::network::Subnet;
use e2e::cluster::replica::Replica;
use e2e::manifests::Backend;

/// Host number of the first backend in a subnet.
pub(crate) const BACKENDS: u8 = 100;

/// The usual things. Statuses carry the address of the replica.
pub(crate) struct Setting {
    // Dropped in this order.
    pub(crate) replica: Replica,
    pub(crate) web: Web,
    pub(crate) server: ApiServer,
    pub(crate) chart: Chart,
}

impl Setting {
    /// With more values for the chart.
    pub(crate) async fn start(subnet: Subnet, values: &[&str]) -> Result<Self> {
        let server = ApiServer::start(subnet).await?;
        let chart = Self::chart(&server, values).await?;
        let web = Web::start_at(subnet.at(BACKENDS, 8080)).await?;
        let replica = Replica::start(subnet, &chart, 0, &[]).await?;
        Ok(Self {
            replica,
            web,
            server,
            chart,
        })
    }

    /// Installs the chart: its class is the default one, and the first replica's address is published.
    pub(crate) async fn chart(server: &ApiServer, values: &[&str]) -> Result<Chart> {
        let addresses = format!("controller.publishAddresses={{{}}}", server.subnet().ip(10));
        let usual = ["ingressClass.default=true", addresses.as_str()];
        Chart::install(server, &[&usual, values].concat()).await
    }

    /// Applies a Service with its slices.
    pub(crate) async fn serve(&self, name: &str) -> Result<()> {
        self.server
            .apply(&Backend::new(name, 1, &[self.web.addr]).yaml())
            .await
    }
}

/// A WebSocketRoute in `default` for `NAME.test`, with these rules (in YAML's flow style).
pub(crate) fn route(name: &str, rules: &str) -> String {
    format!(
        "---\napiVersion: holdfast.dev/v1alpha1\nkind: WebSocketRoute\nmetadata: {{name: {name}}}\nspec:\n  \
         hostnames: ['{name}.test']\n  rules: {rules}\n"
    )
}

/// A WebSocketRoute whose only rule leads to a Service of its name.
pub(crate) fn simple_route(name: &str) -> String {
    route(name, &format!("[{{backendRefs: [{{name: {name}, port: 80}}]}}]"))
}
