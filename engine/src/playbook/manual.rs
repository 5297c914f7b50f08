//! The words of the language as a reference: what the reader and the checker know, and a line on each.
//!
//! The names are those that [`super::parse`], the types of variables and the templates go by; a word without a line, and a
//! line without a word, does not pass the tests.

use super::expression::ROOTS;
use super::parse::{PART_KEYS, PLAYBOOK_KEYS, REPEAT_KEYS, STEP_KEYS, VAR_KEYS};
use super::value::type_names;
use crate::template::{FILTERS, TESTS};

/// A word of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// As it is written.
    pub name: &'static str,
    /// What it means, in a line.
    pub meaning: &'static str,
    /// Of a type a value; of a filter and a test an expression. Empty of other words.
    pub example: &'static str,
    /// What the expression gives, as JSON. Empty of other words.
    pub gives: &'static str,
}

/// A part of the reference, by the name that documents know it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// Its words, in the language's own order.
    pub words: Vec<Word>,
}

/// The whole reference.
pub fn parts() -> Vec<Part> {
    let part = |name, names: &[&'static str], lines: &[Line]| Part {
        name,
        words: names.iter().filter_map(|word| line_of(word, lines)).collect(),
    };
    vec![
        part("playbook-keys", &PLAYBOOK_KEYS, &PLAYBOOK),
        part("variable-keys", &VAR_KEYS, &VARIABLE),
        part("types", &type_names().collect::<Vec<_>>(), &TYPES),
        part("step-keys", &STEP_KEYS, &STEP),
        part("repeat-keys", &REPEAT_KEYS, &REPEAT),
        part("include-keys", &PART_KEYS, &INCLUDED),
        part("roots", &ROOTS, &NAMES),
        part("filters", &FILTERS, &FILTER),
        part("tests", &TESTS, &TEST),
    ]
}

/// A word, its meaning, an example, and what that gives.
type Line = (&'static str, &'static str, &'static str, &'static str);

fn line_of(word: &str, lines: &[Line]) -> Option<Word> {
    let (name, meaning, example, gives) = *lines.iter().find(|(name, ..)| *name == word)?;
    Some(Word {
        name,
        meaning,
        example,
        gives,
    })
}

const PLAYBOOK: [Line; 4] = [
    (
        "playbook",
        "its name: letters, digits, `-`, `_`, `.`; must be there",
        "",
        "",
    ),
    ("version", "a whole number, from 1; must be there", "", ""),
    ("vars", "the variables that it declares", "", ""),
    ("phases", "the steps, by phase; must be there", "", ""),
];

const VARIABLE: [Line; 3] = [
    ("type", "one of the types below; must be there", "", ""),
    (
        "default",
        "its value where nothing else sets it; without one it must be set; `null`: it may stay unknown",
        "",
        "",
    ),
    ("help", "a line for the operator", "", ""),
];

const TYPES: [Line; 18] = [
    ("bool", "yes or no", "true", ""),
    ("int", "a whole number", "42", ""),
    ("float", "a number", "0.5", ""),
    ("string", "text", "web tier", ""),
    (
        "duration",
        "whole numbers with d, h, m, s, ms, larger units first",
        "1h30m",
        "",
    ),
    ("size", "a whole number with B, KiB, MiB, GiB, TiB", "64MiB", ""),
    (
        "percent",
        "a number with its sign; more than 100 is allowed",
        "12.5%",
        "",
    ),
    ("path", "a whole path on the host, without `..`", "/srv/build", ""),
    ("glob", "a whole path with `*` and `?`", "/srv/*/cache", ""),
    ("regex", "a regular expression", "^kworker/", ""),
    ("cidr", "a range of addresses", "198.51.100.0/24", ""),
    ("hostport", "a host with a port", "pool.example:3333", ""),
    (
        "sha256",
        "64 hexadecimal digits",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "",
    ),
    ("time", "a moment in UTC", "2026-11-14T02:41:04Z", ""),
    (
        "secret",
        "text that is named by where it comes from and is shown as `***`",
        "",
        "",
    ),
    ("enum<..>", "one of the words between the brackets", "", ""),
    ("list<..>", "a list of values of one type", "", ""),
    ("map<..>", "values of one type by name", "", ""),
];

const STEP: [Line; 16] = [
    ("id", "its name: what it gives is `steps.ID`", "", ""),
    ("name", "a line for people; of an `assert` the message", "", ""),
    ("use", "runs this module", "", ""),
    (
        "with",
        "what the module, or the included file, is given; `{{ }}` holds an expression",
        "",
        "",
    ),
    ("when", "it runs only where this expression holds", "", ""),
    (
        "foreach",
        "it runs once for each item of this list, as `item` and `index`",
        "",
        "",
    ),
    ("until", "it looks again until this holds of its own result", "", ""),
    (
        "retries",
        "how often it looks again at most: 1 to 100, 3 where left out",
        "",
        "",
    ),
    (
        "delay",
        "how long it waits before each further look: 5s where left out",
        "",
        "",
    ),
    (
        "timeout",
        "the longest that it may take, all looks included: at most 24h",
        "",
        "",
    ),
    (
        "on_error",
        "`fail` (left out), `continue`, or a list of steps that run in its place",
        "",
        "",
    ),
    ("let", "computes: each name is `steps.ID.NAME`", "", ""),
    ("stop", "ends the playbook on this host, for this reason", "", ""),
    ("hand_over", "beside `stop`: the procedures that take over", "", ""),
    (
        "assert",
        "ends the playbook with an error where this does not hold",
        "",
        "",
    ),
    ("include", "the steps of this file stand here", "", ""),
];

const REPEAT: [Line; 3] = [
    ("until", "ends the loop; asked after each round", "", ""),
    ("max_rounds", "the rounds at most, the first included: 1 to 10", "", ""),
    (
        "refresh",
        "the reading steps that are taken anew in each further round",
        "",
        "",
    ),
];

const INCLUDED: [Line; 3] = [
    ("help", "what the file is for", "", ""),
    ("vars", "the variables that `with` of the including step sets", "", ""),
    ("steps", "its steps; must be there", "", ""),
];

const NAMES: [Line; 7] = [
    ("vars", "the variables", "", ""),
    ("steps", "what earlier steps gave, by id", "", ""),
    (
        "host",
        "the host: `host.name`, and what `host.facts` tells of it as `host.cpus`",
        "",
        "",
    ),
    ("run", "the run: `run.id`, `run.started_at_ms`", "", ""),
    ("item", "inside `foreach`: the item", "", ""),
    ("index", "inside `foreach`: its number, from 0", "", ""),
    (
        "round",
        "inside `eradicate`: the round, 0 while the plan is made",
        "",
        "",
    ),
];

const FILTER: [Line; 30] = [
    ("abs", "without its sign", "-3 | abs", "3"),
    ("bool", "whether it counts as true", "[] | bool", "false"),
    ("default", "this, where it is undefined", "{'a': 1}.b | default(0)", "0"),
    ("first", "the first item", "[1, 2] | first", "1"),
    ("float", "as a number", "'1.5' | float", "1.5"),
    ("int", "as a whole number", "'7' | int", "7"),
    ("items", "a map as pairs", "{'a': 1} | items", "[[\"a\", 1]]"),
    (
        "join",
        "as one text, with this between",
        "['a', 'b'] | join('-')",
        "\"a-b\"",
    ),
    ("last", "the last item", "[1, 2] | last", "2"),
    ("length", "how many items", "[1, 2] | length", "2"),
    ("list", "as a list", "'ab' | list", "[\"a\", \"b\"]"),
    ("lower", "in small letters", "'KW' | lower", "\"kw\""),
    (
        "map",
        "a field of each item, or a filter on each",
        "[{'pid': 7}] | map(attribute='pid')",
        "[7]",
    ),
    ("max", "the largest item", "[1, 3] | max", "3"),
    ("min", "the smallest item", "[1, 3] | min", "1"),
    ("reject", "the items that fail a test", "[1, 2] | reject('odd')", "[2]"),
    (
        "rejectattr",
        "the items whose field fails a test; the field must be there",
        "[{'pid': 7}, {'pid': 8}] | rejectattr('pid', 'eq', 7)",
        "[{\"pid\": 8}]",
    ),
    (
        "replace",
        "a part of a text by another",
        "'a.b' | replace('.', '/')",
        "\"a/b\"",
    ),
    ("reverse", "from behind", "[1, 2] | reverse", "[2, 1]"),
    (
        "round",
        "to the nearest, or to so many digits",
        "1.26 | round(1)",
        "1.3",
    ),
    ("select", "the items that pass a test", "[1, 2] | select('odd')", "[1]"),
    (
        "selectattr",
        "the items whose field passes a test; the field must be there",
        "[{'pid': 7}, {'pid': 8}] | selectattr('pid', 'gt', 7)",
        "[{\"pid\": 8}]",
    ),
    (
        "sort",
        "in order, or by a field",
        "[{'n': 2}, {'n': 1}] | sort(attribute='n')",
        "[{\"n\": 1}, {\"n\": 2}]",
    ),
    (
        "split",
        "a text at each of these",
        "'a,b' | split(',')",
        "[\"a\", \"b\"]",
    ),
    ("string", "as text", "7 | string", "\"7\""),
    ("sum", "all together", "[1, 2] | sum", "3"),
    ("tojson", "as JSON", "[1] | tojson", "\"[1]\""),
    ("trim", "without blanks around", "' a ' | trim", "\"a\""),
    ("unique", "each item once", "[1, 1] | unique", "[1]"),
    ("upper", "in capitals", "'kw' | upper", "\"KW\""),
];

const TEST: [Line; 22] = [
    ("boolean", "it is true or false", "true is boolean", "true"),
    ("defined", "it is there", "{'a': 1}.b is defined", "false"),
    (
        "divisibleby",
        "it can be divided by this",
        "6 is divisibleby(3)",
        "true",
    ),
    (
        "endingwith",
        "the text ends so",
        "'a.log' is endingwith('.log')",
        "true",
    ),
    ("eq", "equal; `==` does the same", "1 is eq(1)", "true"),
    ("even", "an even number", "2 is even", "true"),
    ("false", "it is false", "false is false", "true"),
    ("float", "a number with a fraction", "0.5 is float", "true"),
    ("ge", "at least", "2 is ge(2)", "true"),
    ("gt", "more than", "2 is gt(2)", "false"),
    ("in", "one of these", "'a' is in(['a', 'b'])", "true"),
    ("integer", "a whole number", "7 is integer", "true"),
    ("le", "at most", "2 is le(2)", "true"),
    ("lt", "less than", "2 is lt(2)", "false"),
    ("mapping", "a map", "{'a': 1} is mapping", "true"),
    ("ne", "not equal", "1 is ne(2)", "true"),
    ("none", "it is unknown: `null`", "none is none", "true"),
    ("number", "a number", "7 is number", "true"),
    ("odd", "an odd number", "2 is odd", "false"),
    ("sequence", "a list", "[1] is sequence", "true"),
    (
        "startingwith",
        "the text begins so",
        "'kworker' is startingwith('kw')",
        "true",
    ),
    ("string", "a text", "'a' is string", "true"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::VarType;

    #[test]
    fn every_word_has_a_line_and_every_line_a_word() {
        let names: [(&[&str], &[Line]); 8] = [
            (&PLAYBOOK_KEYS, &PLAYBOOK),
            (&VAR_KEYS, &VARIABLE),
            (&STEP_KEYS, &STEP),
            (&REPEAT_KEYS, &REPEAT),
            (&PART_KEYS, &INCLUDED),
            (&ROOTS, &NAMES),
            (&FILTERS, &FILTER),
            (&TESTS, &TEST),
        ];
        for (words, lines) in names {
            let lines: Vec<&str> = lines.iter().map(|(name, ..)| *name).collect();
            assert_eq!(words, lines);
        }
        assert_eq!(type_names().collect::<Vec<_>>(), TYPES.map(|(name, ..)| name));
    }

    #[test]
    fn every_example_of_a_type_is_one() {
        for (name, _, example, _) in TYPES.iter().filter(|(.., example, _)| !example.is_empty()) {
            let kind = VarType::parse(name).unwrap_or_else(|misfit| panic!("{name}: {misfit:?}"));
            assert!(kind.decode_text(example).is_ok(), "{name}: {example}");
        }
    }
}
