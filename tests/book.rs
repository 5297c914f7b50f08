//! The book of `docs/`: its commands work and say what it says, its playbooks have no mistakes, its references are those of
//! the program, and its two languages tell the same.
//!
//! A page is read from top to bottom by one reader. A block `sh` is typed; one `text` behind it stands in what the command
//! before said; one `yaml` that begins with `playbook:` or with `# FILE` is written to a file. `# exit code N` behind a command
//! is how it must end. `INSTA_UPDATE=always` writes the references anew.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use deminer_engine::playbook::manual;
use deminer_modules::library::LIBRARY;
use written::{ROOT, Ran, Reader};

/// What documents say of a command's end, in either language.
const EXIT_CODE: [&str; 2] = ["# exit code ", "# 退出码 "];

/// Pages whose commands need hosts over SSH or the repository's own tests; `tests/playbook_tests.rs` and `tests/record.rs` have the like.
const ELSEWHERE: [&str; 2] = ["testing.md", "testing.zh.md"];

/// Behind a number, these say how long something took.
const UNITS: [&str; 3] = ["s", "ms", "毫秒"];

#[derive(Debug, Clone)]
struct Block {
    kind: String,
    text: String,
}

fn docs() -> PathBuf {
    Path::new(ROOT).join("docs")
}

fn text_of(page: &str) -> String {
    fs::read_to_string(docs().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// The English pages, by name.
fn pages() -> BTreeSet<String> {
    let entries = fs::read_dir(docs()).expect("the book is there");
    let names = entries.map(|entry| entry.expect("can be read").file_name().to_string_lossy().into_owned());
    names
        .filter(|name| name.ends_with(".md") && !name.ends_with(".zh.md"))
        .collect()
}

fn twin(page: &str) -> String {
    page.replace(".md", ".zh.md")
}

fn blocks(page: &str) -> Vec<Block> {
    let (mut blocks, mut open) = (Vec::new(), None::<Block>);
    for line in text_of(page).lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(kind), None) => {
                open = Some(Block {
                    kind: kind.trim().to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a block does not end");
    blocks
}

/// The file that a block of YAML is, if it is one.
fn file_of(block: &Block) -> Option<String> {
    let first = block.text.lines().next()?;
    match first.strip_prefix("playbook: ") {
        Some(name) => Some(format!("{name}.yml")),
        None => first
            .strip_prefix("# ")
            .filter(|name| name.ends_with(".yml"))
            .map(str::to_owned),
    }
}

/// Commands and files of a page, without comments: what its twin must have too.
fn to_do(page: &str) -> Vec<String> {
    let told = blocks(page)
        .into_iter()
        .filter(|block| ["sh", "yaml"].contains(&block.kind.as_str()));
    let plain = |line: &str| line.split(" #").next().unwrap_or_default().trim_end().to_owned();
    let lines = told.map(|block| {
        let lines = block
            .text
            .lines()
            .filter(|line| !line.trim_start().starts_with("# ") || line.ends_with(".yml"));
        lines
            .map(plain)
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join("\n")
    });
    lines.collect()
}

#[test]
fn both_languages_have_the_same_commands_and_playbooks() {
    let mut commands = 0;
    for page in pages() {
        // The module reference is in English; its twin names what each module is for.
        if page == "modules.md" || ELSEWHERE.contains(&page.as_str()) {
            continue;
        }
        let (english, chinese) = (to_do(&page), to_do(&twin(&page)));
        assert_eq!(english, chinese, "{page}");
        commands += english.len();
    }
    assert!(commands > 20, "{commands}");
}

/// A line without what differs from run to run: hashes, moments, names of runs, keys, how long it took.
fn plain(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let plain = words.iter().enumerate().map(|(at, word)| {
        if word.starts_with("SHA256:") {
            return "SHA256:~".to_owned();
        }
        let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let digits = core.bytes().take_while(u8::is_ascii_digit).count();
        let is_hex = core.len() >= 16 && core.bytes().all(|b| b.is_ascii_hexdigit());
        let is_time = (digits == 4 || digits == 8) && core[digits..].starts_with('-');
        let next = words.get(at + 1).map_or("", |next| next.trim_end_matches(['.', ':']));
        let took = (UNITS.contains(&next) || next.starts_with('秒')) && core.parse::<f64>().is_ok();
        match is_hex || is_time || took {
            true => word.replace(core, "~"),
            false => (*word).to_owned(),
        }
    });
    plain.collect::<Vec<_>>().join(" ")
}

/// Whether these lines stand in what was said, in this order; `[...]` leaves some out.
fn assert_said(page: &str, command: &str, shown: &str, said: &str) {
    let mut rest = said.lines().map(plain);
    for line in shown
        .lines()
        .map(plain)
        .filter(|line| !line.is_empty() && line != "[...]")
    {
        assert!(
            rest.any(|said| said == line),
            "{page}: `{command}` does not say, or not there:\n{line}\n---\n{said}"
        );
    }
}

/// Reads a page and does what it says; gives how many commands that were.
fn carried_out(page: &str, lang: &'static str) -> usize {
    if ELSEWHERE.contains(&page) {
        return 0;
    }
    let mut reader = Reader::of(lang);
    let (mut done, mut last) = (0, None::<(String, Ran)>);
    for block in blocks(page) {
        match (block.kind.as_str(), file_of(&block)) {
            ("yaml", Some(file)) => {
                let path = reader.folder().join(&file);
                fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
                fs::write(&path, &block.text).expect("written");
                if block.text.starts_with("playbook: ") {
                    // What it may name beside it: the shipped rules.
                    let rules = reader.folder().join("rules");
                    fs::create_dir_all(&rules).expect("a folder");
                    fs::copy(
                        Path::new(ROOT).join("playbooks/rules/linux.yml"),
                        rules.join("linux.yml"),
                    )
                    .expect("copied");
                    let ran = reader.read(&format!("deminer check {file}"));
                    assert_eq!(ran.code, 0, "{page}: {file}: {}{}", ran.out, ran.stderr);
                }
            }
            ("sh", _) => {
                for line in block.text.lines().filter(|line| !line.trim().is_empty()) {
                    last = typed(page, &mut reader, line).or(last);
                    done += 1;
                }
            }
            ("text", _) => {
                let (command, ran) = last.as_ref().unwrap_or_else(|| panic!("{page}: no command before"));
                assert_said(page, command, &block.text, &ran.out);
            }
            _ => {}
        }
    }
    done
}

fn typed(page: &str, reader: &mut Reader, line: &str) -> Option<(String, Ran)> {
    let code = EXIT_CODE.iter().find_map(|words| line.split_once(words));
    let code = code.map_or(0, |(_, rest)| {
        rest.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
            .parse()
            .expect("a number")
    });
    let command = line.split(" #").next().unwrap_or_default().trim();
    // The build and the tests themselves are what runs this; the demo has a test of its own.
    if command.starts_with("cargo ") || command.starts_with("sudo install ") || command == "deminer demo" {
        return None;
    }
    if command.starts_with("ssh-keygen ") || command.starts_with("printf ") {
        let status = Command::new("sh")
            .args(["-ec", command])
            .current_dir(reader.folder())
            .status();
        assert!(status.expect("sh starts").success(), "{page}: `{command}`");
        return None;
    }
    let ran = reader.read(command);
    assert_eq!(ran.code, code, "{page}: `{command}`:\n{}{}", ran.out, ran.stderr);
    Some((command.to_owned(), ran))
}

#[test]
fn every_command_of_the_book_works() {
    let done: usize = pages().iter().map(|page| carried_out(page, "en")).sum();
    assert!(done > 40, "{done} commands");
}

#[test]
fn the_chinese_book_shows_what_is_said_in_chinese() {
    for page in pages() {
        carried_out(&twin(&page), "zh");
    }
}

#[test]
fn the_contents_name_every_page_and_links_lead_somewhere() {
    for (contents, all) in [
        ("README.md", pages()),
        ("README.zh.md", pages().iter().map(|page| twin(page)).collect()),
    ] {
        let text = text_of(contents);
        for page in all.iter().filter(|page| *page != contents) {
            assert!(text.contains(&format!("]({page})")), "{contents}: no link to {page}");
        }
    }
    for page in pages().iter().flat_map(|page| [page.clone(), twin(page)]) {
        let text = text_of(&page);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() {
                let heading = |line: &str| anchor(line.trim_start_matches('#').trim());
                let headings: BTreeSet<String> =
                    text.lines().filter(|line| line.starts_with('#')).map(heading).collect();
                assert!(headings.contains(&link[1..]), "{page}: no heading {link}");
            } else if !file.starts_with("https://") {
                assert!(docs().join(file).exists(), "{page}: no {file}");
            }
        }
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_');
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn files_and_tests_that_are_named_are_there() {
    let mut named_tests = 0;
    for page in ["safety.md", "safety.zh.md", "threats.md", "threats.zh.md"] {
        let text = text_of(page);
        let coded = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
        for word in coded.filter(|word| word.contains(".rs")) {
            let (file, function) = word.split_once(": ").unwrap_or((word, ""));
            let content = fs::read_to_string(Path::new(ROOT).join(file))
                .unwrap_or_else(|error| panic!("{page}: {word}: {error}"));
            if !function.is_empty() {
                let before = content.split(&format!("fn {function}(")).next().unwrap_or_default();
                assert!(before.len() < content.len(), "{page}: no {word}");
                let head: String = before.lines().rev().take(3).collect();
                assert!(head.contains("test]"), "{page}: {word} is no test");
                named_tests += 1;
            }
        }
    }
    assert!(named_tests > 60, "{named_tests}");
}

/// The tables of a page that are marked `<!-- table: NAME -->`, each with its rows of cells.
fn tables(page: &str) -> BTreeMap<String, Vec<Vec<String>>> {
    let text = text_of(page);
    let marked = text
        .split("<!-- table: ")
        .skip(1)
        .filter_map(|rest| rest.split_once(" -->\n"));
    let table = |(name, rest): (&str, &str)| {
        let rows = rest.lines().take_while(|line| line.starts_with('|')).skip(2);
        let cells = |row: &str| {
            let row = row.trim_start_matches("| ").trim_end_matches(" |");
            row.split(" | ").map(str::to_owned).collect()
        };
        (name.to_owned(), rows.map(cells).collect())
    };
    marked.map(table).collect()
}

/// What of a word does not depend on the language of the page.
fn cells(word: &manual::Word) -> [String; 3] {
    let coded = |text: &str| match text.is_empty() {
        true => String::new(),
        false => format!("`{}`", text.replace('|', "\\|")),
    };
    [coded(word.name), coded(word.example), coded(word.gives)]
}

#[test]
fn the_language_reference_is_that_of_the_reader() {
    let page = "language.md";
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        let mut text = text_of(page);
        for part in manual::parts() {
            let (before, rest) = text
                .split_once(&format!("<!-- table: {} -->\n", part.name))
                .expect("a table");
            let behind: Vec<&str> = rest.lines().skip_while(|line| line.starts_with('|')).collect();
            text = format!(
                "{before}<!-- table: {} -->\n{}{}\n",
                part.name,
                table(&part),
                behind.join("\n")
            );
        }
        fs::write(docs().join(page), text).expect("written");
    }
    let (english, chinese) = (text_of(page), tables(&twin(page)));
    for part in manual::parts() {
        let expected = format!("<!-- table: {} -->\n{}\n", part.name, table(&part));
        assert!(
            english.contains(&expected),
            "{page}: {} is not what INSTA_UPDATE=always writes",
            part.name
        );
        let rows = chinese
            .get(part.name)
            .unwrap_or_else(|| panic!("{}: no table {}", twin(page), part.name));
        assert_eq!(rows.len(), part.words.len(), "{}", part.name);
        for (row, word) in rows.iter().zip(&part.words) {
            let [name, example, gives] = cells(word);
            let mut said = vec![row[0].clone()];
            said.extend(row.iter().skip(2).cloned());
            let expected: Vec<String> = [name, example, gives].into_iter().take(said.len()).collect();
            assert_eq!(said, expected, "{}", part.name);
            assert!(
                row[1].chars().any(|c| c > '\u{2e80}'),
                "{}: {} says nothing in Chinese",
                part.name,
                row[0]
            );
        }
    }
}

/// A part of the reference as a table, with the columns that it has something for.
fn table(part: &manual::Part) -> String {
    let has = |of: fn(&manual::Word) -> &str| part.words.iter().any(|word| !of(word).is_empty());
    let columns = 2 + usize::from(has(|word| word.example)) + usize::from(has(|word| word.gives));
    let heads = ["", "meaning", "example", "gives"];
    let row = |cells: &[String]| format!("| {} |\n", cells[..columns].join(" | "));
    let mut out = row(&heads.map(str::to_owned)) + &row(&["---"; 4].map(str::to_owned));
    for word in &part.words {
        let [name, example, gives] = cells(word);
        out.push_str(&row(&[name, word.meaning.replace('|', "\\|"), example, gives]));
    }
    out
}

#[test]
fn the_language_reference_names_the_whole_library() {
    for page in ["language.md", "language.zh.md"] {
        let text = text_of(page);
        for (path, help) in LIBRARY.iter() {
            assert!(!help.is_empty(), "{path} says what it is");
            let is_part = !path.contains('/');
            let row = format!("| `deminer:{path}` |");
            assert!(!is_part || text.contains(&row), "{page} has no row of {path}");
        }
    }
}

#[test]
fn the_module_reference_is_what_the_command_prints() {
    const MARK: &str = "<!-- deminer modules --format markdown -->\n\n";
    let printed = Reader::new().read("deminer modules --format markdown").out;
    let text = text_of("modules.md");
    let (head, told) = text.split_once(MARK).expect("the mark");
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(docs().join("modules.md"), format!("{head}{MARK}{printed}")).expect("written");
        return;
    }
    assert_eq!(told, printed, "INSTA_UPDATE=always writes it anew");
    let rows = |text: &str| -> Vec<[String; 3]> {
        let rows = text.lines().filter(|line| line.starts_with("| [`"));
        rows.map(|row| {
            let cells: Vec<&str> = row.split(" | ").collect();
            let name = cells[0].split('`').nth(1).unwrap_or_default();
            [name.to_owned(), cells[1].to_owned(), cells[2].to_owned()]
        })
        .collect()
    };
    assert_eq!(rows(&text_of("modules.zh.md")), rows(&printed));
}
