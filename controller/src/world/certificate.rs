//! What a certificate says of itself.
//!
//! Owns the little that is kept of a Secret's certificate. Key material is never looked at, and
//! nothing here checks a signature.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

/// Most names that are kept of one certificate.
const MAX_NAMES: usize = 256;

/// The first certificate of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The DNS names it is for, in lower case; a wildcard's first label is `*`.
    pub dns_names: Vec<String>,
    /// Until when it is valid, in Unix seconds.
    pub not_after: i64,
}

impl Certificate {
    /// Reads the first certificate of a PEM file.
    ///
    /// # Errors
    /// Why it can't be read, to go on from its name.
    pub(super) fn read(pem: &[u8]) -> Result<Self, String> {
        let der = CertificateDer::from_pem_slice(pem)
            .map_err(|_| "must hold a certificate in PEM form ('-----BEGIN CERTIFICATE-----')")?;
        let (_, certificate) = parse_x509_certificate(&der)
            .map_err(|_| "must hold an X.509 certificate; its first one is damaged")?;
        let names = certificate
            .subject_alternative_name()
            .map_err(|_| "must hold its alternative names once")?;
        let names = names.map(|names| names.value.general_names.as_slice());
        let dns_names = names
            .unwrap_or_default()
            .iter()
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
                _ => None,
            })
            .take(MAX_NAMES)
            .collect();
        Ok(Self {
            dns_names,
            not_after: certificate.validity().not_after.timestamp(),
        })
    }

    /// True when clients take it for this host, which may be a wildcard.
    pub fn covers(&self, host: &str) -> bool {
        let parent = host.split_once('.').map(|(_, parent)| parent);
        self.dns_names.iter().any(|name| {
            let wildcard = name.strip_prefix("*.");
            name == host || wildcard.is_some_and(|suffix| Some(suffix) == parent)
        })
    }
}
