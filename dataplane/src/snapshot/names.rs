//! Who answers to which name when TLS begins.

use std::sync::Arc;

use routetable::{ClientValidation, HostPattern, ServerName, ServerNameId};
use rustls::ServerConfig;

use super::Snapshot;
use crate::tls::certificate::CertificateSlot;

/// How TLS is spoken with clients that ask for one name.
#[derive(Debug)]
pub struct NameEntry {
    /// As the controller sent it; none for the certificate that stands in where nothing is configured.
    pub name: Option<Arc<ServerName>>,
    /// What is shown, in the order of `name.certificates`.
    pub certificates: Vec<Arc<CertificateSlot>>,
    /// What rustls is told.
    pub config: Arc<ServerConfig>,
}

impl NameEntry {
    /// What clients had to prove.
    pub fn client(&self) -> Option<&ClientValidation> {
        self.name.as_ref().and_then(|name| name.client.as_ref())
    }

    /// True when a connection to this name may carry requests for `other` as well: the same certificate was shown,
    /// and no less was asked for.
    pub fn speaks_for(&self, other: &Self) -> bool {
        let first = |entry: &Self| entry.certificates.first().map(|slot| slot.id);
        first(self) == first(other) && self.is_as_strict_as(other)
    }

    /// True when a connection to this name proves what `other` asks of its clients.
    pub fn is_as_strict_as(&self, other: &Self) -> bool {
        let oldest = |entry: &Self| {
            entry
                .name
                .as_ref()
                .map(|name| name.min_version)
                .unwrap_or_default()
        };
        let proves = other.client().is_none_or(|client| self.client() == Some(client));
        proves && oldest(self) >= oldest(other)
    }
}

impl Snapshot {
    /// Who answers a client that asks for `name` (in lower case), or for none. A name that nobody has is answered
    /// by whoever answers without one, if such names are not refused.
    pub fn server_name(&self, name: Option<&str>) -> Option<&Arc<NameEntry>> {
        let found = name.and_then(|name| self.named(name));
        let any = || match name {
            Some(_) if self.refuses_unknown_names => None,
            _ => self.entry(&HostPattern::Any).or(self.stand_in.as_ref()),
        };
        found.or_else(any)
    }

    fn named(&self, name: &str) -> Option<&Arc<NameEntry>> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let exact = self.entry(&HostPattern::Exact(name.to_owned()));
        exact.or_else(|| {
            let (_, suffix) = name.split_once('.')?;
            self.entry(&HostPattern::Wildcard(suffix.to_owned()))
        })
    }

    fn entry(&self, host: &HostPattern) -> Option<&Arc<NameEntry>> {
        let entry = self.names.get(ServerNameId::new(host).0);
        // An id is a hash; two hosts of one hash must not answer for each other.
        entry.filter(|entry| entry.name.as_ref().is_some_and(|name| name.host == *host))
    }

    /// All names, in no order.
    pub fn server_names(&self) -> impl Iterator<Item = &Arc<NameEntry>> {
        self.names.values()
    }
}
