//! Ranges in the names of hosts: `web-[01:20]`, `db[1:9:2].example`, `rack-[a:f]-[1:4]`.
//!
//! As Ansible has them ("Adding ranges of hosts" of its guide to inventories): both ends count, a third number is the step,
//! an end with leading zeros fills up to its width. Unlike there a range that holds nothing is refused.

/// The most hosts that one range counts out, and that an inventory holds.
pub(super) const MOST_HOSTS: usize = 100_000;

/// Why a range cannot be counted out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadRange {
    pub(super) why: String,
    pub(super) help: &'static str,
}

const SHAPE: &str = "write `web-[01:20]`, `web-[1:9:2]` or `rack-[a:f]`";
const UNOPENED: &str = "a `]` has no `[`";

fn bad(why: impl Into<String>) -> BadRange {
    BadRange {
        why: why.into(),
        help: SHAPE,
    }
}

/// The names that a range stands for, in its order; a name without one is itself.
///
/// # Errors
/// When it is no range, is empty, or counts out more than [`MOST_HOSTS`].
pub(super) fn expand(name: &str) -> Result<Vec<String>, BadRange> {
    let mut names = vec![String::new()];
    let mut rest = name;
    while let Some(at) = rest.find('[') {
        let (head, behind) = rest.split_at(at);
        if head.contains(']') {
            return Err(bad(UNOPENED));
        }
        let (inside, tail) = behind[1..].split_once(']').ok_or_else(|| bad("a `[` has no `]`"))?;
        let counted = Bounds::read(inside)?;
        let all = names.len().saturating_mul(counted.len());
        if all > MOST_HOSTS {
            return Err(BadRange {
                why: format!("it stands for more than {MOST_HOSTS} hosts"),
                help: "no inventory has so many; write a shorter range",
            });
        }
        names = names
            .iter()
            .flat_map(|before| counted.words().map(move |word| format!("{before}{head}{word}")))
            .collect();
        rest = tail;
    }
    if rest.contains(']') {
        return Err(bad(UNOPENED));
    }
    for name in &mut names {
        name.push_str(rest);
    }
    Ok(names)
}

/// One range: first, last, step, and how a number of it is written.
struct Bounds {
    first: u64,
    last: u64,
    step: u64,
    written: Written,
}

enum Written {
    /// With zeros up to this width.
    Number(usize),
    Letter,
}

const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

impl Bounds {
    fn read(inside: &str) -> Result<Bounds, BadRange> {
        let parts: Vec<&str> = inside.split(':').collect();
        let (first, last, step) = match parts.as_slice() {
            [first, last] => (*first, *last, "1"),
            [first, last, step] => (*first, *last, *step),
            _ => return Err(bad("a range has two ends and perhaps a step")),
        };
        let first = if first.is_empty() { "0" } else { first };
        let step = number(step)
            .filter(|step| *step > 0)
            .ok_or_else(|| bad("its step is no number from 1"))?;
        let bounds = match (letter(first), letter(last)) {
            (Some(first), Some(last)) => Bounds {
                first,
                last,
                step,
                written: Written::Letter,
            },
            _ => {
                let width = match first.len() > 1 && first.starts_with('0') {
                    true if first.len() != last.len() => {
                        return Err(bad("its ends are not written with the same width"));
                    }
                    true => first.len(),
                    false => 1,
                };
                let ends = number(first).zip(number(last));
                let (first, last) = ends.ok_or_else(|| bad("its ends are neither two numbers nor two letters"))?;
                Bounds {
                    first,
                    last,
                    step,
                    written: Written::Number(width),
                }
            }
        };
        match bounds.first > bounds.last {
            true => Err(bad("its first end is behind its last")),
            false => Ok(bounds),
        }
    }

    fn len(&self) -> usize {
        usize::try_from((self.last - self.first) / self.step).map_or(usize::MAX, |n| n.saturating_add(1))
    }

    fn words(&self) -> impl Iterator<Item = String> {
        let step = usize::try_from(self.step).unwrap_or(usize::MAX);
        (self.first..=self.last).step_by(step).map(|n| match self.written {
            Written::Number(width) => format!("{n:0width$}"),
            Written::Letter => {
                let letter = usize::try_from(n).ok().and_then(|n| LETTERS.get(n));
                char::from(*letter.expect("both ends are letters")).to_string()
            }
        })
    }
}

fn number(text: &str) -> Option<u64> {
    match !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse().ok(),
        false => None,
    }
}

fn letter(text: &str) -> Option<u64> {
    let at = LETTERS.iter().position(|letter| text.as_bytes() == [*letter])?;
    u64::try_from(at).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_counted_out() {
        let table: &[(&str, &[&str])] = &[
            ("web", &["web"]),
            ("web-[1:3]", &["web-1", "web-2", "web-3"]),
            ("web-[08:11]", &["web-08", "web-09", "web-10", "web-11"]),
            ("web-[8:11].x", &["web-8.x", "web-9.x", "web-10.x", "web-11.x"]),
            ("web-[01:20:9]", &["web-01", "web-10", "web-19"]),
            ("[a:c]", &["a", "b", "c"]),
            ("[a:e:2]x", &["ax", "cx", "ex"]),
            ("[y:B]", &["y", "z", "A", "B"]),
            ("r[1:2]-[a:b]", &["r1-a", "r1-b", "r2-a", "r2-b"]),
            ("w[:2]", &["w0", "w1", "w2"]),
            ("w[7:7]", &["w7"]),
        ];
        for (name, expected) in table {
            assert_eq!(expand(name).unwrap(), *expected, "{name}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        let names = [
            "w[1]",
            "w[1:",
            "w[1:2",
            "w1:2]",
            "w][1:2]",
            "w[1:2]x][a:b]",
            "w[1:2:0]",
            "w[1:2:x]",
            "w[1:2:3:4]",
            "w[01:100]",
            "w[3:1]",
            "w[a:3]",
            "w[-1:3]",
            "w[1:]",
            "w[c:a]",
            "w[1:99999999999999999999]",
        ];
        for name in names {
            assert!(expand(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_counted_out() {
        for name in [
            "w[1:999999999]",
            "w[0:9][0:9][0:9][0:9][0:9][0:9]",
            "w[0:18446744073709551615]",
        ] {
            assert!(expand(name).unwrap_err().why.contains("100000"), "{name}");
        }
        assert_eq!(expand("w[1:100000]").unwrap().len(), MOST_HOSTS);
    }

    proptest! {
        #[test]
        fn any_text_is_expanded_or_refused(text in "[\\[\\]:a-c0-3w]{0,20}") {
            if let Ok(names) = expand(&text) {
                prop_assert!(!names.is_empty() && names.len() <= MOST_HOSTS);
                prop_assert!(names.iter().all(|name| !name.contains(['[', ']'])));
            }
        }
    }
}
