use std::collections::HashMap;

use proptest::prelude::*;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use super::*;

fn scope() -> Scope {
    let steps = [
        (
            "list",
            json!({"rows": [{"pid": 1, "name": "a"}, {"pid": 2, "name": "{{ 7*7 }}"}], "found": false}),
        ),
        ("big", json!({"n": u64::MAX, "f": 1.5, "none": null})),
    ];
    Scope {
        vars: Held::new(json!({"limit": 3, "text": "x"})),
        host: Held::new(json!({"name": "web-1"})),
        run: Held::new(json!({"id": "r1"})),
        steps: steps
            .into_iter()
            .map(|(id, value)| (id.to_owned(), Held::new(value)))
            .collect::<HashMap<_, _>>(),
        item: Some((Held::new(json!({"pid": 9})), 4)),
        round: 2,
    }
}

fn value(text: &str) -> Result<Value, EvalError> {
    Expression::compile(text)
        .expect("the test's expression can be read")
        .value(&scope())
}

#[test]
fn expressions_have_their_native_values() {
    let table = [
        ("steps.list.rows[0].pid", json!(1)),
        ("steps.list['rows'][-1].pid", json!(2)),
        ("steps.big.n", json!(u64::MAX)),
        ("steps.big.none", Value::Null),
        ("steps.list.rows | length", json!(2)),
        (
            "steps.list.rows + [item]",
            json!([{"pid": 1, "name": "a"}, {"pid": 2, "name": "{{ 7*7 }}"}, {"pid": 9}]),
        ),
        ("not steps.list.found", json!(true)),
        ("index + round", json!(6)),
        ("(steps.list.rows | first).pid", json!(1)),
        ("(steps.list).rows[0].pid + 1", json!(2)),
        (
            "steps.list.rows | selectattr('pid', 'gt', 1) | map(attribute='pid') | list",
            json!([2]),
        ),
        ("steps.list.rows | rejectattr('pid', 'gt', 1) | length", json!(1)),
        (
            "{'a': vars.limit, 'b': [host.name, run.id]}",
            json!({"a": 3, "b": ["web-1", "r1"]}),
        ),
        ("steps.gone.rows | default([])", json!([])),
        ("steps.gone is defined", json!(false)),
        ("steps.gone is defined and steps.gone.rows | length > 0", json!(false)),
        ("range(3) | list", json!([0, 1, 2])),
        ("steps.big.f * 2", json!(3.0)),
    ];
    for (text, expected) in table {
        assert_eq!(value(text), Ok(expected), "{text}");
    }
}

#[test]
fn undefined_is_an_error_wherever_it_is_used() {
    let table = [
        "steps.gone",
        "steps.gone.rows",
        "steps.list.nothing",
        "steps.list.rows[7]",
        "steps.list.nothing == 1",
        "not steps.list.nothing",
        "[steps.list.nothing]",
        "{'a': steps.list.nothing}",
        "steps.list.rows | map(attribute='nothing') | list",
        "steps.list.rows | selectattr('nothing') | list",
        "(steps.list.rows | first).nothing == 1",
        "steps.list.rows[index].pid",
    ];
    for text in table {
        assert!(value(text).is_err(), "{text}: {:?}", value(text));
    }
    let error = value("steps.list.nothing == 1").unwrap_err();
    assert_eq!(error.to_string(), "`steps.list.nothing` is undefined here");
}

#[test]
fn what_a_host_says_is_never_rendered() {
    assert_eq!(value("steps.list.rows[1].name"), Ok(json!("{{ 7*7 }}")));
    assert_eq!(value("steps.list.rows[1].name ~ ''"), Ok(json!("{{ 7*7 }}")));
    let text = Text::compile("is {{ steps.list.rows[1].name }}, {{ vars.limit }}").unwrap();
    assert_eq!(text.render(&scope()).unwrap(), "is {{ 7*7 }}, 3");
}

#[test]
fn a_text_takes_only_what_has_a_written_form() {
    for text in [
        "a {{ steps.list.rows }}",
        "a {{ steps.list }}",
        "a {{ steps.big.none }}",
        "a {{ steps.gone }}",
    ] {
        assert!(Text::compile(text).unwrap().render(&scope()).is_err(), "{text}");
    }
    let text =
        Text::compile("{{ steps.list.found }} {{ steps.list.rows | length }} {{ steps.list.rows | tojson }}").unwrap();
    assert!(text.render(&scope()).unwrap().starts_with("false 2 ["));
}

#[test]
fn work_and_size_are_bounded() {
    for text in [
        "range(99999) | list * 99999",
        "'a' * 3000000000",
        "[range(9999) | list] * 9999",
        "steps.list.rows * 100000000",
    ] {
        assert!(value(text).is_err(), "{text}");
    }
}

#[test]
fn conditions_are_booleans() {
    let holds = |text: &str| Expression::compile(text).unwrap().holds(&scope());
    assert_eq!(holds("steps.list.found"), Ok(false));
    assert!(holds("steps.list.rows").is_err());
    assert!(holds("1").is_err());
}

#[test]
fn what_is_not_of_the_language_is_not_there() {
    for text in ["debug()", "steps.list.rows | pprint", "dict(a=1)", "namespace()"] {
        assert!(value(text).is_err(), "{text}");
    }
}

#[test]
fn filters_and_tests_of_the_language_exist() {
    for name in FILTERS {
        let error = ENVIRONMENT
            .compile_expression(Box::leak(format!("none | {name}").into_boxed_str()))
            .unwrap()
            .eval(());
        let missing = error.is_err_and(|e| e.kind() == minijinja::ErrorKind::UnknownFilter);
        assert!(!missing, "{name}");
    }
    for name in TESTS {
        let error = ENVIRONMENT
            .compile_expression(Box::leak(format!("1 is {name}").into_boxed_str()))
            .unwrap()
            .eval(());
        let missing = error.is_err_and(|e| e.kind() == minijinja::ErrorKind::UnknownTest);
        assert!(!missing, "{name}");
    }
}

#[test]
fn every_example_of_the_manual_gives_what_it_says() {
    let parts = crate::playbook::manual::parts();
    let words = parts
        .iter()
        .flat_map(|part| &part.words)
        .filter(|word| !word.gives.is_empty());
    let mut seen = 0;
    for word in words {
        let expected: Value = serde_json::from_str(word.gives).expect("JSON");
        assert!(word.example.contains(word.name), "{}: {}", word.name, word.example);
        assert_eq!(value(word.example), Ok(expected), "{}", word.example);
        seen += 1;
    }
    assert_eq!(seen, FILTERS.len() + TESTS.len());
}

#[test]
fn a_path_is_cheap() {
    let expression = Expression::compile("steps.list.rows").unwrap();
    let scope = scope();
    // Of a CPU, and not by a clock on the wall: others run meanwhile.
    let used = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        now.tv_sec * 1000 + now.tv_nsec / 1_000_000
    };
    let begun = used();
    for _ in 0..1000 {
        assert!(expression.value(&scope).is_ok());
    }
    // 0.05 ms each is the goal of a release build; this is ten times that.
    let took = used() - begun;
    assert!(took < 500, "{took} ms");
}

proptest! {
    #[test]
    fn no_text_makes_an_expression_panic(text in "\\PC{0,60}") {
        if let Some(expression) = Expression::compile(&text) {
            let _ = expression.value(&scope());
        }
        if let Some(text) = Text::compile(&text) {
            let _ = text.render(&scope());
        }
    }

    #[test]
    fn expressions_of_the_language_do_not_panic(text in "(steps|vars|item|not|\\(|\\)|\\.|list|rows|\\[|\\]|0|\\||first|==|and| |'a'|default){1,14}") {
        if let Some(expression) = Expression::compile(&text) {
            let _ = expression.value(&scope());
        }
    }
}
