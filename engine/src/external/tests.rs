use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use deminer_worker::query::{Answer, HostError, Observed};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::finding::Bearing;

/// A host that has no mounts, sees not all, and counts what it is asked.
#[derive(Default)]
struct Host {
    asked: AtomicU32,
}

#[async_trait]
impl HostView for Host {
    fn name(&self) -> &str {
        "web-1"
    }

    async fn observe(&self, query: Query) -> Result<Observed<Answer>, HostError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match query {
            Query::Mounts {} => {
                let mut coverage = Coverage::whole();
                coverage.note("mounts", "", GapReason::Denied);
                let value = Answer::Mounts(Vec::new());
                Ok(Observed { value, coverage })
            }
            other => Err(HostError::NotRecorded {
                query: format!("{other:?}"),
            }),
        }
    }
}

/// Short, so that what hangs is ended soon; long enough for a busy machine to start a shell.
fn limits() -> Limits {
    Limits {
        describe: Duration::from_secs(20),
        call: Duration::from_secs(20),
        whole: Duration::from_secs(60),
        says: 100_000,
        complains: 10_000,
        told: 100_000,
        questions: 5,
    }
}

fn hurried() -> Limits {
    let call = Duration::from_millis(500);
    Limits { call, ..limits() }
}

const PARAMS: &str =
    r#""params":{"type":"object","properties":{"least":{"type":"integer"}},"additionalProperties":false}"#;
const OUTPUT: &str = r#""output":{"type":"object","properties":{"rows":{"type":"array","items":{"type":"object","properties":{"pid":{"type":"integer"}},"required":["pid"],"additionalProperties":false}}},"required":["rows"]}"#;

fn description(kind: &str, phase: &str) -> String {
    format!(
        r#"{{"protocol":1,"name":"own.rows","summary":"Gives rows.","kind":"{kind}","phases":["{phase}"],{PARAMS},{OUTPUT}}}"#
    )
}

/// A module of a shell script that describes itself and then does this.
struct Place {
    folder: TempDir,
    file: PathBuf,
}

impl Place {
    fn new(described: &str, does: &str) -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("own.rows");
        let place = Place { folder, file };
        place.write(&format!(
            "#!/bin/sh\nif [ \"$1\" = describe ]; then\n{described}\nexit\nfi\nread -r call\n{does}\n"
        ));
        place
    }

    fn collector(does: &str) -> Place {
        Place::new(&format!("echo '{}'", description("collector", "gather")), does)
    }

    fn write(&self, text: &str) {
        // Written beside and moved: a file that is still open for writing somewhere is not started.
        let beside = self.folder.path().join("beside");
        fs::write(&beside, text).expect("a file");
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).expect("its mode");
        fs::rename(&beside, &self.file).expect("moved");
    }

    async fn describe(&self, limits: Limits) -> Result<Module, ExternalError> {
        // Another test's child may hold the new file open for a moment.
        for _ in 0..50 {
            match describe(&self.file, self.folder.path(), limits).await {
                Err(ExternalError::NotStarted { why }) if why.contains("busy") => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                told => return told,
            }
        }
        panic!("the file stays busy");
    }

    async fn run(&self, limits: Limits) -> Result<Ran, ExternalError> {
        let module = self.describe(limits).await?;
        let ran = module.erased().run(Some(&Host::default()), json!({"least": 2})).await;
        ran.map_err(|error| match error {
            ModuleError::External { module, why } => {
                assert_eq!(module, "own.rows");
                why
            }
            other => panic!("{other}"),
        })
    }

    fn is_empty_but_for_the_module(&self) -> bool {
        fs::read_dir(self.folder.path()).expect("a folder").count() == 1
    }
}

fn outcome(output: &str) -> String {
    format!("echo '{{\"outcome\":{{\"output\":{output}}}}}'")
}

#[tokio::test]
async fn it_asks_and_gives_rows_and_a_finding() {
    let does = r#"
echo "$call" >call
echo '{"ask":{"query":"mounts"}}'
read -r answer
case $answer in *'"answer":{"value":{"answer":"mounts","value":[]},"coverage":{"gaps":['*) ;; *) exit 3;; esac
echo '{"ask":{"query":"sockets"}}'
read -r answer
case $answer in '{"refused":'*) ;; *) exit 4;; esac
grep -q '"module":"own.rows","host":"web-1","params":{"least":2}' call || exit 5
printf '%s\n' '{"outcome":{"output":{"rows":[{"pid":7}]},"findings":[{"signal":"odd","bearing":"review","say":"look at {what}","fields":{"what":"a\u001b[2Jb"}}],"coverage":{"gaps":[{"subject":"file","object":"/x","why":"cut"}]}}}'
"#;
    let place = Place::collector(does);
    let ran = place.run(limits()).await.expect("rows");
    assert_eq!(ran.output, json!({"rows": [{"pid": 7}]}));
    let gaps: Vec<_> = ran.coverage.gaps.iter().map(|gap| (&*gap.subject, gap.why)).collect();
    let expected = [
        ("mounts", GapReason::Denied),
        ("question", GapReason::Failed),
        ("file", GapReason::Cut),
    ];
    assert_eq!(gaps, expected, "what the host did not show, whatever the module says");
    let finding = &ran.findings[0];
    assert_eq!((finding.bearing, &*finding.signal), (Bearing::Review, "external_odd"));
    assert_eq!(finding.sentence(), r"look at a\x1b[2Jb");
    assert!(ran.proposals.is_empty() && ran.verdict.is_none());
    assert!(place.is_empty_but_for_the_module(), "its directory went with it");
}

#[tokio::test]
async fn what_goes_wrong_is_bounded_and_named() {
    let rows = outcome(r#"{"rows":[]}"#);
    let cases: [(&str, String, &str); 14] = [
        ("hangs", "exec sleep 1000".into(), "longer than 500 ms"),
        ("floods stdout", "exec yes xxxxxxxx".into(), "no message of the protocol"),
        (
            "floods stdout without a line",
            "exec tr '\\0' x </dev/zero".into(),
            "more than 100000 bytes to stdout",
        ),
        ("floods stderr", "exec yes >&2".into(), "more than 10000 bytes to stderr"),
        ("another type", outcome(r#"{"rows":[{"pid":"7"}]}"#), "`output.rows[0].pid` is string, declared is integer"),
        ("a field that is not there", outcome(r#"{"rows":[{}]}"#), "`output.rows[0]` has no `pid`"),
        (
            "a field that was not declared",
            outcome(r#"{"rows":[{"pid":7,"act":"kill"}]}"#),
            "`output.rows[0].act` is not declared",
        ),
        (
            "asks without end",
            "while echo '{\"ask\":{\"query\":\"mounts\"}}'; do read -r answer; done".into(),
            "more than 5 questions",
        ),
        ("ends early", "echo no such table >&2; exit 3".into(), "exit status 3) before it had answered: `no such table`"),
        ("is killed", "kill -SEGV $$; sleep 1000".into(), "signal 11"),
        (
            "ends and leaves a child with its output",
            "sleep 1000 &\nexit 0".into(),
            "exit status 0) before it had answered",
        ),
        ("proposes", rows.replace("}}}", "},\"proposals\":[]}}").replace("]}}", "]},\"proposals\":[]}}"), "proposals"),
        (
            "condemns",
            "echo '{\"outcome\":{\"output\":{\"rows\":[]},\"findings\":[{\"signal\":\"x\",\"bearing\":\"condemns\",\"say\":\"x\"}]}}'"
                .into(),
            "unknown variant `condemns`",
        ),
        ("says that it failed", "echo '{\"error\":\"no table\"}'".into(), "it failed: no table"),
    ];
    for (name, does, expected) in cases {
        let place = Place::collector(&does);
        let begun = Instant::now();
        let limits = if name == "hangs" { hurried() } else { limits() };
        let told = place.run(limits).await;
        let told = told.expect_err(name).to_string();
        assert!(told.contains(expected), "{name}: {told}");
        assert!(begun.elapsed() < Duration::from_secs(30), "{name}");
        assert!(place.is_empty_but_for_the_module(), "{name}");
    }
}

#[tokio::test]
async fn what_it_started_ends_with_it() {
    let rows = outcome(r#"{"rows":[{"pid":'$!'}]}"#);
    let place = Place::collector(&format!("sleep 1000 &\n{rows}\nsleep 1000"));
    let ran = place
        .run(limits())
        .await
        .expect("rows, though a child holds the output");
    let pid = ran.output["rows"][0]["pid"].as_u64().expect("a pid");
    let gone = || {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    };
    for _ in 0..500 {
        if gone() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{pid} still runs");
}

#[tokio::test]
async fn it_runs_alone() {
    let ours = fs::File::open("/etc/passwd").expect("a file that we hold open");
    let looks =
        "ls -l /proc/$$/fd >held; env | cut -d= -f1 | sort | tr '\\n' ' ' >&2; grep -q passwd held && exit 3; exit 4";
    let told = Place::collector(looks)
        .run(limits())
        .await
        .expect_err("it exits")
        .to_string();
    drop(ours);
    let expected = "it ended (exit status 4) before it had answered: `HOME LC_ALL PATH PWD TMPDIR `";
    assert_eq!(told, expected);
    let large = "head -c 20000000 /dev/zero >large; ls -l large >&2; exit 9";
    let told = Place::collector(large)
        .run(limits())
        .await
        .expect_err("it ends")
        .to_string();
    assert!(told.contains("16777216") || told.contains("File size limit"), "{told}");
}

#[tokio::test]
async fn a_judge_is_given_no_host_and_nobody_a_program() {
    let ask = |query: &str| format!("echo '{{\"ask\":{query}}}'\nread -r answer\necho \"$answer\" >&2; exit 1");
    let described = format!("echo '{}'", description("analyzer", "decide"));
    let told = Place::new(&described, &ask(r#"{"query":"mounts"}"#))
        .run(limits())
        .await;
    let told = told.expect_err("it exits").to_string();
    assert!(told.contains("is given no host"), "{told}");
    let command = r#"{"query":"command","argv":["/bin/id"],"timeout_ms":1,"max_bytes":1}"#;
    let told = Place::collector(&ask(command))
        .run(limits())
        .await
        .expect_err("it exits")
        .to_string();
    assert!(told.contains("no program of the host is run"), "{told}");
    let told = Place::collector(&ask(r#"{"query":"remove"}"#)).run(limits()).await;
    assert!(matches!(told, Err(ExternalError::Message { .. })), "{told:?}");
}

#[tokio::test]
async fn what_describes_itself_wrongly_is_none() {
    let good = description("collector", "gather");
    let cases = [
        (
            "another protocol",
            good.replace("\"protocol\":1", "\"protocol\":2"),
            "speaks protocol 2; this is protocol 1",
        ),
        (
            "another name",
            good.replace("own.rows", "process.list"),
            "calls itself `process.list`",
        ),
        (
            "a responder",
            good.replace("\"collector\"", "\"responder\""),
            "unknown variant `responder`",
        ),
        (
            "a phase that changes",
            good.replace("gather", "eradicate"),
            "phase `eradicate`",
        ),
        (
            "a judge that gathers",
            good.replace("collector", "analyzer"),
            "phase `gather`",
        ),
        (
            "a keyword that is not held",
            good.replace("\"required\":[\"rows\"]", "\"oneOf\":[]"),
            "`output` has `oneOf`",
        ),
        (
            "a schema of nothing",
            good.replace("{\"type\":\"integer\"}", "{}"),
            "`params.least` says no `type`",
        ),
        (
            "an unknown key",
            good.replace("\"kind\"", "\"effect\":\"destroy\",\"kind\""),
            "unknown field `effect`",
        ),
        ("no JSON", "hello".to_owned(), "no message of the protocol"),
        ("nothing", String::new(), "before it had answered"),
    ];
    for (name, said, expected) in cases {
        let place = Place::new(&format!("printf '%s\\n' '{said}'"), "");
        let told = place.describe(limits()).await.err().expect(name).to_string();
        assert!(told.contains(expected), "{name}: {told}");
    }
    let place = Place::new("exec sleep 1000", "");
    let late = Limits {
        describe: Duration::from_millis(300),
        ..limits()
    };
    let told = place.describe(late).await.err().expect("it hangs").to_string();
    assert!(told.contains("longer than 300 ms"), "{told}");
}

#[tokio::test]
async fn its_file_is_nobody_elses_and_stays_the_same() {
    let place = Place::collector(&outcome(r#"{"rows":[]}"#));
    let module = place.describe(limits()).await.expect("a module");
    place.write("#!/bin/sh\nexit 0\n");
    let ran = module.erased().run(Some(&Host::default()), json!({})).await;
    let told = ran.expect_err("another file").to_string();
    assert_eq!(
        told,
        "external module `own.rows`: its file is another than the one that described itself"
    );
    for (mode, expected) in [(0o777, "open for others to write"), (0o644, "no x bit")] {
        fs::set_permissions(&place.file, fs::Permissions::from_mode(mode)).expect("its mode");
        let told = place.describe(limits()).await.err().expect(expected).to_string();
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn parameters_are_held_against_their_schema() {
    let schema = json!({"type": "object", "required": ["paths"], "additionalProperties": false, "properties": {
        "paths": {"type": "array", "items": {"type": "string", "pattern": "^/"}, "maxItems": 2},
        "mode": {"enum": ["a", "b"]}, "least": {"type": ["integer", "null"], "minimum": 1}}});
    assert_eq!(schema::hold(&schema, "params"), Ok(()));
    let rows = [
        (json!({"paths": ["/a"]}), None),
        (json!({"paths": [], "mode": "b", "least": null}), None),
        (json!({"paths": [], "least": 2.0}), None),
        (json!({}), Some("`with` has no `paths`")),
        (
            json!({"paths": ["a"]}),
            Some("`with.paths[0]` does not have the declared form"),
        ),
        (
            json!({"paths": ["/", "/", "/"]}),
            Some("`with.paths` has fewer or more items than declared"),
        ),
        (
            json!({"paths": [], "mode": "c"}),
            Some("`with.mode` is none of the declared words"),
        ),
        (
            json!({"paths": [], "least": 0}),
            Some("`with.least` lies outside of what is declared"),
        ),
        (
            json!({"paths": [], "least": 1.5}),
            Some("`with.least` is number, declared is integer or null"),
        ),
        (json!({"paths": [], "more": 1}), Some("`with.more` is not declared")),
    ];
    for (value, expected) in rows {
        assert_eq!(schema::misfit(&schema, &value, "with").as_deref(), expected, "{value}");
    }
}

#[test]
fn names() {
    for name in ["own.rows", "a.b.c", "x1.y_2"] {
        assert!(is_name(name), "{name}");
    }
    for name in ["rows", "Own.rows", ".rows", "own.", "own-x.rows", "1a.b", "../a.b", ""] {
        assert!(!is_name(name), "{name}");
    }
}
