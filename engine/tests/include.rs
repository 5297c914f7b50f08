//! What a playbook includes: found, checked with it, named in its mistakes, and part of what a plan holds.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

#[allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "several test programs share the stubs, each uses a part"
)]
mod stubs;

use std::sync::Arc;

use deminer_engine::diagnostic::Diagnostics;
use deminer_engine::playbook::{CheckedPlaybook, Library, check};
use proptest::prelude::*;
use stubs::{Files, World, registry};

const NIGHT: &str = "\
playbook: night
version: 1
vars:
  sample: {type: duration, default: 5s}
  deep: {type: bool, default: false}
  token: {type: secret}
phases:
  gather:
    - include: parts/look.yml
      with: {sample: \"{{ vars.sample }}\", limit: 7}
    - {id: cron, use: cron.list}
  decide:
    - id: verdict
      use: miner.judge
      with: {processes: \"{{ steps.processes.rows }}\", rules: rules/linux.yml}
";

const LOOK: &str = "\
help: what runs
vars:
  sample: {type: duration, default: 1s}
  limit: {type: int, help: rows at most}
steps:
  - {id: processes, use: process.list, with: {sample: \"{{ vars.sample }}\", limit: \"{{ vars.limit }}\"}}
  - include: more.yml
    when: vars.limit > 3
";

const MORE: &str = "\
steps:
  - {id: again, use: process.list}
  - {assert: steps.again.found, name: something runs}
";

/// The three files with one piece taken for another, which stands in one of them only.
fn files(piece: &str, instead: &str) -> [String; 3] {
    let all = [NIGHT, LOOK, MORE];
    if !piece.is_empty() {
        let times: usize = all.iter().map(|text| text.matches(piece).count()).sum();
        assert_eq!(times, 1, "`{piece}` stands once in the good files");
    }
    all.map(|text| match piece.is_empty() {
        true => text.to_owned(),
        false => text.replace(piece, instead),
    })
}

fn checked([night, look, more]: [String; 3]) -> Result<CheckedPlaybook, Diagnostics> {
    let sources = Files(vec![("parts/look.yml", look), ("parts/more.yml", more)]);
    check(
        "books/night.yml",
        &night,
        &registry(&Arc::new(World::default())),
        &sources,
    )
}

#[test]
fn steps_of_included_files_stand_in_their_places() {
    let playbook = checked(files("", "")).map_err(|e| e.text()).unwrap();
    let steps: Vec<String> = playbook.outline().map(|s| format!("{} {}", s.phase, s.step)).collect();
    assert_eq!(
        steps,
        [
            "gather processes",
            "gather again",
            "gather 2 of parts/more.yml",
            "gather cron",
            "decide verdict"
        ]
    );
    let held: Vec<&str> = playbook.resources().iter().map(|r| r.path.as_str()).collect();
    assert_eq!(held, ["rules/linux.yml", "parts/look.yml", "parts/more.yml"]);
    assert_eq!(playbook.text(), NIGHT);
}

#[test]
fn a_plan_alone_gives_the_same_playbook() {
    let playbook = checked(files("", "")).map_err(|e| e.text()).unwrap();
    struct Held(Vec<(String, String)>);
    impl deminer_engine::playbook::Sources for Held {
        fn load(&self, path: &str) -> Option<String> {
            let held = self.0.iter().find(|(known, _)| known == path);
            held.map(|(_, text)| text.clone())
        }
    }
    let held = playbook.resources().iter();
    let held = Held(held.map(|r| (r.path.clone(), r.text.to_string())).collect());
    let again = check(
        "night.yml",
        playbook.text(),
        &registry(&Arc::new(World::default())),
        &held,
    );
    let again = again.map_err(|e| e.text()).unwrap();
    assert_eq!(
        again.outline().collect::<Vec<_>>(),
        playbook.outline().collect::<Vec<_>>()
    );
    assert_eq!(again.resources(), playbook.resources());
}

#[test]
fn mistakes_of_includes() {
    let rows: &[(&str, &str, &str)] = &[
        ("no such file", "parts/look.yml", "parts/lock.yml"),
        ("outside", "parts/look.yml", "../look.yml"),
        ("absolute", "parts/look.yml", "/etc/look.yml"),
        ("unknown variable", "limit: 7}", "limits: 7}"),
        ("a value that does not fit", "limit: 7}", "limit: many}"),
        (
            "a reference that does not fit",
            "limit: 7}",
            "limit: \"{{ vars.deep }}\"}",
        ),
        (
            "a secret written out",
            "  limit: {type: int, help: rows at most}",
            "  limit: {type: secret}",
        ),
        ("no value", ", limit: 7}", "}"),
        ("a variable of the playbook", "vars.limit > 3", "vars.deep"),
        (
            "a key that does not go",
            "      with: {sample: \"{{ vars.sample }}\", limit: 7}",
            "      foreach: [1]",
        ),
        ("an id twice", "{id: again,", "{id: cron,"),
        ("an id twice within", "{id: again,", "{id: processes,"),
        (
            "may have been skipped",
            "with: {processes: \"{{ steps.processes.rows }}\",",
            "with: {processes: \"{{ steps.again.rows }}\",",
        ),
        ("a mistake inside", "use: process.list}", "use: process.lst}"),
        ("a field inside", "steps.again.found", "steps.again.fund"),
        ("no YAML inside", "name: something runs}", "name: something runs"),
        ("a key inside", "help: what runs", "halp: what runs"),
        ("no steps inside", "steps:\n  - {id: again", "stops:\n  - {id: again"),
        ("a playbook inside", "help: what runs", "playbook: look"),
        (
            "itself",
            "  - {assert: steps.again.found, name: something runs}",
            "  - include: more.yml",
        ),
        (
            "each other",
            "  - {assert: steps.again.found, name: something runs}",
            "  - include: look.yml",
        ),
        (
            "power inside",
            "use: process.list}",
            "use: file.remove, with: {artifacts: [a]}}",
        ),
    ];
    let mut out = String::new();
    for (name, piece, instead) in rows {
        let said = match checked(files(piece, instead)) {
            Ok(_) => panic!("{name}: no mistake was found"),
            Err(mistakes) => mistakes.text(),
        };
        out.push_str(&format!("== {name}\n{said}\n"));
    }
    insta::with_settings!({omit_expression => true}, {
        insta::assert_snapshot!(out);
    });
}

#[test]
fn mistakes_of_several_files_come_all_at_once() {
    let [night, look, more] = files("", "");
    let texts = [
        night.replace("use: cron.list", "use: cron.lst"),
        look.replace("help: rows", "hlep: rows"),
        more.replace("steps.again.found", "steps.agin.found"),
    ];
    let mistakes = checked(texts).unwrap_err();
    let codes: Vec<(&str, String)> = mistakes
        .iter()
        .zip(mistakes.json()["diagnostics"].as_array().unwrap())
        .map(|(mistake, json)| {
            (
                mistake.code.as_str(),
                format!("{}:{}", json["at"]["file"], json["at"]["line"]),
            )
        })
        .collect();
    assert_eq!(
        codes,
        [
            ("P0102", "\"books/night.yml\":11".to_owned()),
            ("P0002", "\"books/parts/look.yml\":4".to_owned()),
            ("P0203", "\"books/parts/more.yml\":3".to_owned()),
        ]
    );
}

#[test]
fn the_library_is_the_same_from_everywhere() {
    const LIBRARY: Library = Library::new(&[
        (
            "look-1.yml",
            "help: what runs\nsteps: [{include: deminer:more-1.yml}]\n",
        ),
        (
            "more-1.yml",
            "# More of it.\nsteps: [{id: processes, use: process.list}]\n",
        ),
        ("rules/linux.yml", "xmrig\n"),
    ]);
    let help: Vec<_> = LIBRARY.iter().map(|(_, help)| help).collect();
    assert_eq!(help, ["what runs", "More of it.", ""]);

    let registry = registry(&Arc::new(World::default())).with_library(LIBRARY);
    let playbook = "\
playbook: a
version: 1
phases:
  gather: [{include: parts/own.yml}]
  decide:
    - id: verdict
      use: miner.judge
      with: {processes: \"{{ steps.processes.rows }}\", rules: deminer:rules/linux.yml}
";
    let own = "steps: [{include: deminer:look-1.yml}]\n";
    let held = |texts: Vec<(&'static str, &str)>| {
        let texts = texts.into_iter().map(|(path, text)| (path, text.to_owned()));
        let checked = check("a.yml", playbook, &registry, &Files(texts.collect()));
        let checked = checked.map_err(|e| e.text()).unwrap();
        let held = checked
            .resources()
            .iter()
            .map(|held| (held.path.clone(), held.text.to_string()));
        held.collect::<Vec<_>>()
    };
    let more = LIBRARY.find("more-1.yml").unwrap();
    let all = held(vec![("parts/own.yml", own)]);
    let paths: Vec<&str> = all.iter().map(|(path, _)| path.as_str()).collect();
    let expected = [
        "deminer:rules/linux.yml",
        "parts/own.yml",
        "deminer:look-1.yml",
        "deminer:more-1.yml",
    ];
    assert_eq!(paths, expected);
    assert_eq!(all[3].1, more);

    // A plan is carried out with what it holds, whatever the library has by then.
    let then = format!("# As it was.\n{more}");
    let all = held(vec![("parts/own.yml", own), ("deminer:more-1.yml", &then)]);
    assert_eq!(all[3].1, then);
}

#[test]
fn deep_and_wide_includes_end() {
    let deep = |n: usize| match n {
        6 => "steps: [{id: end, use: cron.list}]\n".to_owned(),
        n => format!("steps: [{{include: d{}.yml}}]\n", n + 1),
    };
    let names: [&'static str; 7] = ["d0.yml", "d1.yml", "d2.yml", "d3.yml", "d4.yml", "d5.yml", "d6.yml"];
    let sources = Files(names.iter().enumerate().map(|(n, name)| (*name, deep(n))).collect());
    let playbook = "playbook: a\nversion: 1\nphases: {gather: [{include: d0.yml}]}\n";
    let world = Arc::new(World::default());
    let said = check("a.yml", playbook, &registry(&world), &sources)
        .unwrap_err()
        .text();
    assert!(said.contains("P0505") && said.contains("more than 4 deep"), "{said}");

    // Each file stands a hundred times in the one above: a hundred million steps, were they all taken.
    let wide = |below: &str| format!("steps: [{}]\n", vec![format!("{{include: {below}}}"); 100].join(", "));
    let sources = Files(vec![
        ("d0.yml", wide("d1.yml")),
        ("d1.yml", wide("d2.yml")),
        ("d2.yml", wide("d3.yml")),
        (
            "d3.yml",
            format!("steps: [{}]\n", vec!["{assert: \"true\"}"; 100].join(", ")),
        ),
    ]);
    let begun = std::time::Instant::now();
    let said = check("a.yml", playbook, &registry(&world), &sources)
        .unwrap_err()
        .text();
    assert!(said.contains("more than 2000 steps"), "{said}");
    assert!(begun.elapsed().as_secs() < 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_change_of_an_included_file_makes_check_panic(which in 0usize..3, at in 0usize..400, long in 0usize..40, put in "[ \\n:{}\\[\\]\"'|>&*!a-z0-9.-]{0,6}") {
        let mut texts = files("", "");
        let text = &texts[which];
        let floor = |n: usize| (0..=n.min(text.len())).rev().find(|n| text.is_char_boundary(*n)).unwrap_or(0);
        let (start, end) = (floor(at), floor(at + long));
        texts[which] = format!("{}{put}{}", &text[..start], &text[end..]);
        let all: usize = texts.iter().map(|text| text.len() + 1).sum();
        if let Err(mistakes) = checked(texts) {
            prop_assert!(!mistakes.is_empty());
            prop_assert!(mistakes.text().contains("no host was touched"));
            prop_assert!(mistakes.json()["diagnostics"].is_array());
            for mistake in mistakes.iter() {
                if let Some(span) = mistake.span {
                    prop_assert!(span.start <= span.end && span.end <= all, "{mistake:?}");
                }
            }
        }
    }
}
