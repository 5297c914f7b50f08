//! Takes the options off a program's arguments, as getopt(3) would.

use crate::shell_text::Word;

/// What the options of a program are.
#[derive(Default)]
pub(crate) struct Options {
    /// Letters that take a value, glued or as the next word.
    pub(crate) values: &'static str,
    /// Long options that take the next word.
    pub(crate) long: &'static [&'static str],
    /// Letters whose value is code.
    pub(crate) code: &'static str,
    /// Long options whose value is code.
    pub(crate) long_code: &'static [&'static str],
    /// Words that may stand between the options.
    pub(crate) operands: usize,
}

/// Arguments, the options taken off.
pub(crate) struct Split<'a> {
    /// The word and the bytes in it that are code.
    pub(crate) code: Option<(&'a Word, &'a [u8])>,
    /// What stands behind the options, or behind the code.
    pub(crate) rest: &'a [Word],
}

pub(crate) fn is_option(word: &Word) -> bool {
    word.bytes.len() > 1 && matches!(word.bytes[0], b'-' | b'+')
}

pub(crate) fn split_options<'a>(words: &'a [Word], options: &Options) -> Split<'a> {
    let mut operands = options.operands;
    let mut at = 0;
    let behind = |at: usize| words.get(at..).unwrap_or(&[]);
    let named = |names: &[&str], word: &Word| names.iter().any(|name| name.as_bytes() == word.bytes);
    while let Some(word) = words.get(at) {
        if !is_option(word) {
            if operands == 0 {
                break;
            }
            operands -= 1;
            at += 1;
            continue;
        }
        at += 1;
        if word.bytes == b"--" {
            break;
        }
        if named(options.long_code, word) {
            let code = words.get(at).map(|code| (code, &code.bytes[..]));
            return Split {
                code,
                rest: behind(at + 1),
            };
        }
        if named(options.long, word) {
            at += 1;
            continue;
        }
        if word.bytes.starts_with(b"--") {
            continue;
        }
        for (place, letter) in word.bytes.iter().enumerate().skip(1) {
            if options.code.as_bytes().contains(letter) {
                let next = words[at..]
                    .iter()
                    .position(|word| !is_option(word))
                    .map(|more| at + more);
                return match next {
                    Some(next) => Split {
                        code: Some((&words[next], &words[next].bytes)),
                        rest: behind(next + 1),
                    },
                    None => Split {
                        code: Some((word, &word.bytes[place + 1..])),
                        rest: behind(at),
                    },
                };
            }
            if options.values.as_bytes().contains(letter) {
                at += usize::from(place + 1 == word.bytes.len());
                break;
            }
        }
    }
    Split {
        code: None,
        rest: behind(at),
    }
}

pub(crate) fn value_after<'a>(words: &'a [Word], option: &[u8]) -> Option<&'a Word> {
    let at = words.iter().position(|word| word.bytes == option)?;
    words.get(at + 1)
}
