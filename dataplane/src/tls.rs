//! TLS (RFC 8446, RFC 5246), by rustls with aws-lc-rs. The one room that knows how either side of a connection
//! is encrypted; everybody else sees a [`stream::Stream`], or a
//! [`wire::Wire`] once it has left the runtime.

pub mod certificate;
pub mod client;
pub mod server;
pub mod stream;
pub mod wire;

use std::sync::{Arc, LazyLock};

use routetable::TlsVersion;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::{RootCertStore, SupportedProtocolVersion, version};

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// The one that everything is encrypted with.
fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

/// This version and those after it.
fn versions(oldest: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static FROM_12: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
    match oldest {
        TlsVersion::V12 => &FROM_12,
        TlsVersion::V13 => &FROM_12[..1],
    }
}

/// Authorities from their certificates.
fn roots(authorities: &[Vec<u8>]) -> Result<Arc<RootCertStore>, String> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        let der = CertificateDer::from_slice(authority);
        let added = roots.add(der);
        added.map_err(|error| format!("an authority's certificate cannot be used: {error}"))?;
    }
    Ok(Arc::new(roots))
}
