//! Settings of an Ingress under our prefix, `holdfast.dev/`, and what of ingress-nginx must not be ignored.
//!
//! Values are read as those of a WebSocketRoute. A tuning value that can't be read leaves the
//! default in its place; a setting that guards something and is not in this version, is
//! misspelled, or can't be read closes the Ingress: its rules keep their place and answer 503.

mod tls;

use std::time::Duration;

use routetable::{InsecurePolicy, ProxyVersion, Timeouts};

use super::draft::TlsRef;
use super::field::FieldPath;
use super::finding::Reason;
use super::report::Report;
use super::timeouts;
use crate::did_you_mean::closest;
use crate::world::Ingress;

pub(crate) use tls::authority;

const PREFIX: &str = "holdfast.dev/";
const NGINX: &str = "nginx.ingress.kubernetes.io/";
const CONNECT: &str = "connect-timeout";
const HANDSHAKE: &str = "handshake-timeout";
const IDLE: &str = "idle-timeout";
const MAX_DURATION: &str = "max-duration";
const PROXY: &str = "backend-proxy-protocol";
const WORKING: [&str; 8] = [
    CONNECT,
    HANDSHAKE,
    IDLE,
    MAX_DURATION,
    PROXY,
    tls::INSECURE,
    tls::BACKEND,
    tls::HOSTNAME,
];
/// Those of them that guard something.
const WORKING_GUARDS: [&str; 3] = [tls::INSECURE, tls::BACKEND, tls::HOSTNAME];

/// Tuning that a later version brings.
const LATER: [&str; 20] = [
    "access-log",
    "affinity-cookie",
    "affinity-samesite",
    "affinity-ttl",
    "drain-close-code",
    "drain-mode",
    "drain-window",
    "endpoints",
    "hash-by",
    "keepalive",
    "keepalive-interval",
    "load-balancing",
    "max-duration-jitter",
    "plain-http",
    "rebalance",
    "retries",
    "slow-start",
    "subprotocols",
    "topology",
    "upgrade-protocols",
];

/// Guards that a later version brings.
const GUARDS: [&str; 10] = [
    "allow-source-ranges",
    "allowed-origins",
    "auth-response-headers",
    "auth-service",
    "deny-source-ranges",
    "handshake-rate",
    "handshake-rate-per-ip",
    "max-connections",
    "max-connections-per-ip",
    "max-message-size",
];
/// What starts like this is meant as a guard, whatever follows.
const GUARD_PREFIXES: [&str; 5] = [
    "auth-",
    "backend-tls",
    "handshake-rate",
    "insecure",
    "max-connections",
];

/// What the annotations of an Ingress ask for.
#[derive(Clone, Debug)]
pub(super) struct Annotated {
    /// Its time limits.
    pub(super) timeouts: Timeouts,
    /// What a request without TLS gets.
    pub(super) insecure: InsecurePolicy,
    /// How its backends are reached.
    pub(super) backend_tls: Option<TlsRef>,
    /// The header that says to its backends who the client is.
    pub(super) proxy_header: Option<ProxyVersion>,
    /// Answer 503 rather than serve without a guard.
    pub(super) is_closed: bool,
}

/// Reads the annotations of an Ingress.
pub(super) fn lower(ingress: &Ingress, report: &mut Report<'_>) -> Annotated {
    let mut is_closed = false;
    for (key, value) in &ingress.annotations {
        match key.strip_prefix(PREFIX) {
            Some(name) => is_closed |= !WORKING.contains(&name) && closes(key, name, report),
            None if key.strip_prefix(NGINX).is_some_and(guards_in_nginx) && !is_off(value) => {
                report.error(&field(key), Reason::UnsupportedAnnotation, unguarded(key));
                is_closed = true;
            }
            None if key.contains('/') && !key.ends_with("/ingress.class") => {
                let message = format!("annotation '{key}' has no effect; {}", instead(key));
                report.warning(&field(key), Reason::UnsupportedAnnotation, message);
            }
            None => {}
        }
    }
    let insecure = tls::insecure(ingress, report);
    let backend_tls = tls::backend(ingress, report);
    Annotated {
        timeouts: time_limits(ingress, report),
        is_closed: is_closed || insecure.is_none() || backend_tls.is_none(),
        insecure: insecure.unwrap_or_default(),
        backend_tls: backend_tls.flatten(),
        proxy_header: proxy_header(ingress, report),
    }
}

fn proxy_header(ingress: &Ingress, report: &mut Report<'_>) -> Option<ProxyVersion> {
    let key = format!("{PREFIX}{PROXY}");
    match ingress.annotations.get(&key)?.trim() {
        "v1" => Some(ProxyVersion::V1),
        "v2" => Some(ProxyVersion::V2),
        other => {
            let message =
                format!("annotation '{key}' must be 'v1' or 'v2'; got '{other}'; no header is sent");
            report.warning(&field(&key), Reason::InvalidAnnotation, message);
            None
        }
    }
}

/// What to write instead of another controller's annotation.
fn instead(key: &str) -> &'static str {
    match key.strip_prefix(NGINX) {
        Some("ssl-redirect" | "force-ssl-redirect") => {
            "requests without TLS are redirected by 'holdfast.dev/insecure-policy: redirect'"
        }
        Some("backend-protocol") => {
            "TLS towards backends is set by 'holdfast.dev/backend-tls', HTTP/2 by the 'appProtocol' of the Service's port"
        }
        Some(name) if name.starts_with("proxy-ssl-") => {
            "TLS towards backends is set by 'holdfast.dev/backend-tls' and 'holdfast.dev/backend-tls-hostname'"
        }
        _ => "time limits are set by 'holdfast.dev/idle-timeout' and its like, matches by a WebSocketRoute",
    }
}

const CLOSED: &str = "every rule of this Ingress answers 503";

fn unguarded(key: &str) -> String {
    format!(
        "annotation '{key}' is not in this version; {CLOSED} rather than be served without it; remove it to serve"
    )
}

/// True for annotations of ingress-nginx that keep somebody out, or that may hold what does.
fn guards_in_nginx(name: &str) -> bool {
    let starts = [
        "auth-",
        "enable-modsecurity",
        "enable-owasp",
        "global-rate-limit",
        "limit-",
        "modsecurity-",
    ];
    let ends = ["-snippet", "-source-range"];
    name == "satisfy"
        || starts.iter().any(|start| name.starts_with(start))
        || ends.iter().any(|end| name.ends_with(end))
}

/// True for the values by which something is turned off there.
fn is_off(value: &str) -> bool {
    matches!(value.trim(), "false" | "off")
}

/// Reports a key that has no effect; true when nothing may be served without it.
fn closes(key: &str, name: &str, report: &mut Report<'_>) -> bool {
    let field = field(key);
    if GUARDS.contains(&name) {
        report.error(&field, Reason::UnsupportedAnnotation, unguarded(key));
        return true;
    }
    if LATER.contains(&name) {
        let message = format!("annotation '{key}' has no effect in this version");
        report.warning(&field, Reason::UnsupportedAnnotation, message);
        return false;
    }
    let known = WORKING.into_iter().chain(LATER).chain(GUARDS);
    let meant = closest(name, known);
    let hint = match meant {
        Some(meant) => format!("did you mean '{PREFIX}{meant}'?"),
        None => "remove it".to_owned(),
    };
    let guards = meant.is_some_and(|meant| GUARDS.contains(&meant) || WORKING_GUARDS.contains(&meant))
        || GUARD_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    if guards {
        let message = format!("unknown annotation '{key}', which seems to guard something; {CLOSED}; {hint}");
        report.error(&field, Reason::UnsupportedAnnotation, message);
    } else {
        let message = format!("unknown annotation '{key}'; {hint}");
        report.warning(&field, Reason::UnknownAnnotation, message);
    }
    guards
}

fn time_limits(ingress: &Ingress, report: &mut Report<'_>) -> Timeouts {
    let defaults = Timeouts::default();
    let mut read = |name: &str, reader: fn(&str) -> Result<Duration, String>, default: Option<Duration>| {
        let key = format!("{PREFIX}{name}");
        let text = ingress.annotations.get(&key)?;
        let refuse = |rest| refuse(&key, rest, default, report);
        reader(text.trim()).map_err(refuse).ok()
    };
    let handshake = read(HANDSHAKE, timeouts::handshake, Some(defaults.handshake));
    let mut connect = read(CONNECT, timeouts::connect, Some(defaults.connect));
    let idle = read(IDLE, timeouts::duration, defaults.idle);
    let max_duration = read(MAX_DURATION, timeouts::max_duration, defaults.max_duration);
    let limit_key = format!("{PREFIX}{HANDSHAKE}");
    if let Some(rest) = timeouts::connect_problem(connect, handshake, &limit_key) {
        let kept = timeouts::combine(None, handshake, None, None).connect;
        refuse(&format!("{PREFIX}{CONNECT}"), rest, Some(kept), report);
        connect = None;
    }
    timeouts::combine(connect, handshake, idle, max_duration)
}

fn refuse(key: &str, rest: String, kept: Option<Duration>, report: &mut Report<'_>) {
    let kept = kept.map_or(
        "off".to_owned(),
        |kept| timeouts::display(kept.as_millis() as u64),
    );
    let message = format!("annotation '{key}' {rest}; kept the default {kept}");
    report.warning(&field(key), Reason::InvalidAnnotation, message);
}

fn field(key: &str) -> FieldPath {
    FieldPath::new("metadata.annotations").field(key)
}
