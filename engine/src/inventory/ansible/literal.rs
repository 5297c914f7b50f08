//! Values of Ansible's INI files: literals of Python where they are some, else text.
//!
//! Ansible gives each to `ast.literal_eval` and keeps the text where that fails; so `5` is a number, `True` a boolean,
//! `['a', 'b']` a list, and `true`, `yes` and `a b` are texts (docs.ansible.com, the `ini` inventory plugin).

use serde_json::{Map, Number, Value};

/// A literal nests at most so deep; deeper is text.
const DEEPEST: usize = 16;

/// The value that a text stands for.
pub(super) fn literal(text: &str) -> Value {
    let mut reader = Reader { rest: text };
    match reader.whole() {
        // A comment may stand behind it.
        Some(value) if reader.is_at_end() => value,
        _ => Value::from(text),
    }
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    /// A value; several parted by commas are a tuple without its braces.
    fn whole(&mut self) -> Option<Value> {
        let first = self.value(0)?;
        let mut items = vec![first];
        let mut commas = 0;
        while items.len() > commas && self.eat(',') {
            commas += 1;
            if !self.is_at_end() {
                items.push(self.value(0)?);
            }
        }
        match commas {
            0 => items.pop(),
            _ => Some(Value::Array(items)),
        }
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn is_at_end(&mut self) -> bool {
        self.blanks();
        self.rest.is_empty() || self.rest.starts_with('#')
    }

    fn eat(&mut self, sign: char) -> bool {
        self.blanks();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        self.blanks();
        let first = self.rest.chars().next()?;
        match first {
            '[' => self.items('[', ']', depth).map(|(items, _)| Value::Array(items)),
            '(' => {
                let (mut items, commas) = self.items('(', ')', depth)?;
                // `(5)` is 5, `(5,)` a tuple.
                match (items.len(), commas) {
                    (1, 0) => items.pop(),
                    _ => Some(Value::Array(items)),
                }
            }
            '{' => self.braces(depth),
            '"' | '\'' => self.texts(),
            '-' | '+' | '.' | '0'..='9' => self.number(),
            c if c.is_alphabetic() || c == '_' => self.word(),
            _ => None,
        }
    }

    /// The items between two signs, and how many commas part them.
    fn items(&mut self, open: char, close: char, depth: usize) -> Option<(Vec<Value>, usize)> {
        self.eat(open);
        let (mut items, mut commas) = (Vec::new(), 0);
        loop {
            if self.eat(close) {
                return (commas == 0 || !items.is_empty()).then_some((items, commas));
            }
            if items.len() > commas {
                return None;
            }
            items.push(self.value(depth + 1)?);
            if self.eat(',') {
                commas += 1;
            }
        }
    }

    /// A dict, or a set, which becomes a list.
    fn braces(&mut self, depth: usize) -> Option<Value> {
        self.eat('{');
        if self.eat('}') {
            return Some(Value::Object(Map::new()));
        }
        let first = self.value(depth + 1)?;
        if !self.eat(':') {
            let mut items = vec![first];
            loop {
                if self.eat('}') {
                    return Some(Value::Array(items));
                }
                if !self.eat(',') {
                    return None;
                }
                if self.eat('}') {
                    return Some(Value::Array(items));
                }
                items.push(self.value(depth + 1)?);
            }
        }
        let mut fields = Map::new();
        let mut key = first;
        loop {
            let value = self.value(depth + 1)?;
            fields.insert(name(key)?, value);
            if self.eat('}') {
                return Some(Value::Object(fields));
            }
            if !self.eat(',') {
                return None;
            }
            if self.eat('}') {
                return Some(Value::Object(fields));
            }
            key = self.value(depth + 1)?;
            if !self.eat(':') {
                return None;
            }
        }
    }

    /// Texts in a row are one.
    fn texts(&mut self) -> Option<Value> {
        let mut all = self.text(false)?;
        loop {
            self.blanks();
            match self.rest.starts_with(['"', '\'']) {
                true => all.push_str(&self.text(false)?),
                false => return Some(Value::from(all)),
            }
        }
    }

    fn text(&mut self, is_raw: bool) -> Option<String> {
        let quote = self.rest.chars().next()?;
        let triple: String = [quote; 3].iter().collect();
        if self.rest.starts_with(&triple) {
            return None;
        }
        let mut signs = self.rest[1..].char_indices();
        let mut out = String::new();
        while let Some((at, c)) = signs.next() {
            if c == quote {
                self.rest = &self.rest[at + 2..];
                return Some(out);
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            let (_, escaped) = signs.next()?;
            match escaped {
                c if is_raw => out.extend(['\\', c]),
                c @ ('\\' | '\'' | '"') => out.push(c),
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                'a' => out.push('\u{7}'),
                'b' => out.push('\u{8}'),
                'f' => out.push('\u{c}'),
                'v' => out.push('\u{b}'),
                'x' => out.push(coded(&mut signs, 2)?),
                'u' => out.push(coded(&mut signs, 4)?),
                'U' => out.push(coded(&mut signs, 8)?),
                // Octal and names of signs: the text as it stands is safer than a guess.
                '0'..='7' | 'N' => return None,
                c => out.extend(['\\', c]),
            }
        }
        None
    }

    fn word(&mut self) -> Option<Value> {
        let end = self
            .rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(self.rest.len());
        let (word, behind) = self.rest.split_at(end);
        let value = match word {
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "None" => Value::Null,
            "r" | "R" | "b" | "B" | "u" | "U" if behind.starts_with(['"', '\'']) => {
                self.rest = behind;
                return self.text(matches!(word, "r" | "R")).map(Value::from);
            }
            _ => return None,
        };
        self.rest = behind;
        Some(value)
    }

    fn number(&mut self) -> Option<Value> {
        let mut is_negative = false;
        while let Some(sign) = self.rest.chars().next().filter(|c| matches!(c, '-' | '+')) {
            is_negative ^= sign == '-';
            self.rest = &self.rest[1..];
            self.blanks();
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
        let mut end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        // The sign of an exponent.
        let lower = self.rest[..end].to_ascii_lowercase();
        if lower.ends_with('e') && !lower.starts_with("0x") && self.rest[end..].starts_with(['-', '+']) {
            let behind = &self.rest[end + 1..];
            end += 1 + behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        }
        let (raw, behind) = self.rest.split_at(end);
        self.rest = behind;
        let bytes = raw.as_bytes();
        let lone = |at: usize| {
            let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
            !digit(at.checked_sub(1)) || !digit(Some(at + 1))
        };
        if bytes.iter().enumerate().any(|(at, b)| *b == b'_' && lone(at)) {
            return None;
        }
        let digits = raw.replace('_', "").to_ascii_lowercase();
        let whole = match digits.get(..2) {
            Some("0x") => u64::from_str_radix(&digits[2..], 16).ok(),
            Some("0o") => u64::from_str_radix(&digits[2..], 8).ok(),
            Some("0b") => u64::from_str_radix(&digits[2..], 2).ok(),
            _ if digits.bytes().all(|b| b.is_ascii_digit()) => {
                // Python has no number that begins with a zero, but zero.
                let is_octal = digits.len() > 1 && digits.starts_with('0') && digits.bytes().any(|b| b != b'0');
                if is_octal {
                    return None;
                }
                digits.parse().ok()
            }
            _ => {
                let plain = digits
                    .bytes()
                    .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'-' | b'+'));
                let number: f64 = digits.parse().ok().filter(|_| plain)?;
                return Number::from_f64(if is_negative { -number } else { number }).map(Value::Number);
            }
        };
        match (whole?, is_negative) {
            (whole, false) => Some(Value::from(whole)),
            (whole, true) => Some(Value::from(0i64.checked_sub_unsigned(whole)?)),
        }
    }
}

fn coded(signs: &mut std::str::CharIndices<'_>, digits: usize) -> Option<char> {
    let mut code = 0u32;
    for _ in 0..digits {
        code = code.checked_mul(16)? + signs.next()?.1.to_digit(16)?;
    }
    char::from_u32(code)
}

/// A key of a dict as text.
fn name(key: Value) -> Option<String> {
    match key {
        Value::String(name) => Some(name),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(_) | Value::Null => Some(key.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn literals_are_what_python_makes_of_them() {
        let table = [
            ("5", json!(5)),
            ("-5", json!(-5)),
            ("1_000", json!(1000)),
            ("0x1f", json!(31)),
            ("0o17", json!(15)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000.0)),
            ("1e-3", json!(0.001)),
            ("True", json!(true)),
            ("None", json!(null)),
            ("'a b'", json!("a b")),
            ("\"a\\nb\"", json!("a\nb")),
            ("'a' 'b'", json!("ab")),
            ("r'a\\nb'", json!("a\\nb")),
            ("['a', 1, True]", json!(["a", 1, true])),
            ("[]", json!([])),
            ("[1,]", json!([1])),
            ("('a', 'b')", json!(["a", "b"])),
            ("('a')", json!("a")),
            ("{'a': {'b': [1]}}", json!({"a": {"b": [1]}})),
            ("{1: 2}", json!({"1": 2})),
            ("{}", json!({})),
            ("5 # five", json!(5)),
            ("80, 443", json!([80, 443])),
            ("'a',", json!(["a"])),
        ];
        for (text, expected) in table {
            assert_eq!(literal(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_literal_stays_text() {
        let texts = [
            "true",
            "yes",
            "no",
            "a b",
            "10m",
            "192.0.2.1",
            "0644",
            "022",
            "1_",
            "_1",
            "1__0",
            "a # b",
            "[1, 2",
            "[,]",
            "{'a'}:",
            "{'a': }",
            "'a",
            "--",
            "1-2",
            "{{ x }}",
            "b'x",
            "''''x'''",
            "99999999999999999999",
            "nan",
            "inf",
            "1.2.3",
            "",
            "[a]",
            "1, a",
            "1,,2",
            "'a' b",
        ];
        for text in texts {
            assert_eq!(literal(text), Value::from(text), "{text}");
        }
        let deep = "[".repeat(10_000);
        assert_eq!(literal(&deep), Value::from(deep));
    }

    proptest! {
        #[test]
        fn any_text_has_a_value(text in "[\\[\\]{}(),:'\"\\\\ a-fx0-9.eTN_#+-]{0,40}") {
            let _ = literal(&text);
        }

        #[test]
        fn quoted_text_is_itself(text in "[a-z0-9 é\"#=-]{0,20}") {
            prop_assert_eq!(literal(&format!("'{text}'")), Value::from(text));
        }
    }
}
