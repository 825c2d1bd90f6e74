//! Settings that only matter with a cluster: what is read from it, and what is written back.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::FullName;
use crate::compile;

/// What is read from a cluster, and what is written back.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "With --cluster")]
pub struct Kubernetes {
    /// Kubeconfig file instead of the pod's service account
    #[arg(long, env = "HOLDFAST_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig instead of its current one
    #[arg(long, env = "HOLDFAST_CONTEXT", value_name = "NAME", requires = "kubeconfig")]
    pub context: Option<String>,

    /// `spec.controller` of the IngressClasses that are ours
    #[arg(long, env = "HOLDFAST_CONTROLLER_NAME", value_name = "NAME", default_value = compile::CONTROLLER)]
    pub controller_name: String,

    /// Namespaces to watch, separated by commas [default: all]
    #[arg(
        long,
        env = "HOLDFAST_WATCH_NAMESPACES",
        value_name = "A,B",
        value_delimiter = ',',
        conflicts_with = "watch_namespace_selector"
    )]
    pub watch_namespaces: Vec<String>,

    /// Labels of the namespaces to watch, such as 'team in (web, chat)'
    #[arg(long, env = "HOLDFAST_WATCH_NAMESPACE_SELECTOR", value_name = "SELECTOR")]
    pub watch_namespace_selector: Option<String>,

    /// Serve objects that name no class where no class is the default
    #[arg(
        long, env = "HOLDFAST_WATCH_INGRESS_WITHOUT_CLASS", value_name = "BOOL", default_value = "false",
        default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set
    )]
    pub watch_ingress_without_class: bool,

    /// Read the Secrets and ConfigMaps that Ingresses and WebSocketRoutes name; without them no TLS is spoken
    #[arg(
        long, env = "HOLDFAST_WATCH_SECRETS", value_name = "BOOL", default_value = "true",
        default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set
    )]
    pub watch_secrets: bool,

    /// Serve Services of type ExternalName. Whoever may write one can then reach any address that we can
    #[arg(
        long, env = "HOLDFAST_ALLOW_EXTERNAL_NAMES", value_name = "BOOL", default_value = "false",
        default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set
    )]
    pub allow_external_names: bool,

    /// Service whose addresses go into the statuses
    #[arg(
        long,
        env = "HOLDFAST_PUBLISH_SERVICE",
        value_name = "NAMESPACE/NAME",
        conflicts_with = "publish_address"
    )]
    pub publish_service: Option<FullName>,

    /// Addresses (IP or DNS name) that go into the statuses, separated by commas
    #[arg(
        long,
        env = "HOLDFAST_PUBLISH_ADDRESS",
        value_name = "ADDR,ADDR",
        value_delimiter = ','
    )]
    pub publish_address: Vec<String>,

    /// Write statuses and events
    #[arg(
        long, env = "HOLDFAST_UPDATE_STATUS", value_name = "BOOL", default_value = "true",
        default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set
    )]
    pub update_status: bool,

    /// Name of this pod; tells the replicas apart [default: the host's name]
    #[arg(long, env = "HOLDFAST_POD_NAME", value_name = "NAME")]
    pub pod_name: Option<String>,

    /// Namespace of this pod; the Leases are kept there [default: that of the credentials]
    #[arg(long, env = "HOLDFAST_POD_NAMESPACE", value_name = "NAME")]
    pub pod_namespace: Option<String>,

    /// Name of the Lease by which the replicas choose the one that writes; their own Leases begin with it
    #[arg(
        long,
        env = "HOLDFAST_LEASE_NAME",
        value_name = "NAME",
        default_value = "holdfast"
    )]
    pub lease_name: String,

    /// Time without a sign of life after which a replica counts as gone
    #[arg(long, env = "HOLDFAST_LEASE_DURATION", value_name = "DURATION", default_value = "15s", value_parser = lease_duration)]
    pub lease_duration: Duration,
}

/// Leases count in whole seconds, and renewing takes a few.
fn lease_duration(text: &str) -> Result<Duration, String> {
    let duration = compile::duration(text)?;
    if duration.subsec_millis() != 0 || !(5..=600).contains(&duration.as_secs()) {
        return Err("must be whole seconds between '5s' and '10m'".to_owned());
    }
    Ok(duration)
}
