//! Files of tests, right and wrong.

use deminer_engine::case::{HostIs, Shot, TestFile};
use deminer_engine::finding::HostVerdict;
use deminer_engine::status::Status;

#[test]
fn a_whole_case() {
    let text = "\
test: a miner
cases:
  - name: removed
    hosts: {web-1: simulated:infected, web-2: recorded/clean, web-3: w.json}
    set: {watch: 5s, pools: [a, b]}
    approve: {exclude: [kill], reason: it is ours, only: contain}
    drift: [{host: web-1, write: /tmp/x, content: y}, {end: 7}, {remove: /tmp/z}]
    faults: [{at: {call: {of: act, kind: kill}}, then: die}]
    crash: committed
    resume: true
    expect: {verdict: {web-1: infected}, status: partial, actions: {kill: 2}, untouched: [/srv]}
    snapshots: [plan, report]
";
    let file = TestFile::read("x.test.yml", text).unwrap_or_else(|mistakes| panic!("{}", mistakes.text()));
    let [case] = &file.cases[..] else { panic!("one case") };
    assert_eq!(case.line, 3);
    let is: Vec<&HostIs> = case.hosts.iter().map(|host| &host.is).collect();
    assert_eq!(
        is,
        [
            &HostIs::Simulated("infected".to_owned()),
            &HostIs::Recorded("recorded/clean".to_owned()),
            &HostIs::Simulated("w.json".to_owned())
        ]
    );
    assert_eq!(case.set, ["watch=5s", "pools=[\"a\",\"b\"]"]);
    assert_eq!(case.hosts_of(&case.drift[0]).collect::<Vec<_>>(), ["web-1"]);
    assert_eq!(case.hosts_of(&case.drift[1]).count(), 3);
    assert_eq!(case.expect.verdict[&Some("web-1".to_owned())], HostVerdict::Infected);
    assert_eq!(case.expect.status[&None], Status::Partial);
    assert_eq!(case.snapshots, [Shot::Plan, Shot::Report]);
}

#[test]
fn every_mistake_is_told_at_its_place() {
    let text = "\
test: wrong
cases:
  - name: one
    host: simulated:infected
    drift: [{end: 7}]
    expect: {verdict: infectd, status: {web-1: clean}, actions: {kill: two}}
  - name: one
    hst: x
  - name: three
    host: a
    hosts: {'-x': b}
    approve: yes please
    faults: [{then: die}]
    crash: commited
";
    let mistakes = TestFile::read("x.test.yml", text).expect_err("it is wrong");
    let said: Vec<(usize, &str)> = mistakes
        .iter()
        .map(|mistake| {
            let at = mistake.span.expect("a place").start;
            (1 + text[..at].matches('\n').count(), mistake.code.as_str())
        })
        .collect();
    let expected = [
        (5, "T0101"),
        (6, "T0101"),
        (6, "T0101"),
        (6, "P0004"),
        (7, "P0003"),
        (7, "P0005"),
        (8, "P0002"),
        (11, "T0101"),
        (12, "T0101"),
        (13, "T0101"),
        (13, "T0101"),
        (14, "T0101"),
        (14, "T0101"),
    ];
    assert_eq!(said, expected, "{}", mistakes.text());
    assert!(
        mistakes.text().contains("did you mean `infected`?"),
        "{}",
        mistakes.text()
    );
}
