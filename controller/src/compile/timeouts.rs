//! Durations (Gateway API, GEP-2257) and the time limits made of them.

use std::time::Duration;

use routetable::Timeouts;

use super::field::FieldPath;
use super::report::Report;
use crate::crd::websocketroute as crd;

const MAX_HANDSHAKE: Duration = Duration::from_secs(300);
const MIN_MAX_DURATION: Duration = Duration::from_secs(60);

/// Reads a duration such as `1h30m`.
///
/// # Errors
/// What is wrong, to go on from the field's name.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if let Some(millis) = milliseconds(text, &[("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1000)]) {
        return Ok(Duration::from_millis(millis));
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("must be a duration string such as '1h'; write '{text}s'"));
    }
    let calendar = [
        ("ms", 1),
        ("w", 604_800_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
    ];
    match milliseconds(text, &calendar) {
        Some(millis) => Err(format!("must use h, m, s or ms; write '{}'", display(millis))),
        None => Err(format!(
            "must be a duration string such as '1h', '30s' or '500ms'; got '{text}'"
        )),
    }
}

/// One to four numbers of up to five digits, each with a unit.
fn milliseconds(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (mut rest, mut total) = (text, 0_u64);
    for _ in 0..4 {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().ok().filter(|_| digits <= 5)?;
        let (unit, scale) = units.iter().find(|(unit, _)| rest[digits..].starts_with(unit))?;
        total += number * scale;
        rest = &rest[digits + unit.len()..];
        if rest.is_empty() {
            return Some(total);
        }
    }
    None
}

/// The shortest way to write a duration in h, m, s and ms.
pub(crate) fn display(millis: u64) -> String {
    let parts = [
        (millis / 3_600_000, "h"),
        (millis / 60_000 % 60, "m"),
        (millis / 1000 % 60, "s"),
        (millis % 1000, "ms"),
    ];
    let text: String = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{n}{unit}"))
        .collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Reads `connect`.
///
/// # Errors
/// As for each of these: what is wrong, to go on from the field's name.
pub(super) fn connect(text: &str) -> Result<Duration, String> {
    let zero = |d: &Duration| d.is_zero();
    limited(text, zero, "must be greater than '0s'")
}

/// Reads `handshake`.
pub(super) fn handshake(text: &str) -> Result<Duration, String> {
    let beyond = |d: &Duration| d.is_zero() || *d > MAX_HANDSHAKE;
    limited(text, beyond, "must be greater than '0s' and at most '5m'")
}

/// Reads `maxDuration`.
pub(super) fn max_duration(text: &str) -> Result<Duration, String> {
    let short = |d: &Duration| !d.is_zero() && *d < MIN_MAX_DURATION;
    limited(text, short, "must be '0s' (off) or at least '1m'")
}

fn limited(text: &str, wrong: impl Fn(&Duration) -> bool, rest: &str) -> Result<Duration, String> {
    duration(text).and_then(|d| if wrong(&d) { Err(rest.to_owned()) } else { Ok(d) })
}

/// Why `connect` does not go with `handshake`, which is written in the field of that name.
pub(super) fn connect_problem(
    connect: Option<Duration>,
    handshake: Option<Duration>,
    field: &str,
) -> Option<String> {
    let limit = handshake.unwrap_or(Timeouts::default().handshake);
    let origin = if handshake.is_some() { "" } else { ", the default" };
    connect.filter(|connect| *connect > limit).map(|_| {
        let limit = display(limit.as_millis() as u64);
        format!("must not be greater than `{field}` ('{limit}'{origin})")
    })
}

/// The limits where some are written.
pub(super) fn combine(
    connect: Option<Duration>,
    handshake: Option<Duration>,
    idle: Option<Duration>,
    max_duration: Option<Duration>,
) -> Timeouts {
    let defaults = Timeouts::default();
    let handshake = handshake.unwrap_or(defaults.handshake);
    let off_if_zero = |duration: Duration| Some(duration).filter(|d| !d.is_zero());
    Timeouts {
        connect: connect.unwrap_or(defaults.connect.min(handshake)),
        handshake,
        idle: idle.map_or(defaults.idle, off_if_zero),
        max_duration: max_duration.map_or(defaults.max_duration, off_if_zero),
    }
}

/// Reads the `timeouts` block; `None` when anything in it is refused.
pub(super) fn lower(block: &crd::Timeouts, field: &FieldPath, report: &mut Report<'_>) -> Option<Timeouts> {
    let before = report.findings.len();
    let mut read = |name: &str, text: &Option<String>, reader: fn(&str) -> Result<Duration, String>| {
        let refuse = |rest| report.refuse(&field.field(name), rest);
        reader(text.as_deref()?).map_err(refuse).ok()
    };
    let connect = read("connect", &block.connect, connect);
    let handshake = read("handshake", &block.handshake, handshake);
    let idle = read("idle", &block.idle, duration);
    let max_duration = read("maxDuration", &block.max_duration, max_duration);
    // What can't be read is told once.
    let is_comparable = handshake.is_some() || block.handshake.is_none();
    let limit_field = field.field("handshake");
    if let Some(rest) = connect_problem(connect, handshake, limit_field.as_str()).filter(|_| is_comparable) {
        report.refuse(&field.field("connect"), rest);
    }
    (report.findings.len() == before).then(|| combine(connect, handshake, idle, max_duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_follow_the_gateway_api_format() {
        let ok = |text: &str| duration(text).unwrap().as_millis();
        assert_eq!(ok("1h30m"), 5_400_000);
        assert_eq!(ok("500ms"), 500);
        assert_eq!(ok("1m1s1ms"), 61_001);
        assert_eq!(ok("0s"), 0);
        for bad in ["", "h", "1", "1.5h", "-1s", "123456s", "1h1h1h1h1h", "1 h", "1H"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn refusals_say_what_to_write() {
        assert_eq!(duration("1d").unwrap_err(), "must use h, m, s or ms; write '24h'");
        assert_eq!(
            duration("1d12h").unwrap_err(),
            "must use h, m, s or ms; write '36h'"
        );
        assert_eq!(
            duration("3600").unwrap_err(),
            "must be a duration string such as '1h'; write '3600s'"
        );
    }
}
