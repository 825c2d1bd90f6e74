//! Settings of TLS.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::value;

/// Settings of TLS.
#[derive(Clone, Debug, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TlsSettings {
    /// Address for clients with TLS; port 0 lets the system pick
    #[arg(
        long,
        env = "HOLDFAST_HTTPS",
        value_name = "ADDR:PORT",
        default_value = "0.0.0.0:8443",
        value_parser = value::parse_address
    )]
    pub https: SocketAddr,

    /// Port of the address that clients are redirected to; with 443 none is written [default: that of --https]
    #[arg(long, env = "HOLDFAST_REDIRECT_PORT", value_name = "PORT")]
    pub redirect_port: Option<NonZeroU16>,

    /// Offer HTTP/2 to clients with TLS
    #[arg(
        long, env = "HOLDFAST_HTTP2", value_name = "BOOL", default_value = "true",
        default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set
    )]
    pub http2: bool,

    /// What clients get that ask for a name which no certificate is configured for: a certificate that nobody trusts
    /// (or the controller's default one), or an alert
    #[arg(
        long,
        env = "HOLDFAST_UNKNOWN_SERVER_NAME",
        value_name = "WHAT",
        default_value = "serve"
    )]
    pub unknown_server_name: UnknownServerName,

    /// Time for a client to finish its TLS handshake
    #[arg(long, env = "HOLDFAST_TLS_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = value::parse_timeout)]
    #[serde(serialize_with = "value::duration")]
    pub tls_timeout: Duration,

    /// Age in Strict-Transport-Security of answers over TLS, where the backend sends none; off with '0s'
    #[arg(long, env = "HOLDFAST_HSTS", value_name = "DURATION", default_value = "0s", value_parser = value::parse_duration)]
    #[serde(serialize_with = "value::duration")]
    pub hsts: Duration,
}

/// What a client gets that asks for a name which nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownServerName {
    /// The default certificate.
    Serve,
    /// An alert.
    Refuse,
}
