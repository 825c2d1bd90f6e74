//! The certificates an Ingress refers to.
//!
//! This version does not end TLS: references are checked, so that a mistake shows before the day
//! they matter, and every Ingress with `tls` is told.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{IngressSpec, IngressTLS};
use routetable::SharedMap;

use super::field::FieldPath;
use super::finding::Reason;
use super::refs::Refs;
use super::report::Report;
use crate::world::{Certificate, Name, Secret, Validity};

const TLS_KIND: &str = "kubernetes.io/tls";
/// Most names of a certificate that a message lists.
const MAX_LISTED: usize = 4;
const TLS_KEYS: [&str; 2] = ["tls.crt", "tls.key"];

/// Checks what `spec.tls` refers to, if Secrets are known; yields when each certificate is valid, by the name of
/// its Secret.
pub(super) fn check(
    spec: &IngressSpec,
    secrets: Option<&SharedMap<Name, Secret>>,
    refs: &mut Refs,
    report: &mut Report<'_>,
) -> BTreeMap<String, Validity> {
    let mut valid = BTreeMap::new();
    let entries = spec.tls.as_deref().unwrap_or_default();
    let field = FieldPath::new("spec.tls");
    if !entries.is_empty() {
        let message = "`spec.tls` has no effect in this version; its hosts are served without TLS";
        report.warning(&field, Reason::TlsNotServed, message);
    }
    let Some(secrets) = secrets else {
        return valid;
    };
    for (index, entry) in entries.iter().enumerate() {
        let Some(name) = entry.secret_name.as_deref().filter(|name| !name.is_empty()) else {
            continue;
        };
        let entry_field = field.index(index);
        let field = entry_field.field("secretName");
        let namespace = &report.object.namespace;
        let full_name = Name::new(namespace, name);
        let secret = secrets.get(&full_name);
        refs.secrets.insert(full_name);
        let Some(secret) = secret else {
            let message = format!("Secret '{name}' not found in '{namespace}'");
            report.warning(&field, Reason::CertificateNotFound, message);
            continue;
        };
        let lacking: Vec<&str> = TLS_KEYS
            .into_iter()
            .filter(|key| !secret.keys.contains(*key))
            .collect();
        let lacks = format!("lacks '{}'", lacking.join("' and '"));
        let message = match (secret.kind == TLS_KIND, lacking.is_empty()) {
            (true, true) => match &secret.certificate {
                Some(Ok(certificate)) => {
                    check_names(entry, name, certificate, &entry_field, report);
                    valid.insert(name.to_owned(), certificate.validity);
                    continue;
                }
                Some(Err(rest)) => format!("'tls.crt' of Secret '{name}' {rest}"),
                None => continue,
            },
            (true, false) => format!("'{name}' {lacks}; must hold a certificate and its key"),
            (false, true) => format!("'{name}' is {}; must be {TLS_KIND}", secret.kind),
            (false, false) => format!("'{name}' is {} and {lacks}; must be {TLS_KIND}", secret.kind),
        };
        report.warning(&field, Reason::InvalidCertificate, message);
    }
    valid
}

fn check_names(
    entry: &IngressTLS,
    secret: &str,
    certificate: &Certificate,
    field: &FieldPath,
    report: &mut Report<'_>,
) {
    let hosts = entry.hosts.as_deref().unwrap_or_default();
    for (index, host) in hosts
        .iter()
        .enumerate()
        .filter(|(_, host)| !certificate.covers(host))
    {
        let field = field.field("hosts").index(index);
        let covered = match certificate.dns_names.as_slice() {
            [] => "no host name".to_owned(),
            names if names.len() > MAX_LISTED => {
                format!("'{}' and {} more", names[0], names.len() - 1)
            }
            names => format!("'{}'", names.join("', '")),
        };
        let message = format!(
            "certificate of Secret '{secret}' covers {covered}, not '{host}'; browsers will refuse wss://"
        );
        report.warning(&field, Reason::CertificateNameMismatch, message);
    }
}
