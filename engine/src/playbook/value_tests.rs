use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn durations() {
    let good = [
        ("10m", 600_000),
        ("1h30m", 5_400_000),
        ("500ms", 500),
        ("0s", 0),
        ("1d1ms", 86_400_001),
    ];
    for (text, ms) in good {
        assert_eq!(duration(text).unwrap(), Duration::from_millis(ms), "{text}");
    }
    for text in [
        "",
        "10",
        "m",
        "10x",
        "30m1h",
        "1h1h",
        "-5s",
        "1.5h",
        "10 m",
        "99999999999999999999d",
        "1ms1s",
        "5é",
    ] {
        assert!(duration(text).is_err(), "{text}");
    }
}

#[test]
fn sizes_and_percentages() {
    let good = [("0B", 0), ("64KiB", 65536), ("2GiB", 2 << 30)];
    for (text, bytes) in good {
        assert_eq!(size(text).unwrap(), bytes, "{text}");
    }
    for text in ["", "5", "5KB", "KiB", "-1B", "99999999999TiB", "1.5MiB"] {
        assert!(size(text).is_err(), "{text}");
    }
    let good = [("70%", 7000), ("12.5%", 1250), ("387%", 38700), ("0.05%", 5)];
    for (text, centi) in good {
        assert_eq!(percent(text).unwrap(), centi, "{text}");
    }
    for text in ["", "%", "70", "1.234%", ".5%", "1.%", "-1%"] {
        assert!(percent(text).is_err(), "{text}");
    }
}

#[test]
fn every_type_takes_what_it_should_and_nothing_else() {
    let digest = "3f1a9c07e2b4d8153f1a9c07e2b4d8153f1a9c07e2b4d8153f1a9c07e2b4d815";
    let table = [
        ("bool", json!(true), json!("yes")),
        ("int", json!(-5), json!(1.5)),
        ("float", json!(1), json!("1")),
        ("string", json!("x"), json!(5)),
        ("duration", json!("10m"), json!(10)),
        ("size", json!("1MiB"), json!("1MB")),
        ("percent", json!("70%"), json!(70)),
        ("path", json!("/etc/x"), json!("etc/x")),
        ("path", json!("/etc\\x20x"), json!("/a/../b")),
        ("glob", json!("/etc/cron.*/*"), json!("*.sh")),
        ("regex", json!("^a+$"), json!("(")),
        ("cidr", json!("10.0.0.0/8"), json!("10.0.0.0/33")),
        ("cidr", json!("2001:db8::/32"), json!("10.0.0.0")),
        ("hostport", json!("pool.example:3333"), json!("pool.example")),
        ("hostport", json!("[::1]:1"), json!("::1:0")),
        ("sha256", json!(digest), json!("3f1a")),
        ("time", json!("2026-11-14T02:41:04Z"), json!("yesterday")),
        ("secret", json!("x"), json!(5)),
        ("enum<low, high>", json!("low"), json!("middle")),
        ("list<int>", json!([1, 2]), json!([1, "2"])),
        ("map<duration>", json!({"a": "1s"}), json!({"a": "1"})),
        ("list<list<bool>>", json!([[true]]), json!([true])),
    ];
    for (kind, good, bad) in table {
        let parsed = VarType::parse(kind).unwrap();
        assert_eq!(parsed.to_string(), kind);
        assert!(parsed.decode(&good).is_ok(), "{kind} takes {good}");
        assert!(parsed.decode(&bad).is_err(), "{kind} refuses {bad}");
    }
}

#[test]
fn a_misfit_says_where() {
    let kind = VarType::parse("map<list<int>>").unwrap();
    let misfit = kind.decode(&json!({"a": [1, "x"]})).unwrap_err();
    assert_eq!(misfit.path, ["a", "1"]);
    assert_eq!(misfit.why, "expected int, found `x`");
}

#[test]
fn a_secret_is_not_repeated() {
    let misfit = VarType::Secret.decode(&json!(31337)).unwrap_err();
    assert!(!misfit.why.contains("31337"), "{}", misfit.why);
}

#[test]
fn texts_of_the_command_line() {
    let table = [
        ("list<string>", "a,b", json!(["a", "b"])),
        ("list<string>", "[\"a\"]", json!(["a"])),
        ("list<int>", "1, 2", json!([1, 2])),
        ("list<string>", "", json!([])),
        (
            "list<string>",
            "[203.0.113.9:3333, pool.example]",
            json!(["203.0.113.9:3333", "pool.example"]),
        ),
        ("list<string>", " [\"a,b\", 'c']", json!(["a,b", "c"])),
        ("list<string>", "- a\n- b\n", json!(["a", "b"])),
        ("list<string>", "-o,-u", json!(["-o", "-u"])),
        ("list<list<int>>", "[[1], [2, 3]]", json!([[1], [2, 3]])),
        ("map<int>", "{a: 1, b: 2}", json!({"a": 1, "b": 2})),
        ("map<string>", "a: x\nb: y", json!({"a": "x", "b": "y"})),
        ("map<int>", "{\"a\": 1}", json!({"a": 1})),
        ("bool", "true", json!(true)),
        ("int", "7", json!(7)),
        ("string", "7", json!("7")),
    ];
    for (kind, text, value) in table {
        assert_eq!(
            VarType::parse(kind).unwrap().decode_text(text).unwrap(),
            value,
            "{kind} {text}"
        );
    }
    for (kind, text) in [
        ("bool", "yes"),
        ("int", "x"),
        ("list<int>", "1,x"),
        ("map<int>", "a=1"),
        ("list<int>", "[1"),
        ("list<string>", "[a, 5]"),
        ("list<string>", "[{a: b}]"),
        ("map<int>", "[a]"),
    ] {
        assert!(
            VarType::parse(kind).unwrap().decode_text(text).is_err(),
            "{kind} {text}"
        );
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_type_panic(text in "\\PC*", kind in 0usize..15) {
        let _ = VarType::parse(&text);
        let _ = PLAIN[kind].1.decode_text(&text);
    }
}
