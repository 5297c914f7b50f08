use super::*;
use crate::render::plain::is_plain;
use crate::render::sample::Night;

#[test]
fn a_night_that_goes_well() {
    let report = Night::good().report();
    insta::assert_snapshot!("report", text(&report, &Style::PLAIN));
    insta::assert_snapshot!("report_markdown", markdown(&report));
    insta::assert_json_snapshot!("report_json", json(&report)["headline"]);
}

#[test]
fn a_worse_night() {
    let report = Night::worse().report();
    insta::assert_snapshot!("report_worse", text(&report, &Style::PLAIN));
    insta::assert_snapshot!("report_worse_markdown", markdown(&report));
}

#[test]
fn a_look_changes_nothing_and_says_no_more_than_it_saw() {
    let text = text(&Night::look().report(), &Style::PLAIN);
    assert!(!text.contains("Frozen") && !text.contains("Way in"), "{text}");
    insta::assert_snapshot!("report_look", text);
}

#[test]
fn what_was_found_by_looking_is_said_first() {
    let report = Night::reconciled().report();
    let text = text(&report, &Style::PLAIN);
    assert!(text.starts_with("This run is not through"), "{text}");
    insta::assert_snapshot!("report_reconciled", text);
}

#[test]
fn an_end_before_the_commit_is_said_first() {
    let text = text(&Night::refused().report(), &Style::PLAIN);
    assert!(
        text.starts_with("web-1 and web-2 ended before the commit: nothing was changed there."),
        "{text}"
    );
    insta::assert_snapshot!("report_refused", text);
}

#[test]
fn what_a_host_wrote_is_no_markup_and_no_order_to_a_terminal() {
    let report = Night::hostile().report();
    let text = text(&report, &Style::PLAIN);
    let markdown = markdown(&report);
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
    let text = text(&report, &Style::PLAIN);
    assert!(text.starts_with("This run is not through"), "{text}");
    assert!(!text.contains("clean"), "{text}");
    assert!(markdown(&report).starts_with("# no host was heard of; not through"));
}
