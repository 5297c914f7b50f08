//! The language from outside: wrong playbooks, one mistake each, what is said of them, and that checker and schema agree.

#[allow(dead_code, reason = "each test program uses a part of it")]
mod playbooks;

use deminer_engine::playbook::schema;
use playbooks::{Wrong, allowed, changed, checked, modeline, refused, right, validator, wrong};

/// One mistake each; the number is that of the acceptance, and more.
const WRONG: usize = 60;

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
    let validator = validator(&schema(allowed()));
    for wrong in wrong() {
        let refused = refused(&validator, &wrong.text);
        assert_eq!(refused.is_some(), wrong.schema_knows, "{}: {refused:?}", wrong.name);
    }
}

#[test]
fn what_is_right_is_right_for_both() {
    let validator = validator(&schema(allowed()));
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
    let validator = validator(&schema(allowed()));
    let (mut accepted, mut both) = (0, 0);
    for (file, text, _) in right()
        .into_iter()
        .filter(|(file, _, is_part)| !is_part && file.starts_with("examples/"))
    {
        for (line, changed) in changed(&text) {
            let Some(why) = refused(&validator, &changed) else {
                accepted += 1;
                continue;
            };
            assert!(checked(&file, &changed, "").is_err(), "{file}:{line}\n{why}\n{changed}");
            both += 1;
        }
    }
    assert!(
        accepted > 50 && both > 100,
        "the schema accepted {accepted}, both refused {both}"
    );
}

#[test]
fn every_shipped_playbook_names_its_schema() {
    for (file, text, _) in right() {
        assert!(text.starts_with(&modeline(&file, "playbook")), "{file}");
    }
}
