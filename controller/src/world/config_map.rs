//! A ConfigMap as far as TLS needs it.

use super::certificate::authorities;
use super::held::Held;

/// A ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMap {
    /// `ca.crt`: authorities in DER.
    pub authorities: Held<Vec<Vec<u8>>>,
}

impl ConfigMap {
    /// Reads the value of `ca.crt`, if there is one.
    pub(super) fn read(pem: Option<&[u8]>) -> Self {
        let pem = pem.filter(|pem| !pem.is_empty());
        Self {
            authorities: Held::new(pem.map(authorities)),
        }
    }

    /// The ConfigMap in the place of what stood there `before`.
    #[must_use]
    pub(super) fn after(&self, before: &Self) -> Self {
        let mut kept = self.clone();
        kept.authorities.after(&before.authorities);
        kept
    }
}
