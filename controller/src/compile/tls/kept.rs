//! The certificates of a compilation, kept for the next one.
//!
//! Many objects may refer to one Secret: they share what is made of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use routetable::{Certificate, CertificateId, RouteTable};

use crate::world::{self, Name};

/// How many certificates beyond those of the table are kept.
const SPARE: usize = 100;

/// Certificates by Secret. One that comes out equal keeps its `Arc`.
#[derive(Debug, Default)]
pub(in crate::compile) struct Kept {
    by_secret: BTreeMap<Name, (Arc<world::Certificate>, Arc<Certificate>)>,
}

impl Kept {
    /// The certificate that was `read` from a Secret.
    pub(super) fn get(&mut self, secret: &Name, read: &Arc<world::Certificate>) -> Arc<Certificate> {
        let known = self.by_secret.get(secret);
        if let Some((_, certificate)) = known.filter(|(from, _)| from == read) {
            return Arc::clone(certificate);
        }
        let certificate = Arc::new(Certificate {
            id: CertificateId::new(&secret.namespace, &secret.name),
            namespace: secret.namespace.clone(),
            secret: secret.name.clone(),
            chain: read.chain.clone(),
            key: read.key.clone(),
        });
        let kept = (Arc::clone(read), Arc::clone(&certificate));
        self.by_secret.insert(secret.clone(), kept);
        certificate
    }

    /// Forgets what the table does not hold, once that is much.
    pub(in crate::compile) fn keep_only(&mut self, table: &RouteTable) {
        if self.by_secret.len() > table.certificates.len() + SPARE {
            self.by_secret
                .retain(|_, (_, certificate)| table.certificates.contains_key(&certificate.id));
        }
    }
}
