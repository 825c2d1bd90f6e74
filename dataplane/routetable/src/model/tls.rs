//! TLS towards clients and towards backends.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::HostPattern;
use crate::id::{CertificateId, ServerNameId};

/// A certificate with its key: the content of one Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Stable identity.
    pub id: CertificateId,
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret.
    pub secret: String,
    /// Certificates in DER, the server's own first.
    pub chain: Vec<Vec<u8>>,
    /// The private key of the first.
    pub key: PrivateKey,
}

/// A private key in DER: PKCS #8, PKCS #1 or SEC 1.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateKey(pub Vec<u8>);

/// Shows nothing of it.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(redacted)")
    }
}

/// How TLS is spoken with clients that ask for a name (RFC 6066 section 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerName {
    /// Stable identity.
    pub id: ServerNameId,
    /// The names; [`HostPattern::Any`] is for clients that ask for none, or for one that nothing else takes.
    pub host: HostPattern,
    /// What can be shown, in the order of preference: the first whose key the client can use. Without any,
    /// clients that ask for the name are refused.
    pub certificates: Vec<CertificateId>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// Certificates that clients must show, if any.
    pub client: Option<ClientValidation>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    V12,
    /// RFC 8446.
    V13,
}

impl TlsVersion {
    /// The name, as objects and records have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V12 => "TLSv1.2",
            Self::V13 => "TLSv1.3",
        }
    }
}

/// What clients must prove.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClientValidation {
    /// Authorities in DER, any of which may have signed.
    pub authorities: Vec<Vec<u8>>,
    /// Clients without a certificate are let in too.
    pub optional: bool,
}

/// How a route wants to be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTls {
    /// What a request without TLS gets.
    pub insecure: InsecurePolicy,
    /// The connection must have been checked like this, whatever name it asked for.
    pub client: Option<ClientValidation>,
}

/// What a request without TLS gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum InsecurePolicy {
    /// The same as with TLS.
    #[default]
    Allow,
    /// 308 to the same address with TLS. Browsers follow no redirect of a WebSocket handshake; others may.
    Redirect,
    /// 403.
    Reject,
}

/// How a backend is spoken to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BackendProtocol {
    /// HTTP/2; without TLS with prior knowledge ("h2c"), with TLS if the backend agrees.
    pub http2: bool,
    /// TLS.
    pub tls: Option<BackendTls>,
    /// A header in front of all that says who the client is.
    pub proxy_header: Option<ProxyVersion>,
}

/// A version of the PROXY protocol (HAProxy's proxy-protocol.txt).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// TLS towards a backend.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BackendTls {
    /// The name that is asked for, and that the certificate must have; empty only when nothing is verified, and
    /// then none is asked for.
    pub server_name: String,
    /// What the backend must prove.
    pub verify: Verify,
    /// What we show when it asks.
    pub certificate: Option<CertificateId>,
}

/// What a backend must prove.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verify {
    /// A certificate signed by one of the authorities that browsers trust (Mozilla's list).
    System,
    /// A certificate signed by one of these, in DER.
    Authorities(Vec<Vec<u8>>),
    /// Nothing.
    Nothing,
}
