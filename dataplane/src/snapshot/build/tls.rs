//! The part of the builder that makes certificates and names ready for handshakes, and backends for TLS.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use routetable::canonical::Op;
use routetable::wire::ResourceId;
use routetable::{BackendProtocol, BackendTls, Certificate, CertificateId, ServerName, TlsVersion, validate};

use super::{Builder, Snapshot};
use crate::snapshot::names::NameEntry;
use crate::tls::certificate::{self, CertificateSlot};
use crate::tls::client::Client;
use crate::tls::server::{self, Basis};

/// What the table does not say about TLS.
#[derive(Debug)]
pub struct TlsBasis {
    /// What all names have in common.
    pub server: Basis,
    /// A certificate that nobody trusts stands in where the table has none.
    pub stand_in: bool,
    /// Clients that ask for a name which nobody has are refused.
    pub refuses_unknown_names: bool,
}

impl Default for TlsBasis {
    fn default() -> Self {
        Self {
            server: Basis::new(true),
            stand_in: true,
            refuses_unknown_names: false,
        }
    }
}

/// How backends are spoken to, shared by routes that say the same.
pub(super) type Clients = HashMap<BackendProtocol, Weak<Client>>;

/// How many clients may be dropped before their places are cleared.
const CLEAR_AT: usize = 256;

impl TlsBasis {
    /// Tells the first snapshot what stands in where the table has nothing.
    pub(super) fn prepare(&self, first: &mut Snapshot) {
        first.refuses_unknown_names = self.refuses_unknown_names;
        if !self.stand_in {
            return;
        }
        match self.make_stand_in() {
            Ok(entry) => first.stand_in = Some(Arc::new(entry)),
            Err(error) => tracing::error!(%error, "no certificate stands in where the table has none"),
        }
    }

    fn make_stand_in(&self) -> Result<NameEntry, String> {
        let certificates = vec![CertificateSlot::new(
            CertificateId(0),
            Some(certificate::self_signed()?),
        )];
        let config = server::config(&self.server, certificates.clone(), TlsVersion::V12, None)?;
        Ok(NameEntry {
            name: None,
            certificates,
            config,
        })
    }
}

impl Builder {
    /// Certificates first: names and routes refer to them. One that does not work leaves the last good one.
    pub(super) fn put_certificates(&mut self, next: &mut Snapshot, ops: &[Op]) {
        for op in ops {
            let Op::PutCertificate(new) = op else { continue };
            let shown = check(new).map(Arc::new);
            let slot = next.certificates.get(new.id.0);
            match (slot, &shown) {
                (Some(slot), Ok(shown)) => slot.show(Arc::clone(shown)),
                (Some(_), Err(_)) => {}
                (None, shown) => {
                    let slot = CertificateSlot::new(new.id, shown.as_ref().ok().cloned());
                    next.certificates.insert(new.id.0, slot);
                }
            }
            self.note(ResourceId::Certificate(new.id), shown.err());
        }
    }

    pub(super) fn put_server_name(&mut self, next: &mut Snapshot, name: &Arc<ServerName>) {
        let is_same = next.names.get(name.id.0).is_some_and(|entry| {
            let attached = |slot: &Arc<CertificateSlot>| {
                next.certificates
                    .get(slot.id.0)
                    .is_some_and(|known| Arc::ptr_eq(known, slot))
            };
            entry.name.as_ref() == Some(name) && entry.certificates.iter().all(attached)
        });
        let outcome = if is_same {
            Ok(())
        } else {
            self.serve_name(next, name)
        };
        self.note(ResourceId::ServerName(name.id), outcome.err());
    }

    fn serve_name(&self, next: &mut Snapshot, name: &Arc<ServerName>) -> Result<(), String> {
        validate::server_name(name).map_err(|error| error.to_string())?;
        let certificates = name.certificates.iter().map(|id| slot(next, *id));
        let certificates: Vec<_> = certificates.collect::<Result<_, _>>()?;
        let config = server::config(
            &self.basis.server,
            certificates.clone(),
            name.min_version,
            name.client.as_ref(),
        )?;
        let entry = NameEntry {
            name: Some(Arc::clone(name)),
            certificates,
            config,
        };
        next.names.insert(name.id.0, Arc::new(entry));
        Ok(())
    }

    /// How a backend is spoken to with TLS.
    pub(super) fn client(
        &mut self,
        next: &Snapshot,
        tls: &BackendTls,
        protocol: &BackendProtocol,
    ) -> Result<Arc<Client>, String> {
        let shown = tls.certificate.map(|id| slot(next, id)).transpose()?;
        let known = self.clients.get(protocol).and_then(Weak::upgrade);
        if let Some(client) = known.filter(|client| client.shows(shown.as_ref())) {
            return Ok(client);
        }
        let client = Client::new(&tls.server_name, &tls.verify, shown).map(Arc::new)?;
        if self.clients.len() >= CLEAR_AT {
            self.clients.retain(|_, client| client.strong_count() > 0);
        }
        self.clients.insert(protocol.clone(), Arc::downgrade(&client));
        Ok(client)
    }
}

fn check(certificate: &Certificate) -> Result<rustls::sign::CertifiedKey, String> {
    validate::certificate(certificate).map_err(|error| error.to_string())?;
    certificate::certified(certificate)
}

fn slot(next: &Snapshot, id: CertificateId) -> Result<Arc<CertificateSlot>, String> {
    let slot = next.certificates.get(id.0).cloned();
    slot.ok_or_else(|| format!("certificate {id} is not in the table"))
}
