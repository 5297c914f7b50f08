//! The table of `fuzz/README.md` is held against the sources: what it names exists, and what exists is named.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A row of the table: a parser, the property tests that it has, its target.
struct Row {
    parser: String,
    tests: Vec<String>,
    target: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn table() -> Vec<Row> {
    let text = read("fuzz/README.md");
    let lines = text.lines().skip_while(|line| !line.starts_with("| ---")).skip(1);
    let rows = lines.take_while(|line| line.starts_with('|')).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
        assert_eq!(cells.len(), 4, "{line}");
        let one = |cell: &str| <[String; 1]>::try_from(quoted(cell)).unwrap_or_else(|_| panic!("one name in: {line}"));
        let ([parser], [target]) = (one(cells[1]), one(cells[3]));
        Row {
            parser,
            tests: quoted(cells[2]),
            target,
        }
    });
    rows.collect()
}

/// The names of functions that a source defines.
fn functions(source: &str) -> BTreeSet<String> {
    let definitions = source.split("fn ").skip(1);
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    definitions
        .map(|rest| {
            rest.split(|letter| !is_letter(letter))
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
}

/// All sources below a folder.
fn below(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => below(&path, into),
            path if path.extension().is_some_and(|kind| kind == "rs") => into.push(path),
            _ => {}
        }
    }
}

/// The sources that may hold the tests of a parser: its own, those named after it or its folder, and the properties.
fn sources_near(parser: &Path) -> String {
    let folder = parser.parent().expect("a file lies in a folder");
    let stem = parser.file_stem().and_then(|stem| stem.to_str()).expect("a name");
    let mut files: Vec<PathBuf> = vec![
        parser.to_owned(),
        folder.join(format!("{stem}_tests.rs")),
        folder.join("tests.rs"),
        folder.join("mod.rs"),
    ];
    below(&folder.join(stem), &mut files);
    below(&folder.join("tests"), &mut files);
    let mut all = Vec::new();
    for place in ["engine/worker/src", "engine/src", "modules/src"] {
        below(&root().join(place), &mut all);
    }
    files.extend(all.into_iter().filter(|path| path.ends_with("fuzzing.rs")));
    let texts = files.into_iter().filter_map(|file| fs::read_to_string(file).ok());
    texts.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_parser_and_property_test_of_the_table_exists() {
    for row in table() {
        let below = ["engine/src", "modules/src"]
            .iter()
            .any(|place| row.parser.starts_with(place));
        let parser = match below {
            true => root().join(&row.parser),
            false => root().join("engine/worker/src").join(&row.parser),
        };
        assert!(parser.is_file(), "`{}` is no file", row.parser);
        assert!(!row.tests.is_empty(), "`{}` has no property test", row.parser);
        let known = functions(&sources_near(&parser));
        for test in &row.tests {
            assert!(known.contains(test), "`{}` has no test `{test}`", row.parser);
        }
    }
}

#[test]
fn every_target_stands_in_the_table_and_the_manifest() {
    let named: BTreeSet<String> = table().into_iter().map(|row| row.target).collect();
    let entries = fs::read_dir(root().join("fuzz/fuzz_targets")).expect("the targets");
    let there: BTreeSet<String> = entries
        .map(|entry| entry.expect("a target").path())
        .map(|path| {
            path.file_stem()
                .and_then(|stem| stem.to_str())
                .expect("a name")
                .to_owned()
        })
        .collect();
    assert_eq!(there, named);
    let manifest = read("fuzz/Cargo.toml");
    let built: BTreeSet<String> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
        .map(str::to_owned)
        .collect();
    assert_eq!(built, named);
}

#[test]
fn every_property_has_a_target() {
    let targets: String = table()
        .iter()
        .map(|row| read(format!("fuzz/fuzz_targets/{}.rs", row.target)))
        .collect();
    for (name, place) in [
        ("deminer_worker", "engine/worker/src"),
        ("deminer_engine", "engine/src"),
        ("deminer_modules", "modules/src"),
    ] {
        let source = read(format!("{place}/fuzzing.rs"));
        let own = source
            .lines()
            .filter_map(|line| line.strip_prefix("pub fn ")?.split('(').next());
        let source = source.replace('\n', " ");
        let brought: Vec<String> = source
            .split("pub use ")
            .skip(1)
            .filter_map(|rest| rest.split(';').next()?.rsplit("::").next())
            .flat_map(|names| {
                names
                    .trim_matches(['{', '}', ' '])
                    .split(',')
                    .map(|name| name.trim().to_owned())
            })
            .filter(|name| !name.is_empty())
            .collect();
        for property in own.map(str::to_owned).chain(brought) {
            let call = format!("{name}::fuzzing::{property}(data)");
            assert!(targets.contains(&call), "no target calls `{property}` of {place}");
        }
    }
}
