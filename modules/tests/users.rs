//! Accounts, logins, keys and sudoers of a host in memory: what is found, what only looks like it, what is refused.

use std::sync::Arc;

use deminer_engine::finding::{Artifact, Bearing, Condemned, Finding};
use deminer_engine::host::{HostView, Transport};
use deminer_engine::module::{ModuleError, Ran};
use deminer_worker::action::{AccountTarget, Act, Done, FileTarget, LineTarget, Syntax};
use deminer_worker::platform::Platform;
use deminer_worker::platform::simulated::{Simulated, World, infected};
use deminer_worker::query::{Answer, Query};
use deminer_worker::text::{HostBytes, HostPath};
use serde_json::{Value, json};

#[allow(dead_code, reason = "each test program uses its own part")]
mod planning;

const OPS: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG89QfyupCRgAfkTyMztrDAKLYREpesC3clfJTmHlDNz";
const OPS_PRINT: &str = "SHA256:xE6bHDHH7t+o/ORYOiAQ3KwGFNiuLUE3+8CBKwiya1U";

/// A host that an intruder got into: a twin of root, a revived account, keys, rules; and what only looks like that.
fn world() -> Value {
    let logged = format!(
        "Nov 25 02:30:00 web-3 sshd[800]: Accepted publickey for ops from 192.0.2.7 port 4022 ssh2: ED25519 {OPS_PRINT}\n"
    );
    json!({
        "worker": 900,
        "processes": [
            {"pid": 500, "exe": "/usr/sbin/sshd"},
            {"pid": 800, "ppid": 500, "exe": "/usr/sbin/sshd", "argv": ["sshd: ops [priv]"]},
            {"pid": 801, "ppid": 800, "exe": "/usr/sbin/sshd", "argv": ["sshd: ops@pts/0"], "uid": 1000},
            {"pid": 810, "ppid": 801, "exe": "/usr/bin/bash", "uid": 1000, "environ": ["USER=ops"]},
            {"pid": 900, "ppid": 810, "exe": "/run/.deminer/worker", "exe_content": "the worker"},
            {"pid": 700, "ppid": 500, "exe": "/usr/sbin/sshd", "argv": ["sshd: toor@pts/9"]}
        ],
        "files": [
            {"path": "/etc/passwd", "content": "root:x:0:0:root:/root:/bin/bash\ngames:x:5:60:games:/usr/games:/bin/bash\nnews:x:9:9::/var/spool/news:/usr/sbin/nologin \nops:x:1000:1000:Ops:/home/ops:/bin/bash\ntoor:$1$s$h:0:0::/root:/bin/bash\n"},
            {"path": "/etc/shadow", "mode": "0640", "content": "root:*:20000::::::\ngames:$6$s$h:20000::::::\nnews:*:20000::::::\nops:$6$s$h:20000::::::\n"},
            {"path": "/etc/group", "content": "sudo:x:27:ops\ndocker:x:998:games\n"},
            {"path": "/root/.ssh/authorized_keys", "mode": "0600", "content": format!("{OPS} ops@laptop\ncommand=\"/tmp/.x/run\",no-pty {OPS} x\n")},
            {"path": "/home/ops/.ssh/authorized_keys", "uid": 1000, "content": format!("# mine\n{OPS} mdrfckr\n")},
            {"path": "/var/spool/news/.ssh/authorized_keys", "uid": 9, "content": format!("environment=\"LD_PRELOAD=/tmp/x.so\" {OPS}\n")},
            {"path": "/etc/ssh/keys/ops", "target": "../real"},
            {"path": "/etc/ssh/real", "content": format!("{OPS} linked\n")},
            {"path": "/etc/ssh/sshd_config", "content": "Include sshd_config.d/*.conf\nAuthorizedKeysFile .ssh/authorized_keys /etc/ssh/keys/%u\nMatch User ops\n  PermitRootLogin yes\n"},
            {"path": "/etc/ssh/sshd_config.d/50-x.conf", "content": "AuthorizedKeysCommand /usr/local/bin/keys %u\n"},
            {"path": "/etc/sudoers", "mode": "0440", "content": "Defaults env_reset\nUser_Alias ADMINS = ops\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n"},
            {"path": "/etc/sudoers.d/app", "content": "# restart\nops ALL=(root) NOPASSWD: /usr/bin/systemctl restart app\n"},
            {"path": "/etc/sudoers.d/zz", "content": "games ALL=(ALL) \\\\\n  NOPASSWD: ALL\nADMINS ALL=(ALL) ALL\nDefaults !authenticate\njunk\n"},
            {"path": "/etc/sudoers.d/zz.bak", "content": "old ALL=(ALL) NOPASSWD: ALL\n"},
            {"path": "/var/log/auth.log", "content": logged},
        ]
    })
}

async fn view(world: Value) -> Arc<dyn HostView> {
    let host = Simulated::new(World::from_value(world).expect("a world"));
    host.connect("web-3").await.expect("a world answers")
}

async fn run(module: &str, host: &Arc<dyn HostView>, with: Value) -> Result<Ran, ModuleError> {
    let modules = deminer_modules::all();
    let found = modules.iter().find(|m| m.about().name == module);
    found
        .expect("a module of the list")
        .erased()
        .run(Some(host.as_ref()), with)
        .await
}

/// Signals, those for a person marked, each with its sentence.
fn told(findings: &[Finding]) -> Vec<String> {
    let one = |finding: &Finding| {
        assert_ne!(
            finding.bearing,
            Bearing::Condemns,
            "{}: nothing is condemned by looking",
            finding.signal
        );
        let mark = if finding.bearing == Bearing::Review { "!" } else { " " };
        format!("{mark} {}: {}", finding.signal, finding.sentence())
    };
    let mut told: Vec<String> = findings.iter().map(one).collect();
    told.sort();
    told
}

/// The rows, each with these fields only.
fn columns(rows: &Value, names: &[&str]) -> Vec<String> {
    let cell = |row: &Value, name: &str| match row.pointer(name).unwrap_or(&Value::Null) {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let rows = rows.as_array().expect("rows").iter();
    rows.map(|row| names.iter().map(|name| cell(row, name)).collect::<Vec<_>>().join(" | "))
        .collect()
}

#[tokio::test]
async fn accounts_and_what_is_odd_about_them() {
    let host = view(world()).await;
    let ran = run("account.list", &host, json!({})).await.expect("rows");
    let names = ["/name", "/uid", "/password", "/groups"];
    insta::assert_json_snapshot!("accounts_rows", columns(&ran.output["rows"], &names));
    insta::assert_json_snapshot!("accounts_findings", told(&ran.findings));
    let written = serde_json::to_string(&ran.output).expect("it can be written");
    assert!(!written.contains("$6$") && !written.contains("$1$"), "no hash is told");
    // A host made of the described accounts has nothing odd.
    let plain =
        view(json!({"accounts": [{"name": "root", "uid": 0}, {"name": "ops", "uid": 1000, "password": "set"}]})).await;
    let ran = run("account.list", &plain, json!({})).await.expect("rows");
    assert!(ran.findings.is_empty(), "{:?}", told(&ran.findings));
}

#[tokio::test]
async fn keys_of_every_account() {
    let host = view(world()).await;
    let ran = run("key.list", &host, json!({})).await.expect("rows");
    let names = [
        "/file/path",
        "/number",
        "/accounts",
        "/fingerprint",
        "/comment",
        "/starts",
        "/read",
        "/ours",
    ];
    insta::assert_json_snapshot!("keys_rows", columns(&ran.output["rows"], &names));
    insta::assert_json_snapshot!("keys_findings", told(&ran.findings));
    assert_eq!(ran.output["own"], OPS_PRINT);
    assert_eq!(
        columns(&ran.output["starters"], &["/place", "/number", "/command"]),
        ["authorized_key | 2 | /tmp/.x/run"]
    );
    assert!(ran.coverage.is_whole(), "{:?}", ran.coverage);
}

#[tokio::test]
async fn rules_of_sudoers() {
    let host = view(world()).await;
    let ran = run("sudoers.list", &host, json!({})).await.expect("rows");
    let names = [
        "/file/path",
        "/lines/0/number",
        "/kind",
        "/who",
        "/nopasswd",
        "/everything",
        "/read",
    ];
    insta::assert_json_snapshot!("sudoers_rows", columns(&ran.output["rows"], &names));
    insta::assert_json_snapshot!("sudoers_findings", told(&ran.findings));
    let names = ["/file/path", "/number", "/command"];
    insta::assert_json_snapshot!("sudoers_starters", columns(&ran.output["starters"], &names));
}

/// A record of utmp as x86_64 has it (utmp(5)).
fn record(kind: u8, pid: u32, line: &str, user: &str, address: [u8; 4], seconds: u32) -> Vec<u8> {
    let mut bytes = vec![0; 384];
    bytes[0] = kind;
    bytes[4..8].copy_from_slice(&pid.to_le_bytes());
    bytes[8..8 + line.len()].copy_from_slice(line.as_bytes());
    bytes[44..44 + user.len()].copy_from_slice(user.as_bytes());
    bytes[340..344].copy_from_slice(&seconds.to_le_bytes());
    bytes[348..352].copy_from_slice(&address);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn who_is_in_and_who_tried() {
    const NOW: u32 = 1_794_623_760;
    let (from, friend) = ([198, 51, 100, 9], [192, 0, 2, 7]);
    let utmp = [
        record(2, 0, "~", "reboot", [0; 4], NOW - 864_000),
        record(7, 801, "pts/0", "ops", friend, NOW - 600),
        record(7, 4_000, "pts/3", "ops", friend, NOW - 900),
        record(8, 700, "pts/9", "", [0; 4], NOW - 500),
    ];
    let wtmp = [
        record(2, 0, "~", "reboot", [0; 4], NOW - 864_000),
        record(7, 4_000, "pts/3", "ops", friend, NOW - 900),
        record(7, 700, "pts/9", "toor", from, NOW - 700),
        vec![0; 384],
        record(8, 700, "pts/9", "", [0; 4], NOW - 650),
        vec![0; 100],
    ];
    let mut btmp: Vec<Vec<u8>> = (0..12)
        .map(|at| record(6, 1, "ssh:notty", "toor", from, NOW - 1_000 + at))
        .collect();
    btmp.push(record(6, 1, "ssh:notty", "my-password", friend, NOW - 900));
    let mut lastlog = vec![0_u8; 292 * 1_001];
    lastlog[292 * 1_000..292 * 1_000 + 4].copy_from_slice(&(NOW - 600).to_le_bytes());
    lastlog[292 * 1_000 + 4..292 * 1_000 + 9].copy_from_slice(b"pts/0");
    let mut world = world();
    let files = world["files"].as_array_mut().expect("files");
    files.extend([
        json!({"path": "/run/utmp", "content": {"hex": hex(&utmp.concat())}}),
        json!({"path": "/var/log/wtmp", "content": {"hex": hex(&wtmp.concat())}}),
        json!({"path": "/var/log/btmp", "content": {"hex": hex(&btmp.concat())}}),
        json!({"path": "/var/log/lastlog", "content": {"hex": hex(&lastlog)}}),
        json!({"path": "/dev/pts/0", "kind": "character_device", "mtime_ms": (u64::from(NOW) - 30) * 1_000}),
        json!({"path": "/var/lib/wtmpdb/wtmp.db", "content": "SQLite format 3"}),
    ]);
    let host = view(world).await;
    let ran = run("login.list", &host, json!({})).await.expect("rows");
    let mut output = ran.output.clone();
    // The clock of a host in memory goes on with every question.
    let idle = output["sessions"][0]["idle_ms"].take();
    assert!((30_000..31_000).contains(&idle.as_u64().expect("told")), "{idle}");
    output["uptime_ms"].take();
    insta::assert_json_snapshot!("logins", output);
    insta::assert_json_snapshot!("logins_findings", told(&ran.findings));
    assert!(!ran.output.to_string().contains("my-password"));
    let gaps: Vec<String> = ran.coverage.gaps.iter().map(|gap| gap.object.to_string()).collect();
    assert_eq!(gaps, ["/var/lib/wtmpdb/wtmp.db"]);
}

#[tokio::test]
async fn a_host_without_records_of_logins_says_so() {
    let host = view(json!({})).await;
    let ran = run("login.list", &host, json!({})).await.expect("rows");
    assert!(ran.findings.is_empty(), "{:?}", told(&ran.findings));
    let gaps: Vec<String> = ran.coverage.gaps.iter().map(|gap| gap.object.to_string()).collect();
    assert_eq!(gaps, ["/run/utmp", "/var/log/wtmp", "/var/log/btmp"]);
}

/// Line `number` of a file of the host, condemned.
async fn line(host: &Arc<dyn HostView>, path: &str, number: u32) -> Condemned {
    let query = Query::Read {
        path: HostPath::from(path),
        max_bytes: 1 << 20,
    };
    let Answer::Files(mut files) = host.observe(query).await.expect("an answer").value else {
        panic!("files")
    };
    let file = files.pop().expect("it is there");
    let line = file
        .content
        .as_bytes()
        .split(|b| *b == b'\n')
        .nth(number as usize - 1)
        .expect("a line");
    let line = HostBytes::new(line);
    condemned(Artifact::Line {
        file: FileTarget::from_stat(&file.stat).expect("hashed"),
        line: LineTarget {
            number,
            mark: line.clone(),
            line,
        },
    })
}

fn condemned(artifact: Artifact) -> Condemned {
    let finding = Finding::new(artifact.clone(), "test", Bearing::Condemns, "");
    Condemned {
        component: 1,
        artifact,
        because: vec![finding.id],
    }
}

async fn account(host: &Arc<dyn HostView>, name: &str) -> Condemned {
    let Answer::Accounts(accounts) = host.observe(Query::Accounts {}).await.expect("an answer").value else {
        panic!("accounts")
    };
    let found = accounts
        .iter()
        .find(|account| account.name == name.into())
        .expect("it has one");
    let account = AccountTarget::from_account(found).expect("its line was told");
    condemned(Artifact::Account { account })
}

#[tokio::test]
async fn what_is_proposed() {
    let host = view(world()).await;
    let lock = run(
        "account.lock",
        &host,
        json!({"accounts": [account(&host, "toor").await]}),
    )
    .await
    .expect("a proposal");
    assert!(matches!(&lock.proposals[0].act, Act::LockAccount { account } if account.name == "toor".into()));
    let keys = json!({"keys": [line(&host, "/var/spool/news/.ssh/authorized_keys", 1).await]});
    // It is the key that our own session came in by, on another account.
    let refused = run("key.remove", &host, keys).await.expect_err("it is ours");
    assert!(refused.to_string().contains("our own session"), "{refused}");
    let (first, last) = (
        line(&host, "/etc/sudoers.d/zz", 1).await,
        line(&host, "/etc/sudoers.d/zz", 2).await,
    );
    let sudoers = run("sudoers.remove", &host, json!({"lines": [first, last]}))
        .await
        .expect("a proposal");
    let Act::EditLines { remove, syntax, .. } = &sudoers.proposals[0].act else {
        panic!("{:?}", sudoers.proposals)
    };
    assert_eq!((remove.len(), *syntax), (2, Some(Syntax::Sudoers)));
    // Whoever hands such lines to the module for any text gets the same care.
    let lines = json!({"lines": [line(&host, "/etc/sudoers", 3).await]});
    let any = run("lines.remove", &host, lines).await.expect("a proposal");
    assert!(matches!(
        &any.proposals[0].act,
        Act::EditLines {
            syntax: Some(Syntax::Sudoers),
            ..
        }
    ));
}

#[tokio::test]
async fn what_is_refused() {
    let host = view(world()).await;
    let key = || line(&host, "/root/.ssh/authorized_keys", 1);
    let mut nobody = account(&host, "toor").await;
    nobody.because.clear();
    let rows = [
        ("account.lock", json!({"accounts": [account(&host, "root").await]})),
        ("account.lock", json!({"accounts": [key().await]})),
        ("account.lock", json!({"accounts": [nobody]})),
        ("key.remove", json!({"keys": [key().await]})),
        (
            "key.remove",
            json!({"keys": [line(&host, "/home/ops/.ssh/authorized_keys", 1).await]}),
        ),
        ("key.remove", json!({"keys": [account(&host, "toor").await]})),
        (
            "sudoers.remove",
            json!({"lines": [line(&host, "/etc/sudoers.d/zz", 1).await]}),
        ),
        (
            "sudoers.remove",
            json!({"lines": [line(&host, "/etc/sudoers.d/zz", 2).await]}),
        ),
        (
            "sudoers.remove",
            json!({"lines": [line(&host, "/etc/sudoers", 2).await]}),
        ),
    ];
    let mut refusals = Vec::new();
    for (module, with) in rows {
        let error = run(module, &host, with).await.expect_err("refused");
        refusals.push(format!("{module}: {error}"));
    }
    insta::assert_json_snapshot!("refusals", refusals);
}

#[tokio::test]
async fn a_locked_account_is_gone_and_an_open_one_is_there() {
    let simulated = Simulated::new(World::from_value(world()).expect("a world"));
    let host: Arc<dyn HostView> = simulated.clone().connect("web-3").await.expect("a world answers");
    let toor = account(&host, "toor").await;
    let still = |ran: Ran| (ran.output["found"].clone(), told_remnants(&ran.findings));
    let with = json!({"artifacts": [toor.clone()]});
    let open = run("verify.gone", &host, with.clone()).await.expect("an answer");
    assert_eq!(open.output["found"], json!(true));
    assert_eq!(open.output["rows"][0]["seen"], "account");
    let Artifact::Account { account } = toor.artifact else {
        panic!("an account")
    };
    let done = simulated.act(&Act::LockAccount { account }).expect("it can be locked");
    let Done::Changed { undo } = done else {
        panic!("{done:?}")
    };
    let locked = run("verify.gone", &host, with.clone()).await.expect("an answer");
    assert_eq!(still(locked), (json!(false), Vec::new()));
    simulated
        .undo(&undo, None, deminer_worker::action::Arming::Disarmed)
        .expect("it can be unlocked");
    let again = run("verify.gone", &host, with).await.expect("an answer");
    assert_eq!(again.output["found"], json!(true));
}

fn told_remnants(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(Finding::sentence).collect()
}

/// `linux-miner` follows a miner to the key and the rule that start it, and locks whom the operator names.
#[tokio::test]
async fn a_miner_leads_to_what_lets_it_in() {
    let mut world = serde_json::to_value(infected()).expect("a world is written");
    let files = world["files"].as_array_mut().expect("files");
    files.extend([
        json!({"path": "/root/.ssh/authorized_keys", "mode": "0600", "content": format!("{OPS} ops\ncommand=\"/tmp/.x/guard\" {OPS} x\n")}),
        json!({"path": "/etc/sudoers", "mode": "0440", "content": "root ALL=(ALL:ALL) ALL\nerp ALL=(root) \\\\\n  NOPASSWD: /tmp/.x/guard\ndeploy ALL=NOPASSWD: /tmp/.x/guard, /usr/bin/id\n"}),
    ]);
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../playbooks/linux-miner.yml");
    let checked = planning::playbook(&path).expect("a playbook that is shipped is free of mistakes");
    let (looked, plan) = planning::plan(&checked, view(world).await).await.expect("a plan");
    let lines: Vec<String> = (plan.orders.actions.iter())
        .filter_map(|action| match &action.act {
            Act::EditLines { file, remove, syntax } => {
                let numbers: Vec<u32> = remove.iter().map(|line| line.number).collect();
                Some(format!("{} {numbers:?} {syntax:?}", file.path))
            }
            _ => None,
        })
        .collect();
    let expected = [
        "/etc/sudoers [2, 3] Some(Sudoers)",
        "/root/.ssh/authorized_keys [2] None",
        "/var/spool/cron/crontabs/deploy [3] None",
    ];
    let mut sorted = lines.clone();
    sorted.sort();
    assert_eq!(sorted, expected);
    let asked = |finding: &&Finding| {
        finding.bearing == Bearing::Review
            && matches!(&finding.artifact, Artifact::Line { file, line } if file.path == "/etc/sudoers".into() && line.number == 4)
    };
    let review = looked
        .findings
        .iter()
        .find(asked)
        .expect("a rule that grants other things too is for a person");
    assert!(review.sentence().contains("/tmp/.x/guard"), "{}", review.sentence());
}
