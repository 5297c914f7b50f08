//! The language from outside: wrong playbooks, one mistake each, what is said of them, and that checker and schema agree.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;
#[allow(dead_code, reason = "each test program uses a part of it")]
mod playbooks;

use common::command::run;
use deminer_engine::playbook::schema;
use jsonschema::Validator;
use playbooks::{Wrong, allowed, checked, document, right, wrong};

/// One mistake each; the number is that of the acceptance, and more.
const WRONG: usize = 60;

fn validator() -> Validator {
    jsonschema::draft7::new(&schema(allowed())).expect("a schema of draft 7")
}

/// What the schema has against a text.
fn refused(validator: &Validator, text: &str) -> Option<String> {
    // What is no YAML has no schema to be held against: an editor says so itself.
    let Ok(document) = document(text) else {
        return Some("no YAML".to_owned());
    };
    let told: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    (!told.is_empty()).then(|| told.join("\n").chars().take(2000).collect())
}

#[test]
fn each_mistake_is_told_with_place_thing_and_fix() {
    let all = wrong();
    assert!(all.len() >= WRONG, "{}", all.len());
    for Wrong {
        name, file, text, code, ..
    } in all
    {
        let mistakes = checked(&file, &text, &code).expect_err(&name);
        let said = mistakes.text().replace(&file, &format!("{name}.yml"));
        let codes: Vec<&str> = mistakes.iter().map(|mistake| mistake.code.as_str()).collect();
        assert_eq!(codes, [code.as_str()], "{name}: one mistake\n{said}");
        let mistake = mistakes.iter().next().expect("one");
        assert!(mistake.span.is_some(), "{name}: no place\n{said}");
        assert!(mistake.message.contains('`'), "{name}: names no thing\n{said}");
        assert!(mistake.help.is_some(), "{name}: says nothing to do\n{said}");
        assert!(said.contains("help: "), "{name}\n{said}");
        let at = &mistakes.json()["diagnostics"][0]["at"];
        let place = format!("{name}.yml:{}:{}", at["line"], at["column"]);
        let elsewhere = at["file"] != file;
        assert!(elsewhere || said.contains(&place), "{name}: {place}\n{said}");

        let mut settings = insta::Settings::clone_current();
        settings.set_omit_expression(true);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_snapshot_path("wrong/said");
        settings.bind(|| insta::assert_snapshot!(name.as_str(), said));
    }
}

#[test]
fn no_snapshot_is_left_of_a_playbook_that_is_gone() {
    let names: Vec<String> = wrong()
        .into_iter()
        .map(|wrong| format!("{}.snap", wrong.name))
        .collect();
    for entry in std::fs::read_dir("tests/wrong/said").expect("snapshots") {
        let file = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        assert!(names.contains(&file), "{file}");
    }
}

#[test]
fn the_schema_refuses_what_it_can_know_and_nothing_else() {
    let validator = validator();
    for wrong in wrong() {
        let refused = refused(&validator, &wrong.text);
        assert_eq!(refused.is_some(), wrong.schema_knows, "{}: {refused:?}", wrong.name);
    }
}

#[test]
fn what_is_right_is_right_for_both() {
    let validator = validator();
    let all = right();
    assert!(all.len() > 15, "{}", all.len());
    for (file, text, is_part) in all {
        assert_eq!(refused(&validator, &text), None, "{file}");
        if !is_part {
            let mistakes = checked(&file, &text, "").err();
            assert!(mistakes.is_none(), "{}", mistakes.expect("some").text());
        }
    }
}

/// Every value of the examples is taken for others, one at a time: what the schema refuses, the checker refuses. So whatever
/// the checker accepts, the schema accepts.
#[test]
fn the_schema_refuses_nothing_that_the_checker_accepts() {
    const INSTEAD: [&str; 12] = [
        "5",
        "\"5\"",
        "-1",
        "1.5",
        "true",
        "null",
        "[]",
        "[a]",
        "{}",
        "10m",
        "x",
        "\"{{ vars.none }}\"",
    ];
    // Each line has some of them; there are enough lines.
    const STRIDE: usize = 4;
    let validator = validator();
    let (mut accepted, mut both) = (0, 0);
    for (file, text, _) in right()
        .into_iter()
        .filter(|(file, _, is_part)| !is_part && file.starts_with("examples/"))
    {
        for (at, line) in text.lines().enumerate() {
            // The value behind the last colon of a line.
            let Some((before, value)) = line.rsplit_once(": ") else {
                continue;
            };
            let end: String = value.chars().skip_while(|c| !",}]".contains(*c)).collect();
            for instead in INSTEAD.into_iter().skip(at % STRIDE).step_by(STRIDE) {
                let put = format!("{before}: {instead}{end}");
                let changed: Vec<&str> = text
                    .lines()
                    .enumerate()
                    .map(|(n, old)| if n == at { &put } else { old })
                    .collect();
                let changed = format!("{}\n", changed.join("\n"));
                let Some(why) = refused(&validator, &changed) else {
                    accepted += 1;
                    continue;
                };
                assert!(checked(&file, &changed, "").is_err(), "{file}:{}: {put}\n{why}", at + 1);
                both += 1;
            }
        }
    }
    assert!(
        accepted > 50 && both > 100,
        "the schema accepted {accepted}, both refused {both}"
    );
}

#[test]
fn the_command_prints_the_schema_that_is_shipped() {
    let printed = run(&["schema"]).expect(0);
    let shipped = std::fs::read_to_string("schema/playbook.json").expect("schema/playbook.json");
    assert!(
        printed.out == shipped,
        "schema/playbook.json is not what `deminer schema` prints: cargo run -- schema > schema/playbook.json"
    );
    assert_eq!(printed.err, "");
}

#[test]
fn every_shipped_playbook_names_its_schema() {
    for (file, text, _) in right() {
        let depth = file.matches('/').count();
        let line = format!(
            "# yaml-language-server: $schema={}schema/playbook.json",
            "../".repeat(depth)
        );
        assert_eq!(text.lines().next(), Some(line.as_str()), "{file}");
    }
}
