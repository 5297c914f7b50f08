//! The list is held against the sources of what is shipped: a sentence that is new or changed there is missing here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::AUTHORED;

/// The fields of a sentence, each once.
fn fields(sentence: &str) -> BTreeSet<&str> {
    let opened = sentence.split('{').skip(1);
    opened
        .filter_map(|rest| rest.split_once('}'))
        .map(|(field, _)| field)
        .collect()
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A string literal of Rust from its opening quote on: what it holds, and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut rest = text.strip_prefix('"')?;
    loop {
        let sign = rest.chars().next()?;
        rest = &rest[sign.len_utf8()..];
        match sign {
            '"' => return Some((out, rest)),
            '\\' => {
                let escaped = rest.chars().next()?;
                rest = &rest[escaped.len_utf8()..];
                match escaped {
                    '\n' => rest = rest.trim_start(),
                    'n' => out.push('\n'),
                    other => out.push(other),
                }
            }
            sign => out.push(sign),
        }
    }
}

/// All literals that stand in a piece of source, in their order.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find('"') {
        match literal(&rest[at..]) {
            Some((text, after)) => {
                found.push(text);
                rest = after;
            }
            None => break,
        }
    }
    found
}

/// The source up to the bracket that closes the one before it.
fn arguments(source: &str) -> &str {
    let mut depth = 1;
    let mut in_literal = false;
    let mut escaped = false;
    for (at, sign) in source.char_indices() {
        match (in_literal, sign) {
            (true, _) if escaped => escaped = false,
            (true, '\\') => escaped = true,
            (_, '"') => in_literal = !in_literal,
            (false, '(') => depth += 1,
            (false, ')') => {
                depth -= 1;
                if depth == 0 {
                    return &source[..at];
                }
            }
            _ => {}
        }
    }
    source
}

fn is_code(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Every sentence that a module's source states: what `say` is set to, and the last literal of a call of `new` that has a
/// signal's code before it.
fn sentences_of_source(source: &str) -> BTreeSet<String> {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut sentences = BTreeSet::new();
    for (at, word) in code.match_indices("say: ") {
        sentences.extend(literal(&code[at + word.len()..]).map(|(sentence, _)| sentence));
    }
    for (at, word) in code.match_indices("let say = ") {
        let statement = code[at + word.len()..].split(";\n").next().unwrap_or_default();
        sentences.extend(literals(statement).into_iter().filter(|text| text.contains(' ')));
    }
    for (at, word) in code.match_indices("new(") {
        let said = literals(arguments(&code[at + word.len()..]));
        if let [signal, .., sentence] = &said[..]
            && is_code(signal)
            && sentence.contains(' ')
        {
            sentences.insert(sentence.clone());
        }
    }
    sentences
}

/// Every `say` of a rules file.
fn sentences_of_rules(rules: &str) -> BTreeSet<String> {
    let said = rules
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("say: \""));
    said.map(|line| line.trim_end().trim_end_matches('"').to_owned())
        .collect()
}

/// The reasons and names of a playbook that people are shown.
fn sentences_of_playbook(playbook: &str) -> BTreeSet<String> {
    let mut sentences = BTreeSet::new();
    for line in playbook.lines() {
        if let Some(reason) = line.trim_start().strip_prefix("- stop: ") {
            sentences.insert(reason.split("  #").next().unwrap_or_default().trim_end().to_owned());
        }
        if let Some((_, name)) = line
            .split_once("name: ")
            .filter(|(before, _)| before.contains("- {assert:"))
        {
            sentences.insert(name.trim_end_matches('}').to_owned());
        }
    }
    sentences
}

fn shipped() -> BTreeSet<String> {
    let read = |path: &PathBuf| fs::read_to_string(path).expect("a text of the repository");
    let mut sentences = BTreeSet::new();
    for path in files(&repository("modules/src"), ".rs") {
        // What is only there for tests states nothing to anybody.
        if !path.to_string_lossy().ends_with("tests.rs") {
            sentences.extend(sentences_of_source(&read(&path)));
        }
    }
    for path in files(&repository("playbooks/rules"), ".yml") {
        sentences.extend(sentences_of_rules(&read(&path)));
    }
    for path in files(&repository("playbooks"), ".yml") {
        sentences.extend(sentences_of_playbook(&read(&path)));
    }
    sentences
}

#[test]
fn whatever_is_shipped_has_its_chinese() {
    let shipped = shipped();
    assert!(shipped.len() > 70, "the sources were not read: {shipped:#?}");
    let known: BTreeSet<&str> = AUTHORED.iter().map(|(english, _)| *english).collect();
    let missing: Vec<&String> = shipped
        .iter()
        .filter(|sentence| !known.contains(sentence.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "without Chinese in src/render/words/zh/authored.rs: {missing:#?}"
    );
    let stale: Vec<&&str> = known.iter().filter(|english| !shipped.contains(**english)).collect();
    assert!(stale.is_empty(), "no longer stated by anything: {stale:#?}");
}

#[test]
fn both_have_the_same_fields() {
    let mut english = BTreeSet::new();
    for (said, chinese) in AUTHORED {
        assert_eq!(fields(said), fields(chinese), "{said}");
        assert!(english.insert(*said), "twice: {said}");
    }
}

#[test]
fn sentences_are_found_in_every_form_of_statement() {
    let source = r#"
        let words = Words { signal: "one_thing", say: "it is {a}", fields: &[] };
        Finding::new(artifact, "another", Bearing::Review, "it was \
             {b}");
        Seen::Gone => new("third", "it `went`").field("why", "x y"),
        let say = "it stays";
        let say = match x { true => "it is so", false => "it is not" };
        let name = "not a sentence";
        wrapper("timeout", "sk", 1);
#[cfg(test)]
mod tests { Finding::new(a, "s", Bearing::Review, "only a test"); }
    "#;
    let found: Vec<String> = sentences_of_source(source).into_iter().collect();
    let expected = [
        "it `went`",
        "it is not",
        "it is so",
        "it is {a}",
        "it stays",
        "it was {b}",
    ];
    assert_eq!(found, expected);
}
