//! TLS handshakes with clients: how long, and why not.

use std::time::Duration;

use super::Metrics;

/// Why a handshake with a client came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsFailure {
    /// It took too long.
    Timeout,
    /// The client broke off, or never began.
    Closed,
    /// The client speaks HTTP without TLS.
    NotTls,
    /// What came is not TLS, or breaks its rules.
    Malformed,
    /// No common version, cipher or protocol.
    Incompatible,
    /// Nobody has the name, or a certificate for it.
    UnknownName,
    /// The client does not take our certificate.
    CertificateRefused,
    /// The client's certificate is missing or not taken.
    ClientCertificate,
    /// The client sent another alert.
    Alert,
}

impl TlsFailure {
    /// Value of the metric's label.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::NotTls => "not_tls",
            Self::Malformed => "malformed",
            Self::Incompatible => "incompatible",
            Self::UnknownName => "unknown_name",
            Self::CertificateRefused => "certificate_refused",
            Self::ClientCertificate => "client_certificate",
            Self::Alert => "alert",
        }
    }
}

impl Metrics {
    /// A handshake is over.
    pub fn tls_handshake(&self, took: Duration) {
        self.tls_handshakes.observe(took.as_secs_f64());
    }

    /// A handshake came to nothing.
    pub fn tls_failed(&self, failure: TlsFailure) {
        self.tls_failures.add(failure);
    }
}
