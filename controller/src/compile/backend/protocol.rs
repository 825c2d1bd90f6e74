//! How a backend is spoken to: what the reference says, or else what the Service's port says.
//!
//! What is to be verified and can't be, because an authority, a certificate or a name is missing, is not spoken to at
//! all.

use std::collections::BTreeMap;
use std::sync::Arc;

use routetable::{BackendProtocol, BackendTls, Certificate, CertificateId, Verify};

use super::Resolver;
use super::port::{Spoken, spoken};
use crate::compile::draft::{BackendRef, Signer, TlsRef};
use crate::compile::field::FieldPath;
use crate::compile::finding::Reason;
use crate::compile::refs::Refs;
use crate::compile::report::Report;
use crate::compile::tls::Lack;
use crate::crd::tls::CaKind;
use crate::world::{Name, Service, ServicePort, Validity};

/// Certificates that are shown to backends.
#[derive(Debug, Default)]
pub(in crate::compile) struct Shown {
    pub(in crate::compile) certificates: BTreeMap<CertificateId, Arc<Certificate>>,
    /// When they are valid, by the names of their Secrets.
    pub(in crate::compile) validity: BTreeMap<String, Validity>,
}

/// A backend whose Service is known.
pub(super) struct Known<'a> {
    pub(super) name: &'a Name,
    pub(super) service: &'a Service,
    /// The port, unless the Service is an alias without ports.
    pub(super) port: Option<&'a ServicePort>,
}

/// What resolving notes beside its result.
pub(super) struct Notes<'a, 'r> {
    pub(super) shown: &'a mut Shown,
    pub(super) refs: &'a mut Refs,
    pub(super) report: &'a mut Report<'r>,
}

impl Resolver<'_> {
    /// How the backend is spoken to; `None` when that can't be done as asked.
    pub(super) fn protocol(
        &mut self,
        known: &Known<'_>,
        backend: &BackendRef,
        notes: &mut Notes<'_, '_>,
    ) -> Option<BackendProtocol> {
        let says = known.port.map_or(Spoken::Plain, spoken);
        let tls = match &backend.tls {
            Some(written) => Some(self.written(written, known, notes)?),
            None if says == Spoken::Tls => Some(assumed(known, backend, notes.report)),
            None => None,
        };
        Some(BackendProtocol {
            http2: says == Spoken::H2c,
            tls,
            proxy_header: backend.proxy_header,
        })
    }

    fn written(
        &mut self,
        written: &TlsRef,
        known: &Known<'_>,
        notes: &mut Notes<'_, '_>,
    ) -> Option<BackendTls> {
        let service = &known.name.name;
        let verify = match &written.signer {
            Signer::System => Verify::System,
            Signer::Anybody => Verify::Nothing,
            Signer::Held(field, kind, name) => {
                Verify::Authorities(self.authorities(field, (*kind, name), service, notes)?)
            }
        };
        let certificate = match &written.certificate {
            None => None,
            Some((field, secret)) => Some(self.certificate(field, secret, service, notes)?),
        };
        let server_name = match &written.hostname {
            Some(name) => name.clone(),
            None if verify == Verify::Nothing => String::new(),
            None => own_name(known),
        };
        Some(BackendTls {
            server_name,
            verify,
            certificate,
        })
    }

    fn authorities(
        &mut self,
        field: &FieldPath,
        (kind, name): (CaKind, &str),
        service: &str,
        notes: &mut Notes<'_, '_>,
    ) -> Option<Vec<Vec<u8>>> {
        let name = Name::new(&notes.report.object.namespace, name);
        match self.secrets.authorities(kind, &name, notes.refs) {
            Ok((authorities, remark)) => {
                if let Some(remark) = remark {
                    notes
                        .report
                        .warning_once(field, Reason::InvalidCertificate, remark);
                }
                Some(authorities)
            }
            Err(Lack { reason, message, .. }) => {
                let message = format!("{message}; '{service}' is not used without what verifies it");
                notes.report.error_once(field, reason, message);
                None
            }
        }
    }

    /// The certificate that is shown to the backend.
    fn certificate(
        &mut self,
        field: &FieldPath,
        secret: &str,
        service: &str,
        notes: &mut Notes<'_, '_>,
    ) -> Option<CertificateId> {
        let name = Name::new(&notes.report.object.namespace, secret);
        match self.secrets.certificate(&name, notes.refs) {
            Ok(usable) => {
                if let Some(remark) = usable.remark {
                    notes
                        .report
                        .warning_once(field, Reason::InvalidCertificate, remark);
                }
                let id = usable.certificate.id;
                notes.shown.certificates.insert(id, usable.certificate);
                notes
                    .shown
                    .validity
                    .insert(secret.to_owned(), usable.read.validity);
                Some(id)
            }
            Err(Lack { reason, message, .. }) => {
                let message = format!("{message}; '{service}' is not used without what it is to be shown");
                notes.report.error_once(field, reason, message);
                None
            }
        }
    }
}

/// What the port's `appProtocol` alone means.
fn assumed(known: &Known<'_>, backend: &BackendRef, report: &mut Report<'_>) -> BackendTls {
    let server_name = own_name(known);
    let port = known
        .port
        .map_or("", |port| port.app_protocol.as_deref().unwrap_or_default());
    let message = format!(
        "'{}' says `appProtocol` '{port}': its certificate must be for '{server_name}' and signed by an authority that \
         browsers trust; write `tls`, or 'holdfast.dev/backend-tls' on an Ingress, for anything else",
        known.name.name
    );
    report.info(&backend.port_field, Reason::VerificationAssumed, message);
    BackendTls {
        server_name,
        verify: Verify::System,
        certificate: None,
    }
}

/// The name by which a cluster knows the Service, or that of the host it is an alias of.
fn own_name(known: &Known<'_>) -> String {
    match &known.service.external_name {
        Some(host) => host.trim_end_matches('.').to_ascii_lowercase(),
        None => format!("{}.{}.svc", known.name.name, known.name.namespace),
    }
}
