//! Durations as people type them: `5s`, `250ms`, `1h30m`, the format of Gateway API (GEP-2257).

use std::time::Duration;

const FORM: &str = "must be a duration such as '5s', '250ms' or '1h30m'";

/// Reads one to four pairs of a number (at most five digits) and a unit (h, m, s, ms).
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    for _ in 0..4 {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        if number.is_empty() || number.len() > 5 {
            return Err(FORM.into());
        }
        let number: u64 = number.parse().map_err(|_| FORM)?;
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        total += match unit {
            "h" => Duration::from_secs(number * 3600),
            "m" => Duration::from_secs(number * 60),
            "s" => Duration::from_secs(number),
            "ms" => Duration::from_millis(number),
            _ => return Err(FORM.into()),
        };
        rest = tail;
        if rest.is_empty() {
            return Ok(total);
        }
    }
    Err(FORM.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_gateway_api_format_and_nothing_else() {
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse("1h2m3s4ms"), Ok(Duration::from_millis(3_723_004)));
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
        for wrong in [
            "",
            "5",
            "s",
            "1d",
            "5 s",
            "-5s",
            "1.5s",
            "100000s",
            "1s1s1s1s1s",
            "5s ",
            "٣s",
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
