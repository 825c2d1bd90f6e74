//! Certificates that are shown to the other side, each in a slot: a rotation is one store, and no connection that
//! stands notices.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rcgen::{CertificateParams, DnType, KeyPair};
use routetable::{Certificate, CertificateId};
use rustls::SignatureScheme;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::provider;

/// The changing content of one Secret.
#[derive(Debug)]
pub struct CertificateSlot {
    /// Stable identity.
    pub id: CertificateId,
    /// What is shown; nothing while the Secret never held a good one.
    shown: ArcSwapOption<CertifiedKey>,
}

impl CertificateSlot {
    /// A slot with this content.
    pub fn new(id: CertificateId, shown: Option<Arc<CertifiedKey>>) -> Arc<Self> {
        Arc::new(Self {
            id,
            shown: ArcSwapOption::new(shown),
        })
    }

    /// Shows another one from the next handshake on.
    pub fn show(&self, shown: Arc<CertifiedKey>) {
        self.shown.store(Some(shown));
    }

    /// What is shown.
    pub fn shown(&self) -> Option<Arc<CertifiedKey>> {
        self.shown.load_full()
    }
}

/// Of `slots` the first that the peer can check, or else the first.
pub(super) fn choose(
    slots: &[Arc<CertificateSlot>],
    schemes: &[SignatureScheme],
) -> Option<Arc<CertifiedKey>> {
    let mut shown = slots.iter().filter_map(|slot| slot.shown());
    let first = shown.next()?;
    if first.key.choose_scheme(schemes).is_some() {
        return Some(first);
    }
    let other = shown.find(|other| other.key.choose_scheme(schemes).is_some());
    Some(other.unwrap_or(first))
}

/// Makes what came over the channel ready to be shown.
///
/// # Errors
/// It is none, or the key belongs to another; in words for people.
pub fn certified(certificate: &Certificate) -> Result<CertifiedKey, String> {
    let chain = certificate.chain.iter().cloned().map(CertificateDer::from);
    let key = PrivateKeyDer::try_from(certificate.key.0.clone())
        .map_err(|_| "the private key is in no known form".to_owned())?;
    CertifiedKey::from_der(chain.collect(), key, &provider())
        .map_err(|error| format!("the certificate cannot be shown: {error}"))
}

/// A certificate that nobody trusts, for clients that ask for a name without one.
///
/// # Errors
/// The system gives no random numbers.
pub fn self_signed() -> Result<Arc<CertifiedKey>, String> {
    let make = || -> Result<_, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["holdfast.invalid".to_owned()])?;
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "Holdfast: no certificate for this name");
        Ok((params.self_signed(&key)?, key))
    };
    let (certificate, key) = make().map_err(|error| error.to_string())?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    CertifiedKey::from_der(vec![certificate.der().clone()], key.into(), &provider())
        .map(Arc::new)
        .map_err(|error| error.to_string())
}
