//! A certificate, its chain and its key, as a Secret holds them.
//!
//! Owns what of them can be used: the key must be that of the first certificate. Nothing here checks who signed, and
//! what is wrong is said without a byte of a key.

use std::sync::Arc;

use routetable::PrivateKey;
use routetable::limits::{MAX_CHAIN, MAX_CHAIN_LEN, MAX_KEY_LEN};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use super::held::Broken;
use super::secret::{AUTHORITIES, CHAIN, KEY};

/// Most names that are kept of one certificate.
const MAX_NAMES: usize = 256;
const WEEK: i64 = 7 * 24 * 3600;

/// A chain of certificates with the key of its first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The DNS names it is for, in lower case; a wildcard's first label is `*`.
    pub dns_names: Vec<String>,
    /// When it is valid.
    pub validity: Validity,
    /// The chain in DER, the certificate itself first.
    pub chain: Vec<Vec<u8>>,
    /// Its key.
    pub key: PrivateKey,
}

/// When a certificate is valid, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From when on.
    pub not_before: i64,
    /// Until when.
    pub not_after: i64,
}

impl Validity {
    /// From when on somebody should have renewed it: a week before its end, or a quarter of its life if that
    /// is less, because certificates for six days are renewed by the day.
    pub fn is_late_at(self) -> i64 {
        let quarter = self.not_after.saturating_sub(self.not_before) / 4;
        self.not_after.saturating_sub(quarter.clamp(0, WEEK))
    }
}

impl Certificate {
    /// Reads a chain and its key, both in PEM.
    ///
    /// # Errors
    /// What can't be used of them, and why.
    pub(super) fn read(chain: &[u8], key: &[u8]) -> Result<Self, Broken> {
        let chain = certificates(CHAIN, chain)?;
        let key = private_key(key)?;
        let first = chain.first().map(|first| parse_x509_certificate(first));
        let Some(Ok((_, certificate))) = first else {
            return Err(Broken::new(
                CHAIN,
                "must hold an X.509 certificate; its first one is damaged",
            ));
        };
        let names = certificate
            .subject_alternative_name()
            .map_err(|_| Broken::new(CHAIN, "must hold its alternative names once"))?;
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
        let validity = Validity {
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
        };
        let bytes = chain.iter().map(|certificate| certificate.to_vec()).collect();
        let key_bytes = PrivateKey(key.secret_der().to_vec());
        belong_together(chain, &key)?;
        Ok(Self {
            dns_names,
            validity,
            chain: bytes,
            key: key_bytes,
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

/// Reads the certificates of authorities.
pub(super) fn authorities(pem: &[u8]) -> Result<Vec<Vec<u8>>, Broken> {
    let found = certificates(AUTHORITIES, pem)?;
    for (index, certificate) in found.iter().enumerate() {
        if parse_x509_certificate(certificate).is_err() {
            let why = format!("must hold X.509 certificates; number {} is damaged", index + 1);
            return Err(Broken::new(AUTHORITIES, why));
        }
    }
    Ok(found.iter().map(|certificate| certificate.to_vec()).collect())
}

fn certificates(item: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Broken> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.unwrap_or_default();
    let len: usize = found.iter().map(|certificate| certificate.len()).sum();
    match found.len() {
        0 => {
            let why = "must hold a certificate in PEM form ('-----BEGIN CERTIFICATE-----')";
            Err(Broken::new(item, why))
        }
        count if count > MAX_CHAIN => {
            let why = format!("must not hold more than {MAX_CHAIN} certificates; it holds {count}");
            Err(Broken::new(item, why))
        }
        _ if len > MAX_CHAIN_LEN => {
            let why = format!("must not hold more than {MAX_CHAIN_LEN} bytes of certificates");
            Err(Broken::new(item, why))
        }
        _ => Ok(found),
    }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Broken> {
    let is_encrypted = |line: &[u8]| {
        line.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
            || line.starts_with(b"Proc-Type: 4,ENCRYPTED")
    };
    if pem.split(|byte| *byte == b'\n').any(is_encrypted) {
        return Err(Broken::new(
            KEY,
            "is encrypted; it must hold the key without a passphrase",
        ));
    }
    match PrivateKeyDer::from_pem_slice(pem) {
        Ok(key) if key.secret_der().len() <= MAX_KEY_LEN => Ok(key),
        Ok(_) => Err(Broken::new(
            KEY,
            format!("must not be larger than {MAX_KEY_LEN} bytes"),
        )),
        Err(_) => {
            let why = "holds no private key in PEM form ('-----BEGIN PRIVATE KEY-----')";
            Err(Broken::new(KEY, why))
        }
    }
}

fn belong_together(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'static>) -> Result<(), Broken> {
    let key = any_supported_type(key).map_err(|_| {
        Broken::new(
            KEY,
            "must hold an RSA, ECDSA or Ed25519 key; it can't be read as one",
        )
    })?;
    match CertifiedKey::new(chain, Arc::clone(&key)).keys_match() {
        // Nothing to compare with counts as equal, as where TLS is spoken.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(()),
        Err(Error::InconsistentKeys(_)) => {
            let why = format!("does not belong to the first certificate of its '{CHAIN}'");
            Err(Broken::new(KEY, why))
        }
        Err(_) => Err(Broken::new(CHAIN, "must hold an X.509 certificate of version 3")),
    }
}

#[cfg(test)]
mod tests;
