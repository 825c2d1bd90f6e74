//! `spec.tls` of an Ingress.
//!
//! An entry without a Secret leaves its hosts to the default certificate. An entry without hosts stands for those
//! hosts of the rules that no other entry lists and that its certificate is for, as in ingress-nginx; never for any
//! host: that is what the default certificate is for. Hosts without a rule count, too: rules may stand in another
//! Ingress. (ingress-nginx shows the default certificate for a Secret that is missing; here the handshake is refused,
//! because a client that gets another name's certificate learns nothing.)

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::IngressSpec;
use routetable::HostPattern;
use routetable::limits::MAX_CERTIFICATES_FOR_NAME;

use super::{Claim, Lack, Secrets, Spoken, Usable, check_names, covered};
use crate::compile::field::FieldPath;
use crate::compile::finding::Reason;
use crate::compile::host;
use crate::compile::refs::Refs;
use crate::compile::report::Report;
use crate::world::Name;

/// One entry, as far as it can be read.
#[derive(Debug)]
pub(in crate::compile) struct Entry {
    field: FieldPath,
    lists_hosts: bool,
    hosts: Vec<(FieldPath, HostPattern)>,
    secret: Option<String>,
}

/// Reads the entries, and tells of hosts that are none.
pub(in crate::compile) fn entries(spec: &IngressSpec, report: &mut Report<'_>) -> Vec<Entry> {
    let written = spec.tls.as_deref().unwrap_or_default();
    let entry = |(index, entry): (usize, &k8s_openapi::api::networking::v1::IngressTLS)| {
        let field = FieldPath::new("spec.tls").index(index);
        let hosts = entry.hosts.as_deref().unwrap_or_default();
        let lists_hosts = !hosts.is_empty();
        let mut known = Vec::new();
        for (index, text) in hosts.iter().enumerate() {
            let field = field.field("hosts").index(index);
            match host::parse(text, "rules[].http.paths") {
                Ok(host) => known.push((field, host)),
                Err(rest) => report.refuse(&field, rest),
            }
        }
        Entry {
            field,
            lists_hosts,
            hosts: known,
            secret: entry.secret_name.clone().filter(|name| !name.is_empty()),
        }
    };
    written.iter().enumerate().map(entry).collect()
}

/// What the entries ask for.
pub(in crate::compile) fn read(
    spec: &IngressSpec,
    secrets: &mut Secrets<'_>,
    refs: &mut Refs,
    report: &mut Report<'_>,
) -> Spoken {
    let mut entries = entries(spec, report);
    let mut spoken = Spoken::default();
    let listed: BTreeSet<HostPattern> = entries
        .iter()
        .flat_map(|entry| entry.hosts.iter().map(|(_, host)| host.clone()))
        .collect();
    let unlisted: Vec<HostPattern> = rule_hosts(spec).filter(|host| !listed.contains(host)).collect();
    let mut found = Vec::new();
    for entry in &mut entries {
        let usable = entry.secret.as_ref().map(|secret| {
            let name = Name::new(&report.object.namespace, secret);
            secrets.certificate(&name, refs)
        });
        if !entry.lists_hosts && usable.is_some() {
            let fits = |host: &&HostPattern| match &usable {
                Some(Ok(usable)) => usable.read.covers(&host.to_string()),
                _ => true,
            };
            let hosts = unlisted.iter().filter(fits).cloned();
            entry.hosts = hosts.map(|host| (entry.field.clone(), host)).collect();
        }
        spoken
            .hosts
            .extend(entry.hosts.iter().map(|(_, host)| host.clone()));
        for (field, host) in entry.hosts.iter().filter(|_| usable.is_some()) {
            let claim = spoken
                .claims
                .entry(host.clone())
                .or_insert_with(|| Claim::at(field));
            if let Some(Ok(usable)) = &usable
                && !claim.show(&usable.certificate)
            {
                let message = format!(
                    "must not give '{host}' more than {MAX_CERTIFICATES_FOR_NAME} certificates; '{}' is not used",
                    usable.certificate.secret
                );
                report.warning(field, Reason::InvalidCertificate, message);
            }
        }
        found.push(usable);
    }
    for (entry, usable) in entries.iter().zip(found) {
        if let (Some(secret), Some(usable)) = (&entry.secret, usable) {
            tell(entry, secret, usable, &mut spoken, report);
        }
    }
    spoken
}

fn tell(
    entry: &Entry,
    secret: &str,
    usable: Result<Usable, Lack>,
    spoken: &mut Spoken,
    report: &mut Report<'_>,
) {
    let field = entry.field.field("secretName");
    match usable {
        Ok(Usable { read, remark, .. }) => {
            if let Some(remark) = remark {
                report.warning(&field, Reason::InvalidCertificate, remark);
            }
            let hosts = entry.hosts.iter().map(|(field, host)| (field, host));
            check_names(hosts, secret, &read, report);
            if entry.hosts.is_empty() && !entry.lists_hosts {
                let message = format!(
                    "certificate of Secret '{secret}' covers {}, no host of the rules that no other entry lists; write \
                     `hosts`",
                    covered(&read)
                );
                report.warning(&field, Reason::CertificateNameMismatch, message);
            }
            spoken.validity.insert(secret.to_owned(), read.validity);
        }
        Err(lack) => {
            let mut claims = entry.hosts.iter().filter_map(|(_, host)| spoken.claims.get(host));
            let reason = lack.reason;
            let message = match claims.any(|claim| claim.certificates.is_empty()) {
                true => lack.for_names(),
                false => lack.message,
            };
            report.warning(&field, reason, message);
        }
    }
}

fn rule_hosts(spec: &IngressSpec) -> impl Iterator<Item = HostPattern> {
    let rules = spec.rules.iter().flatten();
    let hosts: BTreeSet<HostPattern> = rules
        .filter_map(|rule| host::parse(rule.host.as_deref()?, "").ok())
        .collect();
    hosts.into_iter()
}
