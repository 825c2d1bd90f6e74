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

/// Reads the `timeouts` block; `None` when anything in it is refused.
pub(super) fn lower(block: &crd::Timeouts, field: &FieldPath, report: &mut Report<'_>) -> Option<Timeouts> {
    let before = report.findings.len();
    let mut read = |name: &str, text: &Option<String>| -> Option<Duration> {
        match duration(text.as_deref()?) {
            Ok(duration) => Some(duration),
            Err(rest) => {
                report.refuse(&field.field(name), rest);
                None
            }
        }
    };
    let connect = read("connect", &block.connect);
    let handshake = read("handshake", &block.handshake);
    let idle = read("idle", &block.idle);
    let max_duration = read("maxDuration", &block.max_duration);

    let defaults = Timeouts::default();
    let handshake_or_default = handshake.unwrap_or(defaults.handshake);
    if handshake.is_some_and(|h| h.is_zero() || h > MAX_HANDSHAKE) {
        report.refuse(
            &field.field("handshake"),
            "must be greater than '0s' and at most '5m'",
        );
    }
    if connect.is_some_and(|c| c.is_zero()) {
        report.refuse(&field.field("connect"), "must be greater than '0s'");
    }
    if connect.is_some_and(|c| c > handshake_or_default) {
        let limit = display(handshake_or_default.as_millis() as u64);
        let origin = if handshake.is_some() { "" } else { ", the default" };
        let rest = format!(
            "must not be greater than `{}` ('{limit}'{origin})",
            field.field("handshake")
        );
        report.refuse(&field.field("connect"), rest);
    }
    if max_duration.is_some_and(|d| !d.is_zero() && d < MIN_MAX_DURATION) {
        report.refuse(&field.field("maxDuration"), "must be '0s' (off) or at least '1m'");
    }
    let off_if_zero = |duration: Duration| Some(duration).filter(|d| !d.is_zero());
    (report.findings.len() == before).then(|| Timeouts {
        connect: connect.unwrap_or(defaults.connect.min(handshake_or_default)),
        handshake: handshake_or_default,
        idle: idle.map_or(defaults.idle, off_if_zero),
        max_duration: max_duration.map_or(defaults.max_duration, off_if_zero),
    })
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
