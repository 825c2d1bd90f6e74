//! The block `tls` of a WebSocketRoute.
//!
//! It claims its hostnames if it says anything about them that the default certificate alone does not. Where the
//! authorities for its clients can't be used, its rules answer 503 rather than let anybody in.

use routetable::{ClientValidation, HostPattern, InsecurePolicy, TlsVersion};

use super::{Claim, Lack, Secrets, Spoken, check_names};
use crate::compile::draft::Draft;
use crate::compile::field::FieldPath;
use crate::compile::finding::Reason;
use crate::compile::host;
use crate::compile::refs::Refs;
use crate::compile::report::Report;
use crate::crd::tls::{ClientMode, InsecurePolicy as ApiPolicy, MinVersion, Tls};
use crate::world::Name;

/// What a request without TLS gets.
pub(in crate::compile) fn insecure(tls: Option<&Tls>) -> InsecurePolicy {
    match tls.map(|tls| tls.insecure_policy) {
        None | Some(ApiPolicy::Allow) => InsecurePolicy::Allow,
        Some(ApiPolicy::Redirect) => InsecurePolicy::Redirect,
        Some(ApiPolicy::Reject) => InsecurePolicy::Reject,
    }
}

/// Tells what of the block is not allowed; true when all of it is.
pub(in crate::compile) fn check(tls: &Tls, report: &mut Report<'_>) -> bool {
    let field = FieldPath::new("spec.tls");
    let authority = tls.client_validation.as_ref().map(|client| &client.ca_ref.name);
    let names = [
        (tls.secret_name.as_ref(), "secretName"),
        (authority, "clientValidation.caRef.name"),
    ];
    let mut is_good = true;
    for (name, place) in names {
        if let Some(rest) = name.and_then(|name| host::object_name_problem(name)) {
            report.refuse(&FieldPath::new(&format!("{field}.{place}")), rest);
            is_good = false;
        }
    }
    is_good
}

/// What the block asks for; notes in the drafts what clients must prove.
pub(in crate::compile) fn read(
    tls: &Tls,
    drafts: &mut [Draft],
    secrets: &mut Secrets<'_>,
    refs: &mut Refs,
    report: &mut Report<'_>,
) -> Spoken {
    let mut spoken = Spoken::default();
    let Some(first) = drafts.first() else {
        return spoken;
    };
    let hosts: Vec<(FieldPath, HostPattern)> = first
        .host_fields
        .iter()
        .cloned()
        .zip(first.route.hosts.iter().cloned())
        .collect();
    spoken.hosts.extend(hosts.iter().map(|(_, host)| host.clone()));
    let mut claim = Claim::at(&FieldPath::new("spec.tls"));
    claim.min_version = Some(match tls.min_version {
        MinVersion::V12 => TlsVersion::V12,
        MinVersion::V13 => TlsVersion::V13,
    });
    match client(tls, secrets, refs, report) {
        Some(client) => {
            claim.client.clone_from(&client);
            drafts
                .iter_mut()
                .for_each(|draft| draft.route.tls.client.clone_from(&client));
        }
        None => drafts.iter_mut().for_each(|draft| draft.backends.clear()),
    }
    let says_more = claim.min_version > Some(TlsVersion::V12) || tls.client_validation.is_some();
    if let Some(secret) = &tls.secret_name {
        show_secret(secret, &hosts, (&mut claim, &mut spoken), secrets, refs, report);
    } else if !says_more {
        return spoken;
    } else if let Some(Ok(usable)) = secrets.default_certificate(refs) {
        claim.show(&usable.certificate);
    }
    let claims = hosts.into_iter().map(|(_, host)| (host, claim.clone()));
    spoken.claims = claims.collect();
    spoken
}

fn show_secret(
    secret: &str,
    hosts: &[(FieldPath, HostPattern)],
    (claim, spoken): (&mut Claim, &mut Spoken),
    secrets: &mut Secrets<'_>,
    refs: &mut Refs,
    report: &mut Report<'_>,
) {
    let field = FieldPath::new("spec.tls.secretName");
    match secrets.certificate(&Name::new(&report.object.namespace, secret), refs) {
        Ok(usable) => {
            claim.show(&usable.certificate);
            spoken.validity.insert(secret.to_owned(), usable.read.validity);
            if let Some(remark) = usable.remark {
                report.warning(&field, Reason::InvalidCertificate, remark);
            }
            let hosts = hosts.iter().map(|(field, host)| (field, host));
            check_names(hosts, secret, &usable.read, report);
        }
        Err(lack) => report.warning(&field, lack.reason, lack.for_names()),
    }
}

/// What clients must prove; `None` when that can't be known.
fn client(
    tls: &Tls,
    secrets: &Secrets<'_>,
    refs: &mut Refs,
    report: &mut Report<'_>,
) -> Option<Option<ClientValidation>> {
    let Some(written) = &tls.client_validation else {
        return Some(None);
    };
    let field = FieldPath::new("spec.tls.clientValidation.caRef");
    let name = Name::new(&report.object.namespace, &written.ca_ref.name);
    match secrets.authorities(written.ca_ref.kind, &name, refs) {
        Ok((authorities, remark)) => {
            if let Some(remark) = remark {
                report.warning(&field, Reason::InvalidCertificate, remark);
            }
            Some(Some(ClientValidation {
                authorities,
                optional: written.mode == ClientMode::Optional,
            }))
        }
        Err(Lack { reason, message, .. }) => {
            let message = format!("{message}; every rule answers 503 rather than take clients unchecked");
            report.error(&field, reason, message);
            None
        }
    }
}
