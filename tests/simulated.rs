//! The path over hosts in memory: words, numbers and exit codes, on any machine and as any user.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use common::command::Deminer;
use common::machine::written;
use common::plan::Planned;
use serde_json::{Value, json};

const INFECTED: &str = "simulated:infected";
const CLEAN: &str = "simulated:clean";

fn planned(deminer: &Deminer, words: &[&str]) -> Planned {
    Planned::make(deminer, &deminer.runs().join("the.plan"), words)
}

/// What a report says, without what differs from run to run.
fn account(report: &Value) -> Value {
    let hosts = report["hosts"].as_array().expect("a list").iter().map(|host| {
        let changes = host["changes"].as_array().expect("a list").iter().map(|change| {
            let state = &change["state"];
            let path = change["object"]["path"].as_str().or(change["object"]["exe"].as_str());
            json!([
                change["kind"],
                path,
                state["state"],
                state["done"]["did"],
                change["undo"]
            ])
        });
        json!({
            "host": host["host"],
            "status": host["status"],
            "verdict": host["verdict"],
            "progress": host["progress"],
            "tally": host["tally"],
            "seen": host["verify"]["seen"],
            "watched_ms": host["verify"]["covered_ms"],
            "changes": changes.collect::<Vec<_>>(),
            "kept": host["kept"]["items"],
            "not_kept": host["not_kept"],
            "stays": stays(&host["stays"]),
            "troubles": host["troubles"],
            "next": host["next"],
        })
    });
    let mut counts = report["counts"].clone();
    counts["kept"]["bytes"] = "[bytes]".into();
    json!({
        "purpose": report["purpose"],
        "headline": report["headline"],
        "counts": counts,
        "hosts": hosts.collect::<Vec<_>>(),
    })
}

/// What stays, without the moment at which it ends.
fn stays(told: &Value) -> Vec<Value> {
    let mut stays = told.as_array().expect("a list").clone();
    for one in &mut stays {
        if let Some(until) = one.get_mut("until_ms").filter(|until| !until.is_null()) {
            *until = "[time]".into();
        }
    }
    stays
}

fn snapshot(name: &str, value: &Value) {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_json_snapshot!(name, value));
}

#[test]
fn an_infected_host() {
    let deminer = Deminer::new();
    let planned = planned(&deminer, &[INFECTED]);
    snapshot("infected_plan", &json!(planned.acts()));
    let report = planned.apply(&deminer, "5s").expect(0).json();
    snapshot("infected_report", &account(&report));
    assert_eq!(deminer.report(), report, "made again from the journals");
}

const USERS: &str = concat!("simulated:", env!("CARGO_MANIFEST_DIR"), "/tests/worlds/users.json");
const OUTLAW: &str = "SHA256:MkYY9qiVsFGBC5WkjoClCkwEFW5iSjcGQF7m4n4H7Cw";

#[test]
fn what_is_named_is_shut() {
    let deminer = Deminer::new();
    let planned = |words: &[&str]| Planned::by(&deminer, "users", &deminer.runs().join("the.plan"), words);
    // A key that intruders are known to leave goes by itself; everything else is for a person to name.
    let first = planned(&[USERS]);
    assert_eq!(first.json["hosts"][0]["verdict"], "infected");
    assert!(first.hosts[0].to_string().contains(OUTLAW));
    snapshot("users_first_plan", &json!(first.acts()));
    let named = planned(&[USERS, "--set", "accounts=toor,nobody-here", "--set", "reason=ticket 7"]);
    let text = std::fs::read_to_string(&named.file).expect("the plan was written");
    assert!(!text.contains("secret"), "no hash is planned");
    snapshot("users_plan", &json!(named.acts()));
    let report = named.apply(&deminer, "5s").expect(0).json();
    let mut said = account(&report);
    said["hosts"][0]["host"] = "[host]".into();
    // An action's id holds its host's name, and this one is the path of a file.
    let changes = said["hosts"][0]["changes"].as_array_mut().expect("a list");
    changes.sort_by_key(Value::to_string);
    snapshot("users_report", &said);
    assert_eq!(deminer.report(), report, "made again from the journals");
    // Root, our own account and one that services run as stay open, whoever names them.
    let spared = planned(&[USERS, "--set", "accounts=ops,www-data"]);
    let left = spared.hosts[0]["left_alone"].as_array().expect("a list");
    let mut rules: Vec<&str> = left.iter().filter_map(|left| left["why"]["rule"].as_str()).collect();
    rules.sort_unstable();
    snapshot("users_spared", &json!(rules));
    let refused = ["plan", "users", USERS, "--set", "accounts=root", "--format", "json"];
    let answer = deminer.run(&refused);
    assert!(answer.out.contains("root is the last way in"), "{answer}");
}

const KERNEL_OF_SAMPLES: &str = "/lib/modules/6.1.0-18-amd64";

/// A sample host whose kernel runs such modules: lines of `/proc/modules`, and packages that own their files.
fn with_modules(deminer: &Deminer, sample: &str, taint: u64, lines: &str, owned: &[&str]) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/engine/worker/src/platform/simulated/");
    let text = std::fs::read_to_string(format!("{folder}{sample}.json")).expect("a sample");
    let mut world: Value = serde_json::from_str(&text).expect("JSON");
    world["taint"] = taint.into();
    world["kernel"] = "6.1.0-18-amd64".into();
    let mut files = vec![json!({"path": "/proc/modules", "content": lines})];
    for name in lines.lines().filter_map(|line| line.split(' ').next()) {
        files.push(json!({"path": format!("{KERNEL_OF_SAMPLES}/extra/{name}.ko"), "content": name}));
    }
    world["files"].as_array_mut().expect("a list").extend(files);
    let owned = owned.iter().map(|name| format!("{KERNEL_OF_SAMPLES}/extra/{name}.ko"));
    world["packages"]["kmod-extra"] = owned.collect::<Vec<_>>().into();
    let path = deminer.runs().join("tainted.json");
    std::fs::write(&path, world.to_string()).expect("a world");
    format!("simulated:{}", path.display())
}

/// Its times are told as they are, how far they are off is said, and nothing ends early or late by them.
#[test]
fn a_clock_that_is_years_off_is_said_and_nothing_goes_by_it() {
    const RIGHT: i64 = 1_794_623_760_000;
    const YEARS: i64 = 3 * 365 * 86_400_000;
    let rows = [
        ("right", 0, None, ""),
        (
            "three years ahead",
            YEARS,
            Some("1095 days ahead of ours"),
            "快 1095 天",
        ),
        (
            "three years behind",
            -YEARS,
            Some("1095 days behind ours"),
            "慢 1095 天",
        ),
    ];
    for (name, off_ms, en, zh) in rows {
        let deminer = Deminer::new();
        let world = with_modules(&deminer, "infected", 0, "", &[]);
        let file = world.trim_start_matches("simulated:");
        let text = std::fs::read_to_string(file).expect("the world");
        let mut off: Value = serde_json::from_str(&text).expect("JSON");
        off["host_time_ms"] = (RIGHT + off_ms).into();
        std::fs::write(file, off.to_string()).expect("a world");

        let planned = planned(&deminer, &[&world]);
        let shown = |words: &[&str]| {
            let out = deminer.run(words).out;
            out.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let plan = shown(&["show", &planned.name()]);
        let report = planned.apply(&deminer, "5s").json();
        assert_eq!(report["hosts"][0]["status"], "eradicated", "{name}: {report:#}");
        let told = [plan, shown(&["report"])];
        for text in told {
            match en {
                Some(words) => assert!(text.contains(words), "{name}: {text}"),
                None => assert!(!text.contains("its clock is"), "{name}: {text}"),
            }
        }
        for text in [
            shown(&["show", &planned.name(), "--lang", "zh"]),
            shown(&["report", "--lang", "zh"]),
        ] {
            assert!(text.contains(zh), "{name}: {text}");
            assert_eq!(text.contains("主机时钟比本机"), en.is_some(), "{name}: {text}");
        }
        // The approval ends by our clock: a plan is no older for a host that says so.
        let header = std::fs::read_to_string(&planned.file).expect("the plan");
        let header: Value = serde_json::from_str(header.lines().next().expect("a header")).expect("JSON");
        let now = jiff::Timestamp::now().as_millisecond();
        let made: i64 = header["created_at_ms"]
            .as_str()
            .and_then(|ms| ms.parse().ok())
            .expect("a time");
        assert!((now - made).abs() < 600_000, "{name}: {header}");
    }
}

#[test]
fn a_kernel_that_runs_what_no_package_knows_is_not_believed() {
    const ZFS: &str = "zfs 4218880 3 - Live 0x0000000000000000 (OE)\n";
    const FOREIGN: &str = "zfs 4218880 3 - Live 0x0 (OE)\nreptile 16384 0 - Live 0x0 (OE)\n";
    let rows: [(&str, u64, &str, &[&str], bool); 5] = [
        ("untainted", 0, ZFS, &[], true),
        ("only what is closed", 1, "nv 1 0 - Live 0x0 (P)\n", &[], true),
        ("its package explains it", 12_288, ZFS, &["zfs"], true),
        ("nothing explains it", 12_288, FOREIGN, &["zfs"], false),
        ("what was loaded is not shown", 4_096, "", &[], false),
    ];
    for (name, taint, lines, owned, believed) in rows {
        let deminer = Deminer::new();
        let world = with_modules(&deminer, "infected", taint, lines, owned);
        let report = planned(&deminer, &[&world]).apply(&deminer, "5s").json();
        let host = &report["hosts"][0];
        let expected = if believed { "eradicated" } else { "cannot_say" };
        assert_eq!(host["status"], expected, "{name}: {host:#}");
        let text = deminer.run(&["report"]).out;
        let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(text.contains("build the host anew"), !believed, "{name}: {text}");
    }
    let deminer = Deminer::new();
    let looked = |taint, owned: &[&str]| {
        let world = with_modules(&deminer, "infected", taint, ZFS, owned);
        let text = std::fs::read_to_string(world.trim_start_matches("simulated:")).expect("the world");
        // Without its miner: what is left looks like a clean host.
        let mut clean: Value = serde_json::from_str(&text).expect("JSON");
        let is_bad = |row: &Value| row.to_string().contains("/tmp/.x");
        for list in ["processes", "files"] {
            clean[list].as_array_mut().expect("a list").retain(|row| !is_bad(row));
        }
        if let Some(object) = clean.as_object_mut() {
            object.retain(|_, value| !value.is_array() || !is_bad(value));
        }
        std::fs::write(world.trim_start_matches("simulated:"), clean.to_string()).expect("a world");
        planned(&deminer, &[&world]).hosts[0]["verdict"]["host"].clone()
    };
    assert_eq!(looked(12_288, &["zfs"]), "clean");
    assert_eq!(
        looked(12_288, &[]),
        "cannot_say",
        "a clean word of such a kernel is none"
    );
}

/// What the report of an apply of this plan says of the way in, as data and as words.
fn way_in(words: &[&str]) -> (Value, String) {
    let deminer = Deminer::new();
    let file = deminer.runs().join("the.plan");
    let planned = Planned::by(&deminer, "users", &file, &[&[USERS], words].concat());
    let report = planned.apply(&deminer, "5s").expect(0).json();
    assert_eq!(report["entry"], report["hosts"][0]["entry"], "one host");
    (report["hosts"][0].clone(), deminer.run(&["report"]).out)
}

#[test]
fn a_clean_host_with_an_open_door_will_be_infected_again() {
    // The outlaw's key goes; root under another name stays, for a person to name.
    let (open, text) = way_in(&[]);
    assert_eq!(open["entry"], "open", "{open:#}");
    assert_eq!(open["verify"]["seen"], "clean");
    for said in [
        "entry OPEN: it will return",
        "Way in: OPEN",
        "OPEN: toor has the number 0",
        "closed: the key",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let shut = ["--set", "accounts=toor", "--set", "reason=ticket 7"];
    // That every known door is shut does not say that it was one of them.
    let (unknown, text) = way_in(&shut);
    assert_eq!(unknown["entry"], "unknown", "{unknown:#}");
    let doors = unknown["doors"].as_array().expect("doors");
    assert!(
        doors.len() > 1 && doors.iter().all(|door| door["shut"] == true),
        "{doors:?}"
    );
    assert!(text.contains("Way in: not known, so it may return"), "{text}");
    let (elsewhere, _) = way_in(&[&shut[..], &["--set", "way_in=www-data"]].concat());
    assert_eq!(elsewhere["entry"], "unknown", "another way in was named");
    for named in ["way_in=toor".to_owned(), format!("way_in={OUTLAW}")] {
        let (closed, text) = way_in(&[&shut[..], &["--set", &named]].concat());
        assert_eq!(closed["entry"], "closed", "{named}: {closed:#}");
        assert!(text.contains("entry CLOSED"), "{text}");
    }
    let (one, _) = way_in(&["--set", &format!("way_in={OUTLAW}")]);
    assert_eq!(one["entry"], "open", "the one that was named is shut, another stands");
}

#[test]
fn a_clean_host() {
    let deminer = Deminer::new();
    let planned = planned(&deminer, &[CLEAN]);
    assert_eq!(planned.acts(), [] as [&str; 0]);
    assert_eq!(planned.json["hosts"][0]["host"], CLEAN);
    let answer = planned.apply(&deminer, "5s").expect(0);
    assert_eq!(answer.json()["nothing_to_do"], true, "{answer}");
    let report = deminer.report();
    assert_eq!(report["purpose"], "look");
    assert_eq!(report["hosts"][0]["status"], "clean");
}

#[test]
fn a_plan_ends_with_1_where_a_step_failed() {
    let deminer = Deminer::new();
    let words = ["plan", "linux-miner", CLEAN, INFECTED, "--set", "allow=build:/opt"];
    let answer = deminer.run(&words).expect(1);
    assert!(answer.out.contains("parameter `allow[0]`"), "{answer}");
}

/// The headline is of the miner, whether or not it may be touched; what it stands for is not made less by that.
#[test]
fn a_protected_miner_is_no_less_a_miner() {
    let deminer = Deminer::new();
    let first = planned(&deminer, &[INFECTED]);
    let miner = first
        .actions()
        .iter()
        .find(|action| action["act"]["process"]["role"] == "miner");
    let exe = miner.expect("a miner")["act"]["process"]["exe_path"]
        .as_str()
        .expect("a path")
        .to_owned();
    for protect in [&[][..], &["--protect", &exe]] {
        let text = deminer
            .run(&[&["plan", "linux-miner", INFECTED], protect].concat())
            .expect(0)
            .out;
        let headline = text
            .lines()
            .find(|line| line.contains("infected  pid"))
            .expect("a headline");
        assert!(headline.contains("judged a"), "{text}");
        assert!(
            !text.lines().any(|line| line.trim_start().starts_with("suspect ")),
            "{text}"
        );
    }
}

/// What was struck and nobody looks for is no proof, however quiet the host is; who reviews the plan is told before.
#[test]
fn what_no_step_of_verify_looks_for_is_not_called_eradicated() {
    let struck = |artifacts: &str| {
        let deminer = Deminer::new();
        let playbook = deminer.runs().join("half.yml");
        let text = format!(
            "playbook: half\nversion: 1\nphases:\n  gather: [{{include: deminer:look-1.yml}}]\n  decide: [{{include: \
             deminer:judge-1.yml}}]\n  locate: [{{include: deminer:trace-1.yml}}]\n  backup: [{{id: keep, use: \
             evidence.keep, with: {{artifacts: \"{{{{ steps.condemned.rows }}}}\"}}}}]\n  eradicate: [{{include: \
             deminer:strike-1.yml}}]\n  verify: [{{id: quiet, use: verify.quiet, with: {{artifacts: \"{{{{ {artifacts} \
             }}}}\", window: 5s}}}}]\n"
        );
        std::fs::write(&playbook, text).expect("a playbook");
        let planned = Planned::by(
            &deminer,
            &written(&playbook),
            &deminer.runs().join("the.plan"),
            &[INFECTED],
        );
        let sought = |gaps: &Value| {
            let gaps = gaps.as_array().expect("a list").iter();
            let unsought = gaps.filter(|gap| gap["why"] == "not_sought");
            unsought.map(|gap| gap["subject"].clone()).collect::<Vec<_>>()
        };
        let before = sought(&planned.hosts[0]["gaps"]);
        let words = [
            "apply",
            &planned.name(),
            "--approve",
            planned.short_hash(),
            "--format",
            "json",
        ];
        let report = deminer.run(&words).json();
        let host = &report["hosts"][0];
        assert_eq!(sought(&host["gaps"]), before, "as the plan said: {host:#}");
        (host["status"].clone(), before, deminer.run(&["report"]).out)
    };
    let (status, missing, _) = struck("steps.condemned.rows");
    assert_eq!((status, missing), (json!("eradicated"), Vec::new()));

    let (status, mut missing, text) = struck("steps.trace.cron");
    missing.sort_by_key(Value::to_string);
    assert_eq!((status, missing), (json!("cannot_say"), vec![json!("process"); 2]));
    assert!(text.contains("no step of `verify` looks for it"), "{text}");

    let (status, missing, _) = struck("[]");
    assert_eq!(status, "cannot_say");
    assert_eq!(missing.len(), 7, "two processes, a line, four files: {missing:?}");
}

#[test]
fn two_hosts_in_one_plan() {
    let deminer = Deminer::new();
    let planned = planned(&deminer, &[INFECTED, CLEAN]);
    let names: Vec<&Value> = planned.hosts.iter().map(|host| &host["host"]).collect();
    assert_eq!(names, [CLEAN, INFECTED]);
    let report = planned.apply(&deminer, "5s").expect(0).json();
    snapshot("two_hosts_report", &account(&report));
}

#[test]
fn what_is_excluded_or_protected_stays_and_is_no_return() {
    let deminer = Deminer::new();
    let whole = planned(&deminer, &[INFECTED]);
    let actions = whole.actions().iter();
    let of_kind = |kind: &str| actions.clone().find(|action| action["act"]["kind"] == kind);
    let edit = of_kind("edit_lines").expect("a crontab");
    let id = edit["id"].as_str().expect("an id");
    let name = whole.name();
    let words = [
        "apply",
        &name,
        "--approve",
        &whole.hash,
        "--watch",
        "5s",
        "--format",
        "json",
    ];
    let excluded = [&words[..], &["--exclude", &id[..8]]].concat();
    let report = deminer.run(&excluded).expect(5).json();
    let host = &report["hosts"][0];
    assert_eq!(host["status"], "cannot_say", "{report:#}");
    assert_eq!(host["tally"], json!({"done": 8, "gone": 0, "of": 8, "excluded": 1}));
    let text = deminer.run(&["report"]).out;
    let leads = |word: &str| text.lines().any(|line| line.trim_start().starts_with(word));
    assert!(leads("still there") && !leads("returned"), "nothing removed it: {text}");

    let path = edit["act"]["file"]["path"].as_str().expect("a path");
    let protected = planned(&deminer, &[INFECTED, "--protect", path]);
    assert!(!protected.acts().iter().any(|act| act.starts_with("edit_lines")));
    let report = protected.apply(&deminer, "5s").expect(5).json();
    assert_eq!(report["hosts"][0]["status"], "cannot_say", "{report:#}");
}

#[test]
fn run_stops_at_the_plan_and_applies_only_what_it_stored() {
    let deminer = Deminer::new();
    let json = deminer
        .run(&["run", "linux-miner", INFECTED, "--format", "json"])
        .expect(0)
        .json();
    let hash = json["hash"].as_str().expect("a hash");
    assert_eq!(deminer.report()["hosts"][0]["status"], "proposed");
    let words = ["run", "--approve", hash, "--watch", "5s", "--format", "json"];
    let report = deminer.run(&words).expect(0).json();
    assert_eq!(report["hosts"][0]["status"], "eradicated");
    assert_eq!(report["plan"], hash);
}

#[test]
fn evidence_alone_changes_nothing() {
    let deminer = Deminer::new();
    let planned = planned(&deminer, &[INFECTED]);
    let name = planned.name();
    let words = [
        "apply",
        &name,
        "--approve",
        planned.short_hash(),
        "--only",
        "preserve",
        "--format",
        "json",
    ];
    let report = deminer.run(&words).expect(0).json();
    let host = &report["hosts"][0];
    assert_eq!(host["status"], "proposed", "{report:#}");
    assert_eq!(host["tally"]["done"], 0);
    assert_ne!(host["kept"]["items"], 0);
}

#[test]
fn containing_alone_is_approved_alone() {
    let deminer = Deminer::new();
    let planned = planned(&deminer, &[INFECTED]);
    let name = planned.name();
    let words = [
        "apply",
        &name,
        "--approve",
        planned.short_hash(),
        "--only",
        "contain",
        "--format",
        "json",
    ];
    let report = deminer.run(&words).expect(0).json();
    let host = &report["hosts"][0];
    assert_eq!(host["status"], "contained", "{report:#}");
    assert_eq!(host["tally"], json!({"done": 1, "gone": 0, "of": 1, "excluded": 8}));
    assert_eq!(host["kept"]["items"], 0, "nothing was taken");
    let run = report["run"].as_str().expect("an id");
    let listed = deminer.run(&["undo", run, "--format", "json"]).expect(0).json();
    assert_eq!(
        listed["undo"]["hosts"][0]["order"]["steps"][0]["undo"]["undo"], "unblock",
        "{listed:#}"
    );
}

#[test]
fn what_the_site_lists_is_not_blocked() {
    let deminer = Deminer::new();
    let protected = planned(&deminer, &[INFECTED, "--protect", "198.51.100.0/24"]);
    assert!(!protected.acts().iter().any(|act| act.starts_with("block_address")));
    let refused = deminer.run(&["plan", "linux-miner", INFECTED, "--protect", "office"]);
    refused.expect(2);
}

#[test]
fn what_is_protected_is_touched_only_by_name_and_with_a_reason() {
    let deminer = Deminer::new();
    let plan = |more: &[&str]| {
        let words = [
            "plan",
            "linux-miner",
            "simulated:infected",
            "--protect",
            "/tmp/.x/guard",
        ];
        deminer
            .run(&[&words, more, &["--format", "json"]].concat())
            .expect(0)
            .json()
    };
    let removes = |plan: &Value| {
        let actions = plan["actions"].as_array().expect("a list");
        let found = actions
            .iter()
            .find(|action| action["kind"] == "remove_file" && action["target"]["file"]["path"] == "/tmp/.x/guard");
        found.cloned()
    };
    let spared = plan(&[]);
    assert_eq!(removes(&spared), None, "{spared:#}");
    let left = spared["hosts"][0]["left_alone"].as_array().expect("a list");
    let left = left.iter().find(|left| {
        left["what"]["act"]["kind"] == "remove_file" && left["what"]["act"]["file"]["path"] == "/tmp/.x/guard"
    });
    let id = left.expect("it is said")["what"]["action"]
        .as_str()
        .expect("an id")
        .to_owned();

    let kills: Vec<String> = spared["hosts"][0]["left_alone"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|left| left["what"]["act"]["kind"] == "kill")
        .filter_map(|left| Some(format!("{}=it mines", left["what"]["action"].as_str()?)))
        .collect();
    let wanted = format!("{id}=the list is older than this folder");
    let mut more = vec!["--override", &wanted];
    for kill in &kills {
        more.extend(["--override", kill]);
    }
    let made = plan(&more);
    let removal = removes(&made).expect("it is planned");
    assert_eq!(removal["override"]["rule"], "the site lists /tmp/.x/guard");
    assert_eq!(removal["override"]["because"], "the list is older than this folder");
    let hash = made["hash"].as_str().expect("a hash");
    let shown = deminer.run(&["show", hash]).expect(0).out;
    assert!(shown.contains("PROTECTED (the site lists /tmp/.x/guard)"), "{shown}");
    let chinese = deminer.run(&["show", hash, &id[..8], "--lang", "zh"]).expect(0).out;
    assert!(chinese.contains("受保护"), "{chinese}");
    let since = spared["hash"].as_str().expect("a hash");
    let new = deminer
        .run(&["show", hash, "--since", since, "--format", "json"])
        .expect(0)
        .json();
    let new = &new["hosts"][0]["new"];
    assert!(
        new.as_array().is_some_and(|new| new.contains(&Value::from(&*id))),
        "{new}"
    );
    let told = deminer.run(&["show", hash, "--since", since]).expect(0).out;
    assert!(told.contains(" new, ") && told.contains("/tmp/.x/guard"), "{told}");
    deminer.run(&["show", hash, "--since", "0000000000000000"]).expect(2);
    let apply = ["apply", hash, "--approve", hash, "--watch", "1s", "--format", "json"];
    let report = deminer.run(&apply).expect(0).json();
    assert_eq!(report["hosts"][0]["status"], "eradicated", "{report:#}");

    let words = ["plan", "linux-miner", "simulated:infected"];
    for (more, said) in [
        (["--override", "0123456789abcdef=why"], "met nothing"),
        (["--override", "/tmp/.x/guard=why"], "not an action's id"),
        (["--override", &id], "no `=`"),
        (["--override", &format!("{id}= ")], "not an action's id"),
    ] {
        let answer = deminer.run(&[&words[..], &more].concat());
        assert!(answer.err.contains(said), "{answer}");
    }
}
