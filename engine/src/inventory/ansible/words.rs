//! Words in a line as Python's `shlex.split` takes them apart in its POSIX mode (docs.python.org, `shlex`).

/// Takes a line apart. With `comments` a `#` ends it, within a word too.
///
/// # Errors
/// What is not closed.
pub(super) fn words(line: &str, comments: bool) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    // `None` between words.
    let mut word: Option<String> = None;
    let mut signs = line.chars();
    while let Some(c) = signs.next() {
        match c {
            '#' if comments => break,
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' => {
                let into = word.get_or_insert_default();
                loop {
                    match signs.next() {
                        Some('\'') => break,
                        Some(c) => into.push(c),
                        None => return Err("a `'` is not closed"),
                    }
                }
            }
            '"' => {
                let into = word.get_or_insert_default();
                loop {
                    match signs.next() {
                        Some('"') => break,
                        Some('\\') => match signs.next() {
                            Some(c @ ('"' | '\\')) => into.push(c),
                            Some(c) => into.extend(['\\', c]),
                            None => return Err("a `\"` is not closed"),
                        },
                        Some(c) => into.push(c),
                        None => return Err("a `\"` is not closed"),
                    }
                }
            }
            '\\' => match signs.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err("it ends with a `\\`"),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_taken_apart_as_python_does() {
        let table: &[(&str, &[&str])] = &[
            ("web a=b", &["web", "a=b"]),
            ("web a='b c' d=\"e f\"", &["web", "a=b c", "d=e f"]),
            ("web a=\"b\\\"c\" d='e\\f'", &["web", "a=b\"c", "d=e\\f"]),
            ("web a=b\\ c", &["web", "a=b c"]),
            ("web a=\"b\\c\"", &["web", "a=b\\c"]),
            ("web a='' b=\"\"", &["web", "a=", "b="]),
            ("web # a=b", &["web"]),
            ("web a=b#c d=e", &["web", "a=b"]),
            ("web a='b#c' # d", &["web", "a=b#c"]),
            (
                "web '-o ProxyCommand=\"ssh -W %h:%p b\"'",
                &["web", "-o ProxyCommand=\"ssh -W %h:%p b\""],
            ),
            ("  \t ", &[]),
        ];
        for (line, expected) in table {
            assert_eq!(words(line, true).unwrap(), *expected, "{line}");
        }
        assert_eq!(words("a#b", false).unwrap(), ["a#b"]);
        for line in ["web a='b", "web a=\"b", "web a\\"] {
            assert!(words(line, true).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_taken_apart_or_refused(line in "\\PC{0,40}") {
            if let Ok(words) = words(&line, true) {
                prop_assert!(words.iter().map(String::len).sum::<usize>() <= line.len());
            }
        }
    }
}
