//! One suite of questions, asked of this machine, of this machine over SSH and of a recording: answers and coverage agree.
//!
//! What does not move is compared whole. What moves of itself, or is of whoever else works on this machine, is left out by
//! [`Row::but`] with the reason; what is left of it still has to be there on all sides.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use deminer_engine::host::recorded::{Recorded, Recorder};
use deminer_engine::host::{HostView, Link, Local, Transport};
use deminer_worker::query::{
    Answer, CommandQuery, HostError, Observed, Peer, ProcessesQuery, Query, Span, WatchQuery, WatchedLine,
};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};
use serde_json::{Value, json};

use crate::common::command::program;
use crate::common::infection::{stripped, write_program};
use crate::common::machine::needs_root;
use crate::sshd::{Account, Mounted, Sshd};
use crate::{landing, runtime};

/// The bytes of one recording.
const RECORDING: u64 = 64 << 20;

const LINE: &str = "* * * * * /tmp/.x/miner";

/// What the questions are about: all of it the test's own.
struct Fixture {
    directory: tempfile::TempDir,
    mounted: Mounted,
    account: Account,
    process: Child,
    listener: TcpListener,
    _ends: (TcpStream, TcpStream),
    udp: UdpSocket,
}

impl Fixture {
    fn new() -> Fixture {
        let directory = tempfile::Builder::new().prefix("deminer-agree-").tempdir();
        let directory = directory.expect("a directory");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
        let at = |name: &str| directory.path().join(name);
        fs::create_dir_all(at("deep/er")).expect("directories");
        fs::create_dir(at("closed")).expect("a directory");
        let files: [(&str, &[u8], u32); 6] = [
            ("plain", b"one\ntwo\n", 0o644),
            ("deep/er/long", &[b'x'; 4000], 0o640),
            ("crontab", LINE.as_bytes(), 0o644),
            ("secret", b"for root\n", 0o600),
            ("closed/inside", b"unseen\n", 0o644),
            ("..\x1b[31m \u{202e}odd", b"\xff\x00\x1b]0;x\x07", 0o4755),
        ];
        for (name, content, mode) in files {
            fs::write(at(name), content).expect("a file");
            fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).expect("its mode");
        }
        fs::write(directory.path().join(std::ffi::OsStr::from_bytes(b"no\xffutf8")), "").expect("a file");
        fs::set_permissions(at("closed"), fs::Permissions::from_mode(0o700)).expect("its mode");
        chown(at("plain"), Some(4711), Some(4712)).expect("our own file");
        symlink("../../etc/passwd", at("link")).expect("a link");
        UnixListener::bind(at("socket")).expect("a socket");
        // A program of the test's own, so that no other process runs the same file.
        write_program(&at("sleeper"), &[&fs::read("/usr/bin/sleep").expect("sleep(1)")]);
        let process = Command::new(at("sleeper"))
            .arg("600")
            .env_clear()
            .env("AGREES", "\x1b[2J")
            .current_dir(at("deep"))
            .stdin(File::open(at("plain")).expect("a file"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let near = TcpStream::connect(listener.local_addr().expect("its address")).expect("a connection");
        let far = listener.accept().expect("a connection").0;
        Fixture {
            mounted: Mounted::new("noexec,size=1m"),
            account: Account::new("/bin/bash", None),
            process,
            listener,
            _ends: (near, far),
            udp: UdpSocket::bind("127.0.0.1:0").expect("a port"),
            directory,
        }
    }

    fn at(&self, name: &str) -> HostPath {
        HostPath::new(self.directory.path().join(name).as_os_str().as_bytes())
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().expect("its address").port()
    }

    fn udp_port(&self) -> u16 {
        self.udp.local_addr().expect("its address").port()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // Our own child, not reaped yet.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One question, and what of its answer is compared.
struct Row {
    query: Query,
    kept: Box<dyn Fn(&mut Value)>,
}

impl Row {
    /// Answers agree in all.
    fn whole(query: Query) -> Row {
        Row {
            query,
            kept: Box::new(|_| {}),
        }
    }

    /// Answers agree but for this, and for that reason.
    fn but(query: Query, _reason: &str, kept: impl Fn(&mut Value) + 'static) -> Row {
        Row {
            query,
            kept: Box::new(kept),
        }
    }
}

/// Keeps of a list what is meant; it may not be empty then.
fn only(answer: &mut Value, meant: impl Fn(&Value) -> bool) {
    let list = answer["value"]["value"].as_array_mut().expect("a list");
    list.retain(meant);
    assert!(!list.is_empty(), "the test's own is not among them");
}

/// Keeps the gaps that are about what is the test's own: others' processes come and go while one looks.
fn own_gaps(answer: &mut Value, pid: u32, own: &HostPath) {
    if let Some(gaps) = answer["coverage"]["gaps"].as_array_mut() {
        gaps.retain(|gap| {
            let object = gap["object"].as_str().unwrap_or_default();
            object.starts_with(&own.to_string()) || object == pid.to_string()
        });
    }
}

/// A value as the kind of thing that it is: objects by their keys, lists by the kinds that are in them.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        Value::Array(items) => {
            let kinds: BTreeSet<String> = items.iter().map(|item| shape(item).to_string()).collect();
            json!(kinds)
        }
        Value::String(_) => json!("a string"),
        Value::Number(_) => json!("a number"),
        Value::Bool(_) => json!("yes or no"),
        Value::Null => Value::Null,
    }
}

/// Replaces what these fields hold by its kind, in every row of an answer.
fn by_kind(value: &mut Value, fields: &[&str]) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match fields.contains(&key.as_str()) {
                    true => *value = shape(value),
                    false => by_kind(value, fields),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| by_kind(item, fields)),
        _ => {}
    }
}

/// The suite: at least one row for every kind of question.
fn suite(fixture: &Fixture) -> Vec<Row> {
    let pid = fixture.process.id();
    let (port, udp_port) = (fixture.port(), fixture.udp_port());
    let name = fixture.account.name.clone();
    let point = fixture.mounted.at.path().to_string_lossy().into_owned();
    let files =
        || ["plain", "link", "secret", "socket", "deep", "absent", "closed/inside"].map(|name| fixture.at(name));
    let processes = |pids: Option<Vec<u32>>| {
        Query::Processes(ProcessesQuery {
            pids,
            sample_ms: 50,
            digest: true,
            environ: true,
            fds: true,
            maps: true,
        })
    };
    let used = ["cpu_ms", "cpu_centi", "rss"];
    let own = HostPath::new(fixture.directory.path().as_os_str().as_bytes());
    let [all, sockets, holders, watched] = std::array::from_fn(|_| own.clone());
    let mount_point = point.clone();
    vec![
        Row::but(
            Query::Host {},
            "clocks go on, load and memory are everybody's, and each worker is another process of another session",
            |answer| {
                let moving = [
                    "memory_available",
                    "load_centi",
                    "uptime_ms",
                    "host_time_ms",
                    "own_chain",
                    "own_names",
                ];
                by_kind(answer, &moving);
                let chain = &mut answer["value"]["value"]["own_names"];
                *chain = json!(chain.is_array());
            },
        ),
        Row::but(
            processes(Some(vec![pid])),
            "it is measured at another time",
            move |answer| {
                by_kind(answer, &used);
            },
        ),
        Row::but(processes(None), "others begin and end", move |answer| {
            only(answer, |row| row["pid"] == pid);
            by_kind(answer, &used);
            own_gaps(answer, pid, &all);
        }),
        Row::but(Query::Sockets {}, "others are opened and closed", move |answer| {
            only(answer, |row| {
                [port, udp_port]
                    .iter()
                    .any(|own| row["local"]["port"] == *own || row["remote"]["port"] == *own)
            });
            own_gaps(answer, pid, &sockets);
        }),
        Row::whole(Query::Stat {
            paths: files().to_vec(),
            digest: true,
        }),
        Row::whole(Query::List { path: own.clone() }),
        Row::whole(Query::List {
            path: fixture.at("closed"),
        }),
        Row::whole(Query::Walk {
            roots: vec![own.clone(), fixture.at("absent")],
            max_depth: 3,
            max_entries: 100,
        }),
        Row::whole(Query::Walk {
            roots: vec![own],
            max_depth: 3,
            max_entries: 3,
        }),
        Row::whole(Query::Read {
            path: fixture.at("deep/er/long"),
            max_bytes: 100,
        }),
        Row::whole(Query::Read {
            path: fixture.at("secret"),
            max_bytes: 100,
        }),
        Row::whole(Query::ReadSpans {
            path: fixture.at("plain"),
            spans: vec![
                Span {
                    from: Wide(4),
                    bytes: 3,
                },
                Span {
                    from: Wide(6),
                    bytes: 30,
                },
            ],
        }),
        Row::whole(Query::ReadTree {
            patterns: vec![fixture.at("*"), fixture.at("deep/*/l?ng")],
            max_files: 100,
            max_file_bytes: 50,
        }),
        Row::whole(Query::Digest {
            paths: files().to_vec(),
        }),
        Row::but(
            Query::Accounts {},
            "other tests make accounts: lines before it go, and the copies are of another time",
            move |answer| {
                only(answer, |row| row["name"] == name.as_str());
                by_kind(answer, &["number"]);
                let before = &mut answer["value"]["value"][0]["before"];
                *before = json!(before.is_object());
            },
        ),
        Row::but(Query::Mounts {}, "other tests mount", move |answer| {
            only(answer, |row| row["point"] == mount_point.as_str());
        }),
        Row::whole(Query::Packages {
            files: vec![
                HostPath::from("/usr/bin/sleep"),
                fixture.at("sleeper"),
                fixture.at("absent"),
            ],
        }),
        Row::but(
            Query::Resources { sample_ms: 50 },
            "all of it is measured; file systems are those of others too",
            move |answer| {
                let systems = &mut answer["value"]["value"]["file_systems"];
                let systems = systems.as_array_mut().expect("a list");
                let of_the_test = systems.iter().find(|system| system["point"] == point.as_str()).cloned();
                answer["value"] = shape(&answer["value"]);
                answer["value"]["value"]["file_systems"] = of_the_test.expect("it is mounted");
            },
        ),
        Row::but(
            Query::Holders {
                files: vec![fixture.at("plain"), fixture.at("sleeper"), fixture.at("deep")],
            },
            "others end while it is looked at",
            move |answer| own_gaps(answer, pid, &holders),
        ),
        Row::whole(Query::Roots { pids: vec![pid] }),
        Row::but(
            Query::Command(CommandQuery {
                argv: ["/usr/bin/printf", r"\033[31m%s", "said"].map(HostBytes::from).to_vec(),
                timeout_ms: 5_000,
                max_bytes: 100,
            }),
            "it takes its time",
            |answer| by_kind(answer, &["took_ms"]),
        ),
        Row::but(
            Query::Units {},
            "sessions come and go, and services start and end",
            |answer| {
                if let Some(units) = answer["value"]["value"].as_array_mut() {
                    units.retain(|unit| !unit["fragment"].is_null());
                }
                by_kind(answer, &["active_state", "sub_state"]);
            },
        ),
        Row::but(
            Query::Network {},
            "whose sockets could not be seen: others' processes come and go while one looks",
            |answer| {
                if let Some(gaps) = answer["coverage"]["gaps"].as_array_mut() {
                    gaps.retain(|gap| gap["subject"] != "fds");
                }
            },
        ),
        Row::but(Query::Blocks {}, "what is left of a block gets less", |answer| {
            by_kind(answer, &["left_ms", "isolated_ms", "dropped"]);
        }),
        Row::but(
            Query::Watch(WatchQuery {
                cursor: None,
                for_ms: 100,
                executables: vec![Digest::of(&fs::read("/usr/bin/sleep").expect("sleep(1)"))],
                files: vec![fixture.at("secret"), fixture.at("absent"), fixture.at("closed/inside")],
                lines: vec![WatchedLine {
                    path: fixture.at("crontab"),
                    line: HostBytes::from(LINE),
                }],
                remotes: vec![Peer {
                    address: "127.0.0.1".to_owned(),
                    port,
                }],
            }),
            "it is another moment, and others sleep too",
            move |answer| {
                by_kind(answer, &["cursor", "covered_ms"]);
                let seen = answer["value"]["value"]["sightings"].as_array_mut().expect("a list");
                seen.retain(|seen| seen["saw"] != "running" || seen["pid"] == pid);
                own_gaps(answer, pid, &watched);
            },
        ),
    ]
}

/// The names of all kinds of question, as the enum itself has them.
fn kinds() -> BTreeSet<String> {
    let error = serde_json::from_value::<Query>(json!({"query": "no such kind"})).expect_err("it is none");
    let said = error.to_string();
    let (_, names) = said.split_once("expected one of ").expect("the names of all");
    let kinds: BTreeSet<String> = names.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(kinds.contains("host") && kinds.contains("watch"), "{said}");
    kinds
}

/// The kind of a question.
fn kind(query: &Query) -> String {
    let value = serde_json::to_value(query).expect("a question can be written");
    value["query"].as_str().expect("a kind").to_owned()
}

/// A link that is looked at by its recorder, and by the test too.
struct Shared(Arc<Link>);

#[async_trait]
impl HostView for Shared {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn observe(&self, query: Query) -> Result<Observed<Answer>, HostError> {
        self.0.observe(query).await
    }
}

/// What is compared of an answer.
fn compared(row: &Row, result: &Result<Observed<Answer>, HostError>) -> Value {
    let mut value = match result {
        Ok(observed) => json!({"value": observed.value, "coverage": observed.coverage}),
        Err(error) => return json!({"error": error}),
    };
    (row.kept)(&mut value);
    value
}

/// Asks all of it of both, and of what was recorded of the one over SSH.
async fn hold_against_each_other(fixture: &Fixture, here: &Link, there: Arc<Link>) -> Vec<(String, Value)> {
    let folder = tempfile::tempdir().expect("a directory");
    let there = Recorder::new(Shared(there), folder.path(), RECORDING).expect("a recording");
    let recorded = Recorded::open("recorded", folder.path());
    let (mut agreed, mut asked) = (Vec::new(), BTreeSet::new());
    for row in suite(fixture) {
        let asks = || row.query.clone();
        asked.insert(kind(&row.query));
        let early = recorded.observe(asks()).await;
        assert!(
            matches!(early, Err(HostError::NotRecorded { .. })),
            "{:?}: {early:?}",
            row.query
        );
        let local = here.observe(asks()).await;
        let ssh = there.observe(asks()).await;
        assert_eq!(recorded.observe(asks()).await, ssh, "{:?}", row.query);
        let (local, ssh) = (compared(&row, &local), compared(&row, &ssh));
        assert_eq!(local, ssh, "{:?}", row.query);
        agreed.push((kind(&row.query), local));
    }
    assert_eq!(asked, kinds(), "every kind of question has a row in the suite");
    agreed
}

#[test]
fn local_ssh_and_recorded_agree_in_every_question() {
    if !needs_root() {
        return;
    }
    let (fixture, sshd, landing) = (Fixture::new(), Sshd::start(), landing());
    runtime().block_on(async {
        let here = Local::new(program()).connect("here").await.expect("a worker");
        let way = sshd.reach(sshd.target("root", &[landing.path()]));
        let there = way.connect("there").await.expect("reached");
        let agreed = hold_against_each_other(&fixture, &here, there).await;
        let gaps = |kind: &str| {
            let mut of_kind = agreed.iter().filter(|(asked, _)| asked == kind);
            of_kind.any(|(_, answer)| answer.to_string().contains("\"why\""))
        };
        assert!(gaps("walk"), "a walk that is cut says so on all sides");
        assert!(
            agreed.iter().all(|(_, answer)| answer.get("error").is_none()),
            "{agreed:?}"
        );
    });
}

/// A program that starts the worker as this account.
fn as_account(directory: &Path, account: &Account) -> PathBuf {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).expect("its mode");
    let (worker, starts) = (directory.join("deminer"), directory.join("starts"));
    write_program(&worker, &[&stripped(&program())]);
    let script = format!(
        "#!/bin/sh\nexec /usr/bin/setpriv --reuid={0} --regid=\"$(/usr/bin/id -g {0})\" --init-groups {1} \"$@\"\n",
        account.name,
        worker.display()
    );
    write_program(&starts, &[script.as_bytes()]);
    starts
}

#[test]
fn they_agree_in_what_a_plain_account_may_not_see() {
    if !needs_root() {
        return;
    }
    let (fixture, sshd, landing) = (Fixture::new(), Sshd::start(), landing());
    fs::set_permissions(landing.path(), fs::Permissions::from_mode(0o1777)).expect("its mode");
    let folder = tempfile::tempdir().expect("a directory");
    let starts = as_account(folder.path(), &fixture.account);
    runtime().block_on(async {
        let here = Local::new(starts).connect("here").await.expect("a worker");
        let way = sshd.reach(sshd.target(&fixture.account.name, &[landing.path()]));
        let there = way.connect("there").await.expect("reached");
        let agreed = hold_against_each_other(&fixture, &here, there).await;
        for kind in [
            "stat",
            "list",
            "walk",
            "read",
            "read_tree",
            "digest",
            "processes",
            "roots",
        ] {
            let mut of_kind = agreed.iter().filter(|(asked, _)| asked == kind);
            let denied = of_kind.any(|(_, answer)| answer.to_string().contains("denied"));
            assert!(denied, "`{kind}` is not denied anything: {agreed:#?}");
        }
    });
}
