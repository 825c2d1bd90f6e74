//! TLS of an Ingress: what a request without it gets, and how its backends are reached.
//!
//! All of these guard something: a value that can't be read closes the Ingress.

use routetable::InsecurePolicy;

use super::{CLOSED, PREFIX, field};
use crate::compile::draft::{Signer, TlsRef};
use crate::compile::finding::Reason;
use crate::compile::host::{backend_name_problem, object_name_problem};
use crate::compile::report::Report;
use crate::crd::tls::CaKind;
use crate::world::Ingress;

pub(super) const INSECURE: &str = "insecure-policy";
pub(super) const BACKEND: &str = "backend-tls";
pub(super) const HOSTNAME: &str = "backend-tls-hostname";

/// The Secret of the authorities of an Ingress's backends.
pub(crate) fn authority(ingress: &Ingress) -> Option<&str> {
    let key = format!("{PREFIX}{BACKEND}");
    ingress.annotations.get(&key)?.trim().strip_prefix("ca:")
}

/// What a request without TLS gets; `None` closes the Ingress.
pub(super) fn insecure(ingress: &Ingress, report: &mut Report<'_>) -> Option<InsecurePolicy> {
    let Some((key, text)) = value(ingress, INSECURE) else {
        return Some(InsecurePolicy::Allow);
    };
    match text {
        "allow" => Some(InsecurePolicy::Allow),
        "redirect" => Some(InsecurePolicy::Redirect),
        "reject" => Some(InsecurePolicy::Reject),
        _ => refuse(
            &key,
            format!("must be 'allow', 'redirect' or 'reject'; got '{text}'"),
            report,
        ),
    }
}

/// How backends are reached, if the Ingress says so; `None` closes it.
pub(super) fn backend(ingress: &Ingress, report: &mut Report<'_>) -> Option<Option<TlsRef>> {
    let hostname = match value(ingress, HOSTNAME) {
        None => None,
        Some((key, text)) => match backend_name_problem(text) {
            None => Some((key, text.to_owned())),
            Some(rest) => return refuse(&key, rest, report),
        },
    };
    let Some((key, text)) = value(ingress, BACKEND) else {
        return match hostname {
            None => Some(None),
            Some((key, _)) => refuse(
                &key,
                format!("must not stand without '{PREFIX}{BACKEND}'"),
                report,
            ),
        };
    };
    let signer = match (text, text.strip_prefix("ca:")) {
        ("system", _) => Signer::System,
        ("skip", _) => Signer::Anybody,
        (_, Some(secret)) => match object_name_problem(secret) {
            None => Signer::Held(field(&key), CaKind::Secret, secret.to_owned()),
            Some(rest) => return refuse(&key, format!("{rest} after 'ca:'"), report),
        },
        _ => {
            let rest = format!(
                "must be 'system', 'skip', or 'ca:' and the name of a Secret with 'ca.crt'; got '{text}'"
            );
            return refuse(&key, rest, report);
        }
    };
    Some(Some(TlsRef {
        hostname: hostname.map(|(_, name)| name),
        signer,
        certificate: None,
    }))
}

fn value<'a>(ingress: &'a Ingress, name: &str) -> Option<(String, &'a str)> {
    let key = format!("{PREFIX}{name}");
    let text = ingress.annotations.get(&key)?.trim();
    Some((key, text))
}

fn refuse<T>(key: &str, rest: String, report: &mut Report<'_>) -> Option<T> {
    let message = format!("annotation '{key}' {rest}; {CLOSED} until that is corrected");
    report.error(&field(key), Reason::InvalidAnnotation, message);
    None
}
