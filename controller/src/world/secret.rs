//! A Secret as far as TLS needs it.

use std::collections::{BTreeMap, BTreeSet};

use super::Certificate;
use super::certificate::authorities;
use super::held::Held;

/// The type of Secrets that hold a certificate.
pub const TLS_TYPE: &str = "kubernetes.io/tls";
/// The key of a Secret that holds a certificate with its chain.
pub const CHAIN: &str = "tls.crt";
/// The key of a Secret that holds the private key.
pub const KEY: &str = "tls.key";
/// The key of a Secret or a ConfigMap that holds authorities.
pub const AUTHORITIES: &str = "ca.crt";

/// A Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Its type, such as `kubernetes.io/tls`.
    pub kind: String,
    /// Keys that hold a value.
    pub keys: BTreeSet<String>,
    /// `tls.crt` and `tls.key` of a Secret of type `kubernetes.io/tls`.
    pub certificate: Held<Certificate>,
    /// `ca.crt`: authorities in DER.
    pub authorities: Held<Vec<Vec<u8>>>,
}

impl Secret {
    /// Reads the values of a Secret of this type.
    pub(super) fn read(kind: String, values: &BTreeMap<String, Vec<u8>>) -> Self {
        let value = |key: &str| values.get(key).filter(|value| !value.is_empty());
        let pair = value(CHAIN).zip(value(KEY)).filter(|_| kind == TLS_TYPE);
        Self {
            certificate: Held::new(pair.map(|(chain, key)| Certificate::read(chain, key))),
            authorities: Held::new(value(AUTHORITIES).map(|pem| authorities(pem))),
            keys: values
                .keys()
                .filter(|key| value(key).is_some())
                .cloned()
                .collect(),
            kind,
        }
    }

    /// The Secret in the place of what stood there `before`.
    #[must_use]
    pub(super) fn after(&self, before: &Self) -> Self {
        let mut kept = self.clone();
        kept.certificate.after(&before.certificate);
        kept.authorities.after(&before.authorities);
        kept
    }
}
