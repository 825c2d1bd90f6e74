//! Virtual hosts as objects write them (RFC 1123 names, Ingress wildcards).

use std::net::IpAddr;

use routetable::HostPattern;

/// Reads a hostname. `path_home` names the field where a path belongs.
///
/// # Errors
/// What is wrong, to go on from the field's name.
pub(super) fn parse(text: &str, path_home: &str) -> Result<HostPattern, String> {
    if text.contains('/') {
        return Err(format!(
            "must be a DNS name such as 'chat.example.com'; put the path in `{path_home}`"
        ));
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if bare.parse::<IpAddr>().is_ok() {
        return Err("must be a DNS name, not an IP address".to_owned());
    }
    if let Some((name, port)) = text.rsplit_once(':')
        && port.bytes().all(|b| b.is_ascii_digit())
    {
        return Err(format!("must not hold a port; write '{name}'"));
    }
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(format!(
            "must be in lower case; write '{}'",
            text.to_ascii_lowercase()
        ));
    }
    if let Some(name) = text.strip_suffix('.') {
        return Err(format!("must not end with '.'; write '{name}'"));
    }
    match text.strip_prefix("*.") {
        Some(suffix) if is_dns_name(suffix) => Ok(HostPattern::Wildcard(suffix.to_owned())),
        None if is_dns_name(text) => Ok(HostPattern::Exact(text.to_owned())),
        _ if text.contains('*') => {
            Err("may hold '*' only as its whole first label, as in '*.example.com'".to_owned())
        }
        _ => Err(format!(
            "must be a DNS name such as 'chat.example.com'; got '{text}'"
        )),
    }
}

/// A DNS subdomain: labels of letters in lower case, digits and inner dashes.
pub(crate) fn is_dns_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

/// A DNS label.
pub(crate) fn is_label(label: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(plain)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// What to say of `text`, which is no DNS label, to go on from the field's name.
pub(super) fn label_problem(text: &str) -> String {
    format!("must be of lower-case letters, digits and '-'; got '{text}'")
}

/// What is wrong with `text` as the name of an object, to go on from the field's name.
pub(crate) fn object_name_problem(text: &str) -> Option<String> {
    (!is_dns_name(text)).then(|| format!("must be the name of an object, such as 'chat-tls'; got '{text}'"))
}

/// What is wrong with `text` as the name that a backend's certificate must have.
pub(super) fn backend_name_problem(text: &str) -> Option<String> {
    let is_good = is_dns_name(text) && text.parse::<IpAddr>().is_err();
    (!is_good).then(|| format!("must be a DNS name such as 'chat.internal'; got '{text}'"))
}
