//! JSON as miners read it: with comments, with a comma after the last item, and without the outer braces.

use serde_json::Value;

/// Reads it; `None` where it is none even so. Nesting is bounded by the reader.
pub(super) fn read(bytes: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).ok()?;
    let plain = plain(text);
    let bare = plain.trim();
    match bare.starts_with('"') {
        true => serde_json::from_str(&format!("{{{}}}", bare.trim_end_matches(','))).ok(),
        false => serde_json::from_str(bare.trim_end_matches(',')).ok(),
    }
}

/// The text without comments, and without commas before a closing bracket.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    let mut inside = false;
    while let Some(letter) = letters.next() {
        if inside {
            out.push(letter);
            match letter {
                '\\' => out.extend(letters.next()),
                '"' => inside = false,
                _ => {}
            }
            continue;
        }
        match (letter, letters.peek()) {
            ('/', Some('/')) => {
                for letter in letters.by_ref() {
                    if letter == '\n' {
                        break;
                    }
                }
            }
            ('/', Some('*')) => {
                letters.next();
                let mut before = ' ';
                for letter in letters.by_ref() {
                    if before == '*' && letter == '/' {
                        break;
                    }
                    before = letter;
                }
            }
            (']' | '}', _) => {
                let end = out.trim_end().trim_end_matches(',').len();
                out.truncate(end);
                out.push(letter);
            }
            _ => {
                inside = letter == '"';
                out.push(letter);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn forms_that_miners_read() {
        let rows: [(&str, Option<Value>); 8] = [
            ("{\"a\": 1}", Some(json!({"a": 1}))),
            ("\u{feff}{\"a\": [1, 2,], }", Some(json!({"a": [1, 2]}))),
            (
                "// x\n{\"url\": \"stratum+tcp://h:1\", /* y */ \"a\": 1}",
                Some(json!({"url": "stratum+tcp://h:1", "a": 1})),
            ),
            (
                "\"pool_list\" : [ {\"a\": \"b\\\"//\"}, ],\n\"currency\": \"monero\",\n",
                Some(json!({"pool_list": [{"a": "b\"//"}], "currency": "monero"})),
            ),
            ("[1,]", Some(json!([1]))),
            ("-o pool:1", None),
            ("{\"a\": ", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(read(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(read(&b"[".repeat(100_000)), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in "[\\[\\]{}\",:/*\\\\a1 \n]{0,40}") {
            let _ = (read(&bytes), read(text.as_bytes()));
        }

        #[test]
        fn what_is_json_stays_what_it_is(text in "[a-z/*,\"\\\\\\]}]{0,20}") {
            let value = json!({"k": text, "l": [text]});
            prop_assert_eq!(read(value.to_string().as_bytes()), Some(value));
        }
    }
}
