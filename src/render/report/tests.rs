use super::*;
use crate::render::plain::is_plain;
use crate::render::sample::Night;

const PASTE: Paste<'static> = Paste {
    runs: None,
    lang: None,
    options: &[],
    asked: None,
    here: None,
};

#[test]
fn a_night_that_goes_well() {
    let report = Night::good().report();
    insta::assert_snapshot!("report", text(&report, &Style::PLAIN, &PASTE));
    insta::assert_snapshot!("report_markdown", markdown(&report, Lang::En, &PASTE));
    insta::assert_json_snapshot!("report_json", json(&report, Lang::En)["headline"]);
}

#[test]
fn what_people_said_stands_beside_what_was_seen() {
    let report = Night::of_an_incident().report();
    insta::assert_snapshot!("report_told", text(&report, &Style::PLAIN, &PASTE));
    insta::assert_snapshot!("report_told_markdown", markdown(&report, Lang::En, &PASTE));
    insta::assert_snapshot!("report_told_markdown_zh", markdown(&report, Lang::Zh, &PASTE));
}

#[test]
fn every_kind_of_act() {
    let report = Night::of_all_acts().report();
    insta::assert_snapshot!("report_acts", text(&report, &Style::PLAIN, &PASTE));
    insta::assert_snapshot!("report_acts_markdown", markdown(&report, Lang::En, &PASTE));
    insta::assert_snapshot!("report_acts_zh", text(&report, &Style::CHINESE, &PASTE));
}

#[test]
fn what_holds_or_locks_is_not_counted_as_removed() {
    let report = Night::of_all_acts().report();
    let counts = json(&report, Lang::En)["counts"].take();
    for kind in OTHERS {
        assert_eq!(counts["also_done"][kind], 1 + u64::from(kind == "run_argv"), "{kind}");
        assert!(counts["removed"].get(kind).is_none(), "{kind}");
    }
    assert_eq!(counts["removed"]["remove_file"], 1);
    let text = text(&report, &Style::PLAIN, &PASTE);
    let removed = text.lines().find(|line| line.starts_with("Removed:")).expect("a line");
    assert!(
        !removed.contains("blocked") && !removed.contains("throttled"),
        "{removed}"
    );
}

#[test]
fn a_night_in_chinese() {
    let report = Night::good().report();
    insta::assert_snapshot!("report_zh", text(&report, &Style::CHINESE, &PASTE));
    insta::assert_snapshot!("report_markdown_zh", markdown(&report, Lang::Zh, &PASTE));
    let report = Night::worse().report();
    insta::assert_snapshot!("report_worse_zh", text(&report, &Style::CHINESE, &PASTE));
    let report = Night::reconciled().report();
    insta::assert_snapshot!("report_reconciled_zh", text(&report, &Style::CHINESE, &PASTE));
    let look = Night::look().report();
    insta::assert_snapshot!("report_look_zh", text(&look, &Style::CHINESE, &PASTE));
}

#[test]
fn programs_get_the_same_but_for_sentences() {
    let report = Night::good().report();
    let (mut english, mut chinese) = (json(&report, Lang::En), json(&report, Lang::Zh));
    let at = "/hosts/1/findings/0/sentence";
    assert_eq!(
        english.pointer(at).and_then(Value::as_str),
        Some("6 XMRig options in its arguments: --donate-level -k -o -p -u")
    );
    assert_eq!(
        chinese.pointer(at).and_then(Value::as_str),
        Some("命令行参数中有 6 个 XMRig 选项：--donate-level -k -o -p -u")
    );
    for value in [&mut english, &mut chinese] {
        value["lang"].take();
        for host in members(value, "hosts") {
            for finding in members(host, "findings") {
                finding["sentence"].take();
            }
        }
    }
    assert_eq!(english, chinese);
}

#[test]
fn what_is_to_be_pasted_names_the_runs() {
    let paste = Paste {
        runs: Some("/srv/runs".as_ref()),
        lang: Some(Lang::Zh),
        ..Paste::default()
    };
    let text = text(&Night::worse().report(), &Style::CHINESE, &paste);
    let commands: Vec<&str> = text.lines().filter(|line| line.contains("deminer ")).collect();
    assert_eq!(commands.len(), 2, "{text}");
    for command in commands {
        assert!(command.ends_with(" --runs /srv/runs --lang zh"), "{command}");
    }
}

#[test]
fn a_worse_night() {
    let report = Night::worse().report();
    insta::assert_snapshot!("report_worse", text(&report, &Style::PLAIN, &PASTE));
    insta::assert_snapshot!("report_worse_markdown", markdown(&report, Lang::En, &PASTE));
}

#[test]
fn a_look_changes_nothing_and_says_no_more_than_it_saw() {
    let text = text(&Night::look().report(), &Style::PLAIN, &PASTE);
    assert!(!text.contains("Frozen") && !text.contains("Way in"), "{text}");
    insta::assert_snapshot!("report_look", text);
}

#[test]
fn what_was_found_by_looking_is_said_first() {
    let report = Night::reconciled().report();
    let text = text(&report, &Style::PLAIN, &PASTE);
    assert!(text.starts_with("This run is not through"), "{text}");
    insta::assert_snapshot!("report_reconciled", text);
}

#[test]
fn an_end_before_the_commit_is_said_first() {
    let text = text(&Night::refused().report(), &Style::PLAIN, &PASTE);
    assert!(
        text.starts_with("web-1 and web-2 ended before the commit: nothing was changed there."),
        "{text}"
    );
    insta::assert_snapshot!("report_refused", text);

    // What was begun before it may be done.
    let mut begun = Night::refused().report();
    let web_1 = begun
        .hosts
        .iter_mut()
        .find(|host| host.host == "web-1")
        .expect("a host");
    web_1.changes.first_mut().expect("a change").state = ChangeState::Begun;
    let text = super::text(&begun, &Style::PLAIN, &PASTE);
    assert!(!text.contains("web-1 and web-2 ended before the commit"), "{text}");
}

#[test]
fn what_a_host_wrote_is_no_markup_and_no_order_to_a_terminal() {
    let report = Night::hostile().report();
    let text = text(&report, &Style::PLAIN, &PASTE);
    let markdown = markdown(&report, Lang::En, &PASTE);
    for shown in [&text, &markdown] {
        assert!(shown.chars().all(|c| c == '\n' || is_plain(c)), "{shown}");
        assert!(shown.len() < 300_000, "{}", shown.len());
    }
    insta::assert_snapshot!("report_hostile", text);
    // The line that is 128 KiB long is bounded too.
    assert!(markdown.lines().all(|line| line.len() < 4_000));
    insta::assert_snapshot!("report_hostile_markdown", markdown);
}

#[test]
fn a_run_of_which_nothing_is_known_has_an_account() {
    let report = Report::from_events(&[]);
    let text = text(&report, &Style::PLAIN, &PASTE);
    assert!(text.starts_with("This run is not through"), "{text}");
    assert!(!text.contains("clean"), "{text}");
    assert!(markdown(&report, Lang::En, &PASTE).starts_with("# no host was heard of; not through"));
}
