//! Times, spans, sizes and numbers, each in one written form.

use deminer_engine::report::Tally;
use jiff::Timestamp;

/// A span in milliseconds: `90 ms`, `1.9 s`, `20 s`, `10m00s`, `1h05m00s`. Never rounded up, so that nothing watched looks longer.
pub(crate) fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 if (1..100).contains(&ms) => format!("{ms} ms"),
        0..60 if ms.is_multiple_of(1000) => format!("{seconds} s"),
        0..60 => format!("{seconds}.{} s", ms % 1000 / 100),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m{:02}s", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

/// A size: `412 bytes`, `6.6 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return count(bytes, "byte", "bytes");
    }
    let (mut unit, mut scale) = (0, 1024_u64);
    // 1023.95 of a unit would be written 1024.0.
    while unit + 1 < UNITS.len() && u128::from(bytes) * 20 >= u128::from(scale) * 20479 {
        (unit, scale) = (unit + 1, scale * 1024);
    }
    let tenths = (u128::from(bytes) * 10 + u128::from(scale) / 2) / u128::from(scale);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// A time in milliseconds since 1970, to the second, in UTC.
pub(crate) fn time(ms: u64) -> String {
    let at = i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    written(at).unwrap_or_else(|| format!("{ms} ms since 1970"))
}

/// A time in nanoseconds since 1970, to the second, in UTC.
pub(crate) fn time_ns(ns: u64) -> String {
    written(Timestamp::from_nanosecond(i128::from(ns)).ok()).unwrap_or_else(|| format!("{ns} ns since 1970"))
}

fn written(at: Option<Timestamp>) -> Option<String> {
    Some(at?.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// A number of things: `1 host`, `3 hosts`.
pub(crate) fn count(number: u64, one: &str, several: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { several })
}

/// A number with its thousands apart: `18,204`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `6 of 7`, with what the approval leaves out: `6 of 7 (1 left out)`.
pub(crate) fn tally(tally: &Tally) -> String {
    let left_out = match tally.excluded {
        0 => String::new(),
        excluded => format!(" ({excluded} left out)"),
    };
    format!("{} of {}{left_out}", tally.done, tally.of)
}

/// Words in a row: `a`, `a and b`, `a, b and c`.
pub(crate) fn and(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let rows = [
            (0, "0 s"),
            (90, "90 ms"),
            (100, "0.1 s"),
            (1_900, "1.9 s"),
            (20_000, "20 s"),
            (59_999, "59.9 s"),
            (60_000, "1m00s"),
            (599_999, "9m59s"),
            (600_000, "10m00s"),
            (3_900_000, "1h05m00s"),
        ];
        for (ms, expected) in rows {
            assert_eq!(span(ms), expected, "{ms}");
        }
    }

    #[test]
    fn sizes() {
        let rows = [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1,023 bytes"),
            (1024, "1.0 KiB"),
            (6_920_602, "6.6 MiB"),
            (1_048_575, "1.0 MiB"),
            (64 << 20, "64.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (bytes, expected) in rows {
            assert_eq!(size(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn times_are_utc_and_never_panic() {
        assert_eq!(time(1_794_624_290_123), "2026-11-14T02:44:50Z");
        assert_eq!(time_ns(1_794_624_290_123_456_789), "2026-11-14T02:44:50Z");
        assert_eq!(time(u64::MAX), format!("{} ms since 1970", u64::MAX));
        assert!(time_ns(u64::MAX).ends_with('Z'));
    }

    #[test]
    fn numbers() {
        assert_eq!(grouped(18_204), "18,204");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000_000), "1,000,000");
        assert_eq!(and(&["a".to_owned(), "b".to_owned(), "c".to_owned()]), "a, b and c");
    }
}
