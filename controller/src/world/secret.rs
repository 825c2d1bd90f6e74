//! A Secret as far as TLS needs it.
//!
//! What its new content breaks is kept in its last good version, so that a slip in a Secret ends no TLS that works.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::Certificate;
use super::certificate::authorities;

/// The type of Secrets that hold a certificate.
pub const TLS_TYPE: &str = "kubernetes.io/tls";
/// The key of a Secret that holds a certificate with its chain.
pub const CHAIN: &str = "tls.crt";
/// The key of a Secret that holds the private key.
pub const KEY: &str = "tls.key";
/// The key of a Secret that holds authorities.
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

/// Something that a Secret is there to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held<T> {
    /// What it holds; `None` if its keys are missing.
    pub now: Option<Result<Arc<T>, Broken>>,
    /// What it held when it last could be used, if it can't be now.
    pub last_good: Option<Arc<T>>,
}

/// Why a value of a Secret can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The key of the value.
    pub item: &'static str,
    /// What is wrong and what it must be, to go on from the name of the value. Shows nothing of it.
    pub why: String,
}

impl Broken {
    pub(super) fn new(item: &'static str, why: impl Into<String>) -> Self {
        Self {
            item,
            why: why.into(),
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' {}", self.item, self.why)
    }
}

impl<T> Held<T> {
    fn new(now: Option<Result<T, Broken>>) -> Self {
        Self {
            now: now.map(|now| now.map(Arc::new)),
            last_good: None,
        }
    }

    /// What can be used of it: what it holds, or else what it held.
    pub fn usable(&self) -> Option<&Arc<T>> {
        let now = self.now.as_ref().and_then(|now| now.as_ref().ok());
        now.or(self.last_good.as_ref())
    }

    fn after(&mut self, before: &Self) {
        if !matches!(self.now, Some(Ok(_))) {
            self.last_good = before.usable().cloned();
        }
    }
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
