//! Environments and files of tests from outside: wrong ones, one mistake each, what is said of them, and that reader and schema
//! agree.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;
#[allow(dead_code, reason = "each test program uses a part of it")]
mod playbooks;

use std::fmt::Write as _;

use common::command::run;
use deminer_engine::authored::Authored;
use deminer_engine::host::simulated_schema;
use deminer_worker::platform::simulated::World;
use jsonschema::Validator;
use playbooks::{BESIDE, Beside, Wrong, allowed, changed, document, modeline, refused, validator};

fn validator_of(beside: &Beside) -> Validator {
    validator(&beside.what.schema(allowed()).expect("a schema"))
}

#[test]
fn each_mistake_is_told_with_its_place() {
    for beside in BESIDE {
        let wrong = beside.wrong();
        assert!(wrong.len() > 35, "{}", wrong.len());
        let mut all = String::new();
        for Wrong {
            name, file, text, code, ..
        } in wrong
        {
            assert_eq!(Authored::of(&text), beside.what, "{name}");
            let mistakes = (beside.read)(&file, &text).expect_err(&name);
            let said = mistakes.text().replace(&file, &name);
            let codes: Vec<&str> = mistakes.iter().map(|mistake| mistake.code.as_str()).collect();
            assert_eq!(codes, [code.as_str()], "{name}: one mistake\n{said}");
            assert!(said.contains(&format!("--> {name}:")), "{name}: no place\n{said}");
            let _ = writeln!(all, "{said}");
        }
        insta::assert_snapshot!(format!("said_of_wrong_{}s", beside.name), all);
    }
}

#[test]
fn the_schema_refuses_what_it_can_know_and_nothing_else() {
    for beside in BESIDE {
        let validator = validator_of(&beside);
        for wrong in beside.wrong() {
            let refused = refused(&validator, &wrong.text);
            assert_eq!(refused.is_some(), wrong.schema_knows, "{}: {refused:?}", wrong.file);
        }
    }
}

#[test]
fn what_is_right_is_right_for_both_and_names_its_schema() {
    for beside in BESIDE {
        let validator = validator_of(&beside);
        let right = beside.right();
        assert!(right.len() >= 5, "{}", right.len());
        for (file, text) in right {
            assert_eq!(refused(&validator, &text), None, "{file}");
            let mistakes = (beside.read)(&file, &text).err();
            assert!(mistakes.is_none(), "{}", mistakes.expect("some").text());
            assert!(text.starts_with(&modeline(&file, beside.name)), "{file}");
        }
    }
}

/// Every value of the right ones is taken for others, one at a time: what the schema refuses, the reader refuses.
#[test]
fn the_schema_refuses_nothing_that_the_reader_accepts() {
    for beside in BESIDE {
        let validator = validator_of(&beside);
        let (mut accepted, mut both) = (0, 0);
        for (file, text) in beside.right() {
            for (line, changed) in changed(&text) {
                let Some(why) = refused(&validator, &changed) else {
                    accepted += 1;
                    continue;
                };
                assert!(
                    (beside.read)(&file, &changed).is_err(),
                    "{file}:{line}\n{why}\n{changed}"
                );
                both += 1;
            }
        }
        assert!(
            accepted > 15 && both > 50,
            "{}: the schema accepted {accepted}, both refused {both}",
            beside.name
        );
    }
}

/// The host that the book describes, in YAML.
fn host_of_the_book() -> String {
    let page = std::fs::read_to_string("docs/simulated.md").expect("the page");
    let block = page.split("```yaml\n").nth(1).expect("a host");
    block.split("```").next().expect("its end").to_owned()
}

#[test]
fn the_schema_of_hosts_is_that_of_their_reader() {
    let validator = validator(&simulated_schema());
    for folder in ["playbooks/tests", "tests/worlds"] {
        for entry in std::fs::read_dir(folder).expect(folder) {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|ending| ending == "json") {
                let text = std::fs::read_to_string(&path).expect("a file");
                World::from_json(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                assert_eq!(refused(&validator, &text), None, "{}", path.display());
            }
        }
    }
    for page in ["docs/simulated.md", "docs/simulated.zh.md"] {
        let text = std::fs::read_to_string(page).expect(page);
        let schema = simulated_schema();
        for key in schema["properties"].as_object().expect("its keys").keys() {
            assert!(text.contains(&format!("| `{key}` |")), "{page} does not tell of {key}");
        }
    }
    let book = host_of_the_book();
    assert_eq!(refused(&validator, &book), None);
    let (mut accepted, mut both) = (0, 0);
    let unknown = book.replacen("cpu_percent", "cpu_per_cent", 1);
    for (line, text) in changed(&book).chain([(0, unknown)]) {
        let Some(why) = refused(&validator, &text) else {
            accepted += 1;
            continue;
        };
        let read = document(&text).map(World::from_value);
        assert!(!matches!(read, Ok(Ok(_))), "{line}\n{why}\n{text}");
        both += 1;
    }
    assert!(accepted > 10 && both > 30, "accepted {accepted}, both refused {both}");
}

#[test]
fn the_command_prints_the_schemas_that_are_shipped() {
    let of = BESIDE.iter().map(|beside| beside.name).chain(["playbook", "host"]);
    for name in of {
        let printed = run(&["schema", name]).expect(0);
        let file = format!("schema/{name}.json");
        let shipped = std::fs::read_to_string(&file).expect(&file);
        assert!(
            printed.out == shipped,
            "{file} is not what `deminer schema {name}` prints: cargo run -- schema {name} > {file}"
        );
        assert_eq!(printed.err, "");
    }
    let playbook = run(&["schema"]).expect(0).out;
    assert_eq!(playbook, run(&["schema", "playbook"]).expect(0).out, "the default");
}
