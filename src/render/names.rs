//! Many hosts in few words: names that differ in one number are written once, as `web-[01-37,40]`.
//!
//! Folding is for people and loses nothing: the words written out again are the names that went in. Programs get the whole
//! list.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

/// Digits of a number that is counted; longer ones are no numbers but keys.
const DIGITS: usize = 9;

/// So many names are read as fast as they are.
const FEW: usize = 3;

/// A name before and behind the number in which it differs from others.
type Around<'n> = (&'n str, &'n str);

/// The names, each once and in the order of their numbers, those that differ in one number as one word. Names must be
/// harmless already. One that would be read as several stands in backquotes.
pub(crate) fn fold<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    let mut names: Vec<&str> = names.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    names.sort_by(|a, b| as_read(a, b));
    let mut alike: BTreeMap<Around<'_>, Vec<usize>> = BTreeMap::new();
    for (at, name) in names.iter().enumerate() {
        for number in numbers(name) {
            alike
                .entry((&name[..number.start], &name[number.end..]))
                .or_default()
                .push(at);
        }
    }
    let mut alike: Vec<(Around<'_>, Vec<usize>)> = alike.into_iter().filter(|(_, of)| of.len() > 1).collect();
    // The most names first; of equal ones the number that stands furthest behind.
    alike.sort_by_key(|((before, behind), of)| (std::cmp::Reverse(of.len()), behind.len(), *before));
    let mut words: BTreeMap<usize, String> = BTreeMap::new();
    let mut folded = vec![false; names.len()];
    for ((before, behind), of) in alike {
        let of: Vec<usize> = of.into_iter().filter(|at| !folded[*at]).collect();
        let [first, _, ..] = of[..] else { continue };
        let mut numbers = Vec::with_capacity(of.len());
        for at in of {
            folded[at] = true;
            numbers.push(&names[at][before.len()..names[at].len() - behind.len()]);
        }
        words.insert(first, format!("{before}[{}]{behind}", ranges(&numbers)));
    }
    for (at, name) in names.iter().enumerate().filter(|(at, _)| !folded[*at]) {
        words.insert(at, alone(name));
    }
    words.into_values().collect()
}

/// The names as they are where they are few, else folded.
pub(crate) fn brief<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    let names: Vec<&str> = names.into_iter().collect();
    match names.len() <= FEW {
        true => names.into_iter().map(str::to_owned).collect(),
        false => fold(names),
    }
}

/// A name that stands for itself.
fn alone(name: &str) -> String {
    match name.is_empty() || name.contains([' ', ',', '`']) || has_ranges(name) {
        true => format!("`{}`", name.replace('`', "``")),
        false => name.to_owned(),
    }
}

/// Whether there is something in it that would be read as numbers: `[1-3]`.
fn has_ranges(name: &str) -> bool {
    name.split('[').skip(1).any(|behind| {
        let inner = behind.split_once(']').map(|(inner, _)| inner);
        inner.is_some_and(|inner| !inner.is_empty() && inner.chars().all(|c| c.is_ascii_digit() || "-,".contains(c)))
    })
}

/// The numbers of a name in which it may differ from another.
fn numbers(name: &str) -> Vec<Range<usize>> {
    if name.contains([' ', ',', '`', '[', ']']) || name.parse::<Ipv6Addr>().is_ok() {
        return Vec::new();
    }
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, _) in name.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
        match found.last_mut() {
            Some(last) if last.end == at => last.end += 1,
            _ => found.push(at..at + 1),
        }
    }
    // Of an address the last part counts, and neither its network nor a port.
    let address = name.split(':').next().unwrap_or(name);
    if address.parse::<Ipv4Addr>().is_ok() {
        found.truncate(4);
        found.drain(..found.len() - 1);
    }
    found.retain(|number| number.len() <= DIGITS);
    found
}

/// Numbers as they are written, in their order: `01-37,40`. The ends of a range have the same number of digits, or no
/// leading zero.
fn ranges(numbers: &[&str]) -> String {
    let mut numbers: Vec<(u64, &str)> = numbers
        .iter()
        .map(|number| (number.parse().unwrap_or(u64::MAX), *number))
        .collect();
    numbers.sort_by_key(|(value, written)| (*value, written.len()));
    let is_plain = |written: &str| written.len() == 1 || !written.starts_with('0');
    let mut ranges: Vec<(&str, &str, u64)> = Vec::new();
    for (value, written) in numbers {
        match ranges.last_mut() {
            Some((first, last, end))
                if *end + 1 == value
                    && (written.len() == first.len() && written.len() == last.len()
                        || is_plain(first) && is_plain(last) && is_plain(written)) =>
            {
                (*last, *end) = (written, value);
            }
            _ => ranges.push((written, written, value)),
        }
    }
    let written = ranges.into_iter().map(|(first, last, _)| match first == last {
        true => Cow::Borrowed(first),
        false => Cow::Owned(format!("{first}-{last}")),
    });
    written.collect::<Vec<_>>().join(",")
}

/// The order in which people read names: numbers in them by their value.
fn as_read(one: &str, other: &str) -> Ordering {
    let (mut a, mut b) = (one, other);
    loop {
        let (left, right) = (next(&mut a), next(&mut b));
        let order = match (left, right) {
            (None, None) => return one.cmp(other),
            (Some(left), Some(right)) => match (left.parse::<u64>(), right.parse::<u64>()) {
                (Ok(left), Ok(right)) => left.cmp(&right),
                _ => left.cmp(right),
            },
            (left, right) => left.is_some().cmp(&right.is_some()),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Takes the next number, or what stands before it, off a text.
fn next<'t>(text: &mut &'t str) -> Option<&'t str> {
    let is_number = text.bytes().next()?.is_ascii_digit();
    let end = text.bytes().position(|byte| byte.is_ascii_digit() != is_number);
    let (taken, rest) = text.split_at(end.unwrap_or(text.len()));
    *text = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_differ_in_one_number_are_one_word() {
        let many: Vec<String> = (1..=37).map(|number| format!("web-{number:02}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).chain(["web-40", "db-1"]).collect();
        let rows: [(&str, &[&str], &str); 17] = [
            ("none", &[], ""),
            ("one", &["web-1"], "web-1"),
            ("many and one", &many, "db-1 web-[01-37,40]"),
            ("by number", &["web-10", "web-9", "web-1"], "web-[1,9-10]"),
            ("zeros", &["a08", "a09", "a10", "a100", "a8"], "a[8,08-10,100]"),
            (
                "behind the number too",
                &["w1.example", "w2.example", "w2.test"],
                "w[1-2].example w2.test",
            ),
            ("twice the same", &["a1", "a1"], "a1"),
            (
                "addresses",
                &["192.0.2.9", "192.0.2.1", "192.0.3.1"],
                "192.0.2.[1,9] 192.0.3.1",
            ),
            (
                "ports are no hosts",
                &["192.0.2.1:2201", "192.0.2.1:2202"],
                "192.0.2.1:2201 192.0.2.1:2202",
            ),
            (
                "addresses with a port",
                &["192.0.2.1:22", "192.0.2.2:22"],
                "192.0.2.[1-2]:22",
            ),
            (
                "hexadecimal",
                &["2001:db8::1", "2001:db8::2"],
                "2001:db8::1 2001:db8::2",
            ),
            (
                "rows of a room",
                &["r1-n1", "r1-n2", "r2-n1", "r2-n2"],
                "r1-n[1-2] r2-n[1-2]",
            ),
            (
                "the number that most share",
                &["r1-n1", "r2-n1", "r3-n1", "r3-n2"],
                "r[1-3]-n1 r3-n2",
            ),
            (
                "simulated",
                &["simulated:/x/h1.yml", "simulated:/x/h2.yml"],
                "simulated:/x/h[1-2].yml",
            ),
            ("keys", &["i-0123456789", "i-0123456790"], "i-0123456789 i-0123456790"),
            ("no fold of ours", &["web-[1-3]", "a b"], "`a b` `web-[1-3]`"),
            ("address in brackets", &["[2001:db8::1]:22"], "[2001:db8::1]:22"),
        ];
        for (name, names, expected) in rows {
            assert_eq!(fold(names.iter().copied()).join(" "), expected, "{name}");
        }
    }

    #[test]
    fn a_few_names_stay_as_they_are() {
        assert_eq!(brief(["b-1", "b-2", "a"]), ["b-1", "b-2", "a"]);
        assert_eq!(brief(["b-1", "b-2", "b-3", "a"]), ["a", "b-[1-3]"]);
    }

    /// The names behind a word.
    fn unfold(word: &str) -> Vec<String> {
        if let Some(name) = word.strip_prefix('`').and_then(|name| name.strip_suffix('`')) {
            return vec![name.replace("``", "`")];
        }
        if !has_ranges(word) {
            return vec![word.to_owned()];
        }
        let (before, rest) = word.split_once('[').expect("it has ranges");
        let (numbers, behind) = rest.split_once(']').expect("it has ranges");
        let one = |range: &str| -> Vec<String> {
            let Some((first, last)) = range.split_once('-') else {
                return vec![format!("{before}{range}{behind}")];
            };
            let width = if first.len() == last.len() { first.len() } else { 0 };
            let (first, last): (u64, u64) = (first.parse().expect("a number"), last.parse().expect("a number"));
            (first..=last)
                .map(|number| format!("{before}{number:0width$}{behind}"))
                .collect()
        };
        numbers.split(',').flat_map(one).collect()
    }

    fn one_name() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "(web|db|r[0-2]-n)-?0{0,2}[0-9]{1,3}(\\.a)?",
            2 => "192\\.0\\.[23]\\.[0-9]{1,2}(:[0-9]{1,2})?",
            1 => "[a-c0-2\\[\\]`, :.-]{0,6}",
            1 => any::<String>(),
        ]
    }

    proptest! {
        #[test]
        fn written_out_again_they_are_the_same(names in proptest::collection::vec(one_name(), 0..60)) {
            let words = fold(names.iter().map(String::as_str));
            let again: Vec<String> = words.iter().flat_map(|word| unfold(word)).collect();
            let mut sorted = again.clone();
            sorted.sort();
            let expected: Vec<String> = names.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
            prop_assert_eq!(sorted, expected, "{:?}", words);
        }
    }
}
