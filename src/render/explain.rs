//! Codes of mistakes, explained: what each means, why it is one, how it looks wrong and how right.
//!
//! The explanations of both languages stand beside each other in `explain/codes.txt`, so that none is forgotten; the one
//! line of English is the code's own. A test runs every example.

use deminer_engine::diagnostic::Code;
use serde_json::{Value, json};

use super::Style;
use super::table::Table;
use super::words::Lang;

const TEXT: &str = include_str!("explain/codes.txt");

/// What stands before an example that begins with its steps or variables.
const HEAD: &str = "playbook: example\nversion: 1\n";

/// One code's explanation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Explanation {
    /// The line of the list, in Chinese.
    line_zh: &'static str,
    en: &'static str,
    zh: &'static str,
    /// Its files; empty for what cannot be shown in a few lines.
    wrong: Vec<Example>,
    right: Vec<Example>,
}

/// A file of an example, or the end of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Example {
    /// Empty for the first.
    file: String,
    text: String,
}

impl Explanation {
    /// The explanation of a code; `None` where it has none yet.
    pub(crate) fn of(code: Code) -> Option<Explanation> {
        let head = format!("# {code}");
        let mut lines = TEXT.lines().skip_while(|line| *line != head).skip(1);
        let mut found = Explanation {
            line_zh: lines.next()?.strip_prefix("zh ")?,
            ..Explanation::default()
        };
        let mut into: Option<bool> = None;
        for line in lines.take_while(|line| !line.starts_with("# ")) {
            match (line, into) {
                ("wrong", _) => into = Some(true),
                ("right", _) => into = Some(false),
                (line, None) if line.starts_with(">zh ") => found.zh = line.get(4..)?,
                (line, None) if line.starts_with("> ") => found.en = line.get(2..)?,
                (line, Some(is_wrong)) => {
                    let files = if is_wrong { &mut found.wrong } else { &mut found.right };
                    push(files, line.strip_prefix("  ").unwrap_or(line));
                }
                (_, None) => {}
            }
        }
        Some(found)
    }

    /// The line of the list.
    fn line(&self, code: Code, lang: Lang) -> &'static str {
        match lang {
            Lang::En => code.meaning(),
            Lang::Zh => self.line_zh,
        }
    }

    /// Why, and what to do.
    pub(crate) fn why(&self, lang: Lang) -> &'static str {
        match lang {
            Lang::En => self.en,
            Lang::Zh => self.zh,
        }
    }
}

fn push(files: &mut Vec<Example>, line: &str) {
    if let Some(file) = line.strip_prefix("--- ") {
        files.push(Example {
            file: file.to_owned(),
            text: String::new(),
        });
        return;
    }
    if files.is_empty() {
        let is_inside = ["vars:", "phases:"].iter().any(|key| line.starts_with(key));
        files.push(Example {
            file: String::new(),
            text: if is_inside { HEAD.to_owned() } else { String::new() },
        });
    }
    // A blank line parts explanations; no example needs one at its end.
    if let (false, Some(last)) = (line.is_empty(), files.last_mut()) {
        last.text.push_str(line);
        last.text.push('\n');
    }
}

/// All codes, a line each.
pub(crate) fn list(style: &Style) -> String {
    let words = style.lang.words();
    let mut table = Table::new(&[words.code_heading(), words.meaning_heading()]);
    for code in Code::ALL.iter().copied() {
        let line = Explanation::of(code).map_or(code.meaning(), |found| found.line(code, style.lang));
        table.row(vec![code.to_string(), line.to_owned()]);
    }
    let mut out = table.text(style);
    out.push_str("\nnext  deminer explain CODE\n");
    out
}

/// One code.
pub(crate) fn one(code: Code, style: &Style) -> String {
    let words = style.lang.words();
    let found = Explanation::of(code).unwrap_or_default();
    let line = match found.line_zh {
        "" => code.meaning(),
        _ => found.line(code, style.lang),
    };
    let mut out = style.hang(&format!("{code}  "), line);
    if !found.why(style.lang).is_empty() {
        out.push_str(&style.hang("  ", found.why(style.lang)));
    }
    for (word, files) in [(words.wrong(), &found.wrong), (words.right(), &found.right)] {
        if !files.is_empty() {
            out.push_str(&format!("\n  {word}\n"));
        }
        for Example { file, text } in files {
            if !file.is_empty() {
                out.push_str(&format!("    # {file}\n"));
            }
            // Never wrapped: it is to be pasted.
            text.lines().for_each(|line| out.push_str(&format!("    {line}\n")));
        }
    }
    out
}

/// For programs.
pub(crate) fn json(codes: &[Code], lang: Lang) -> Value {
    let files = |files: &[Example]| -> Vec<Value> {
        files
            .iter()
            .map(|Example { file, text }| json!({"file": file, "text": text}))
            .collect()
    };
    let codes = codes.iter().map(|code| {
        let found = Explanation::of(*code).unwrap_or_default();
        json!({
            "code": code.as_str(),
            "meaning": found.line(*code, lang),
            "why": found.why(lang),
            "wrong": files(&found.wrong),
            "right": files(&found.right),
        })
    });
    json!({"format": 1, "codes": codes.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_in_both_languages() {
        let is_chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
        for code in Code::ALL.iter().copied() {
            let found = Explanation::of(code).unwrap_or_else(|| panic!("{code} is not explained"));
            assert!(found.en.len() > 40 && !is_chinese(found.en), "{code}: English");
            assert!(is_chinese(found.zh) && found.zh.chars().count() > 12, "{code}: Chinese");
            assert!(is_chinese(found.line_zh), "{code}: the line in Chinese");
        }
    }

    #[test]
    fn no_code_is_explained_that_is_none() {
        let known: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let told: Vec<&str> = TEXT.lines().filter_map(|line| line.strip_prefix("# ")).collect();
        assert_eq!(told, known, "in their order, each once");
    }

    #[test]
    fn one_code_in_both_languages() {
        let zh = Style {
            lang: Lang::Zh,
            ..Style::PLAIN
        };
        insta::assert_snapshot!(
            "p0211",
            format!(
                "{}\n{}",
                one(Code::MaybeSkipped, &Style::PLAIN),
                one(Code::MaybeSkipped, &zh)
            )
        );
    }
}
