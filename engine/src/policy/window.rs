//! When something may be removed: days, and hours of a day at a fixed distance from UTC.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_MINUTES: i64 = 24 * 60;
const MINUTE_MS: i64 = 60_000;
/// 1970 began on a Thursday.
const FIRST_DAY: i64 = 3;

/// Hours of some days: `mon-fri 22:00-05:00 +02:00`. One that passes midnight belongs to the day on which it begins.
///
/// Days are `daily`, a day (`sat`), a range (`mon-fri`) or several (`mon,wed,sat-sun`). The last word is `UTC` or how far
/// the clock on the wall is ahead of it. Zones by name are not taken: their rules differ from machine to machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    /// Bit N is day N, Monday the first.
    days: u8,
    /// Minutes since midnight.
    from: u16,
    /// Behind the last minute; at most 24 hours.
    to: u16,
    /// Minutes ahead of UTC.
    ahead: i16,
}

/// A text that is no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no window: {why}")]
pub struct BadWindow {
    text: String,
    why: String,
}

impl BadWindow {
    /// What to do.
    pub const HINT: &str = "as in `mon-fri 22:00-05:00 +02:00`, `daily 01:00-04:30 UTC` or `sat,sun 00:00-24:00 UTC`";
}

impl Window {
    /// Whether it is open at this time, in milliseconds since 1970.
    pub fn is_open(&self, at_ms: u64) -> bool {
        let (day, minute) = self.local(at_ms);
        let (from, to) = (i64::from(self.from), i64::from(self.to));
        match from < to {
            true => self.has(day) && (from..to).contains(&minute),
            false => (self.has(day) && minute >= from) || (self.has(day - 1) && minute < to),
        }
    }

    /// When it opens next after this time, in milliseconds since 1970.
    pub fn opens(&self, after_ms: u64) -> u64 {
        let (today, _) = self.local(after_ms);
        let begins = |day: i64| (day * DAY_MINUTES + i64::from(self.from) - i64::from(self.ahead)) * MINUTE_MS;
        let after = i64::try_from(after_ms).unwrap_or(i64::MAX);
        let next = (today..=today + 8).find(|day| self.has(*day) && begins(*day) > after);
        next.map_or(u64::MAX, |day| u64::try_from(begins(day)).unwrap_or(0))
    }

    /// The day since 1970 and the minute of it on the wall.
    fn local(&self, at_ms: u64) -> (i64, i64) {
        let minutes = i64::try_from(at_ms).unwrap_or(i64::MAX) / MINUTE_MS + i64::from(self.ahead);
        (minutes.div_euclid(DAY_MINUTES), minutes.rem_euclid(DAY_MINUTES))
    }

    fn has(&self, day: i64) -> bool {
        self.days >> (day + FIRST_DAY).rem_euclid(7) & 1 == 1
    }
}

impl FromStr for Window {
    type Err = BadWindow;

    fn from_str(text: &str) -> Result<Window, BadWindow> {
        let bad = |why: String| BadWindow {
            text: text.chars().take(64).flat_map(char::escape_default).collect(),
            why,
        };
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [days, hours, zone] = words.as_slice() else {
            return Err(bad("it has days, hours and the distance from UTC".to_owned()));
        };
        let (from, to) = hours
            .split_once('-')
            .and_then(|(from, to)| Some((clock(from)?, clock(to)?)))
            .filter(|(from, _)| i64::from(*from) < DAY_MINUTES)
            .ok_or_else(|| bad(format!("`{hours}` are no hours")))?;
        if from == to {
            return Err(bad("it has no length; a whole day is `00:00-24:00`".to_owned()));
        }
        Ok(Window {
            days: days_of(days).ok_or_else(|| bad(format!("`{days}` are no days")))?,
            from,
            to,
            ahead: ahead(zone).ok_or_else(|| bad(format!("`{zone}` is neither UTC nor a distance from it")))?,
        })
    }
}

fn days_of(text: &str) -> Option<u8> {
    if text == "daily" {
        return Some(0x7f);
    }
    let day = |name: &str| DAYS.iter().position(|day| *day == name);
    text.split(',').try_fold(0, |days, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let long = (last + 7 - first) % 7;
        Some((0..=long).fold(days, |days, n| days | 1 << ((first + n) % 7)))
    })
}

/// `22:00`; `24:00` is the end of a day.
fn clock(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |text: &str| -> Option<u16> {
        (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (minutes < 60 && hours * 60 + minutes <= 24 * 60).then_some(hours * 60 + minutes)
}

/// `UTC`, `Z`, `+02:00`.
fn ahead(text: &str) -> Option<i16> {
    if text == "UTC" || text == "Z" {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let minutes = i16::try_from(clock(rest)?).ok()?;
    (minutes <= 14 * 60).then_some(sign * minutes)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |day: usize| self.days >> day & 1 == 1;
        let mut days: Vec<String> = Vec::new();
        let mut day = 0;
        while day < 7 {
            let first = day;
            while day < 7 && has(day) {
                day += 1;
            }
            match day - first {
                0 => day += 1,
                1 => days.push(DAYS[first].to_owned()),
                _ => days.push(format!("{}-{}", DAYS[first], DAYS[day - 1])),
            }
        }
        let days = match self.days {
            0x7f => "daily".to_owned(),
            _ => days.join(","),
        };
        let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        write!(f, "{days} {}-{} ", clock(self.from), clock(self.to))?;
        match self.ahead {
            0 => f.write_str("UTC"),
            ahead => {
                let sign = if ahead < 0 { '-' } else { '+' };
                write!(f, "{sign}{}", clock(ahead.unsigned_abs()))
            }
        }
    }
}

impl JsonSchema for Window {
    fn schema_name() -> Cow<'static, str> {
        "window".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let day = DAYS.join("|");
        let days = format!("daily|({day})(-({day}))?(,({day})(-({day}))?)*");
        let clock = "([01][0-9]|2[0-3]):[0-5][0-9]|24:00";
        json_schema!({
            "type": "string",
            "pattern": format!(r"^\s*({days})\s+({clock})-({clock})\s+(UTC|Z|[+-]({clock}))\s*$"),
            "patternErrorMessage": format!("no window: {}", BadWindow::HINT),
        })
    }
}

impl TryFrom<String> for Window {
    type Error = BadWindow;

    fn try_from(text: String) -> Result<Window, BadWindow> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> String {
        window.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> u64 {
        let time: jiff::Timestamp = text.parse().expect("a time");
        u64::try_from(time.as_millisecond()).expect("after 1970")
    }

    #[test]
    fn texts() {
        let rows = [
            ("mon-fri 22:00-05:00 +02:00", Some("mon-fri 22:00-05:00 +02:00")),
            ("daily 01:00-04:30 UTC", Some("daily 01:00-04:30 UTC")),
            ("sat,sun 00:00-24:00 Z", Some("sat-sun 00:00-24:00 UTC")),
            ("sat-mon 00:00-24:00 -03:30", Some("mon,sat-sun 00:00-24:00 -03:30")),
            ("mon,wed 09:00-10:00 UTC", Some("mon,wed 09:00-10:00 UTC")),
            ("mon 22:00-05:00", None),
            ("mon 22:00-22:00 UTC", None),
            ("mon 24:00-05:00 UTC", None),
            ("mon 22:60-23:00 UTC", None),
            ("mon 9:00-10:00 UTC", None),
            ("monday 22:00-23:00 UTC", None),
            ("mon 22:00-23:00 Europe/Berlin", None),
            ("mon 22:00-23:00 +15:00", None),
            ("", None),
        ];
        for (text, expected) in rows {
            let read = text.parse::<Window>().ok().map(|window| window.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn times() {
        // 2026-11-27 is a Friday.
        let rows = [
            ("mon-fri 22:00-05:00 +02:00", "2026-11-27T20:00:00Z", true),
            ("mon-fri 22:00-05:00 +02:00", "2026-11-27T19:59:59Z", false),
            // The night of Friday ends on Saturday.
            ("mon-fri 22:00-05:00 +02:00", "2026-11-28T02:59:59Z", true),
            ("mon-fri 22:00-05:00 +02:00", "2026-11-28T03:00:00Z", false),
            ("mon-fri 22:00-05:00 +02:00", "2026-11-28T21:00:00Z", false),
            // The night before Monday is Sunday's.
            ("mon-fri 22:00-05:00 +02:00", "2026-11-30T01:00:00Z", false),
            ("sat 00:00-24:00 UTC", "2026-11-28T23:59:59Z", true),
            ("sat 00:00-24:00 UTC", "2026-11-29T00:00:00Z", false),
            ("daily 10:00-11:00 -03:30", "2026-11-27T13:30:00Z", true),
        ];
        for (window, time, expected) in rows {
            let window: Window = window.parse().expect("a window");
            assert_eq!(window.is_open(at(time)), expected, "{window} at {time}");
        }
    }

    #[test]
    fn when_it_opens_next() {
        let rows = [
            (
                "mon-fri 22:00-05:00 +02:00",
                "2026-11-27T12:00:00Z",
                "2026-11-27T20:00:00Z",
            ),
            (
                "mon-fri 22:00-05:00 +02:00",
                "2026-11-28T12:00:00Z",
                "2026-11-30T20:00:00Z",
            ),
            ("fri 10:00-11:00 UTC", "2026-11-27T10:30:00Z", "2026-12-04T10:00:00Z"),
        ];
        for (window, after, expected) in rows {
            let window: Window = window.parse().expect("a window");
            assert_eq!(window.opens(at(after)), at(expected), "{window} after {after}");
            assert!(window.is_open(at(expected)) && !window.is_open(at(expected) - 1));
        }
    }
}
