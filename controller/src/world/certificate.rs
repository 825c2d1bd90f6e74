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
const WEEK: i64 = 7 * 24 * 3600;

/// The first certificate of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The DNS names it is for, in lower case; a wildcard's first label is `*`.
    pub dns_names: Vec<String>,
    /// When it is valid.
    pub validity: Validity,
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
            validity: Validity {
                not_before: certificate.validity().not_before.timestamp(),
                not_after: certificate.validity().not_after.timestamp(),
            },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_life_is_late_later() {
        const DAY: i64 = 24 * 3600;
        let days = |days: i64| Validity {
            not_before: DAY,
            not_after: DAY + days * DAY,
        };
        assert_eq!(days(90).is_late_at(), DAY + 83 * DAY);
        assert_eq!(days(6).is_late_at(), DAY + 6 * DAY * 3 / 4);
        // Nonsense ends no process.
        assert_eq!(days(-3).is_late_at(), days(-3).not_after);
        let endless = Validity {
            not_before: i64::MIN,
            not_after: i64::MAX,
        };
        assert_eq!(endless.is_late_at(), i64::MAX - WEEK);
    }
}
