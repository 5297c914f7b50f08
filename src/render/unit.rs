//! Times, spans, sizes and numbers, as far as every language writes them the same.

use jiff::Timestamp;

/// A span as it is read off a clock, never rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Less than a tenth of a second, and more than nothing.
    Milliseconds(u64),
    /// Less than a minute: seconds and tenths.
    Seconds(u64, u64),
    /// Less than an hour: minutes and seconds.
    Minutes(u64, u64),
    /// Hours, minutes and seconds.
    Hours(u64, u64, u64),
}

impl Clock {
    /// Of a span in milliseconds.
    pub(crate) fn of(ms: u64) -> Clock {
        let seconds = ms / 1000;
        match seconds {
            0 if (1..100).contains(&ms) => Clock::Milliseconds(ms),
            0..60 => Clock::Seconds(seconds, ms % 1000 / 100),
            60..3600 => Clock::Minutes(seconds / 60, seconds % 60),
            _ => Clock::Hours(seconds / 3600, seconds / 60 % 60, seconds % 60),
        }
    }
}

/// A size with its unit, `6.6 MiB`; `None` where it is less than a KiB.
pub(crate) fn scaled(bytes: u64) -> Option<String> {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return None;
    }
    let (mut unit, mut scale) = (0, 1024_u64);
    // 1023.95 of a unit would be written 1024.0.
    while unit + 1 < UNITS.len() && u128::from(bytes) * 20 >= u128::from(scale) * 20479 {
        (unit, scale) = (unit + 1, scale * 1024);
    }
    let tenths = (u128::from(bytes) * 10 + u128::from(scale) / 2) / u128::from(scale);
    Some(format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]))
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

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
