use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::diagnostic::Code;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if text.starts_with("#!") {
            write_program(&path, text);
        } else {
            fs::write(&path, text).unwrap();
        }
    }
    folder
}

/// Another process writes it: what somebody still has open to write to it cannot be started, and a child that another test
/// starts in this moment would have it open.
fn write_program(at: &Path, text: &str) {
    let script = "printf %s \"$1\" > \"$0\"; chmod 755 \"$0\"";
    let written = Command::new("sh").args(["-euc", script]).arg(at).arg(text).status();
    assert!(written.unwrap().success(), "{}", at.display());
}

fn site() -> Site {
    Site {
        home: Some("/home/ops".into()),
        ..Site::default()
    }
}

fn load(folder: &Path, names: &[&str]) -> Result<Inventory, Diagnostics> {
    let paths: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
    Inventory::load(&paths, &site())
}

/// The inventory of one file.
#[track_caller]
fn one(name: &str, text: &str) -> Inventory {
    let folder = folder(&[(name, text)]);
    load(folder.path(), &[name]).unwrap_or_else(|mistakes| panic!("{}", mistakes.text()))
}

/// The mistakes of one file, without the folder that it lies in.
#[track_caller]
fn mistakes(name: &str, text: &str) -> String {
    let folder = folder(&[(name, text)]);
    let mistakes = load(folder.path(), &[name]).expect_err("it has mistakes");
    without(&mistakes.text(), folder.path())
}

fn without(text: &str, folder: &Path) -> String {
    text.replace(&format!("{}/", folder.display()), "")
}

fn ssh(host: &Host) -> &Ssh {
    match &host.reach {
        Ok(Reach::Ssh(ssh)) => ssh,
        other => panic!("{}: {other:?}", host.name),
    }
}

/// The variables of a host, as they may be shown.
fn vars(host: &Host) -> Value {
    let vars = host
        .vars
        .iter()
        .map(|(name, resolved)| (name.to_string(), resolved.won.shown()));
    Value::Object(vars.collect())
}

fn names<'h>(hosts: impl IntoIterator<Item = &'h Host>) -> Vec<&'h str> {
    hosts.into_iter().map(|host| &*host.name).collect()
}

const NATIVE: &str = r#"
defaults: {user: deploy, vars: {watch: 10m, pools: []}}
hosts:
  web-1:
  web-2: {address: 192.0.2.12, port: 2222, user: root, vars: {watch: 20m}}
  "db-[01:03]": {key: keys/db, sudo: false}
  here: {connection: local}
groups:
  web: [web-1, web-2]
  db: {hosts: "db-[01:03]", user: dba}
  prod:
    children: [web, db]
    jump: [ops@bastion.example.net:2222, 192.0.2.1]
    sudo: true
    key: ~/.ssh/prod
    vars: {pools: ["203.0.113.9:3333"]}
"#;

#[test]
fn an_inventory_of_our_own() {
    let folder = folder(&[("hosts.yml", NATIVE)]);
    let inventory = load(folder.path(), &["hosts.yml"]).unwrap();
    assert_eq!(
        names(inventory.hosts()),
        ["web-1", "web-2", "db-01", "db-02", "db-03", "here"]
    );
    let web = inventory.host("web-2").unwrap();
    assert_eq!(
        web.groups.iter().map(|g| &**g).collect::<Vec<_>>(),
        ["all", "prod", "web"]
    );
    let reach = ssh(web);
    assert_eq!(
        (
            reach.address.as_str(),
            reach.port,
            reach.user.as_deref(),
            reach.become_root
        ),
        ("192.0.2.12", Some(2222), Some("root"), Become::Sudo)
    );
    assert_eq!(
        reach.jump_text().as_deref(),
        Some("ops@bastion.example.net:2222,192.0.2.1")
    );
    assert_eq!(reach.key.as_deref(), Some(Path::new("/home/ops/.ssh/prod")));
    assert_eq!(vars(web), json!({"watch": "20m", "pools": ["203.0.113.9:3333"]}));

    let user = &web.settings["user"];
    assert_eq!(user.won.origin.line, Some(5));
    assert_eq!(user.lost.len(), 1);
    assert_eq!(
        (user.lost[0].shown(), user.lost[0].origin.line),
        (json!("deploy"), Some(2))
    );

    let db = inventory.host("db-02").unwrap();
    assert_eq!(
        (ssh(db).user.as_deref(), ssh(db).become_root),
        (Some("dba"), Become::No)
    );
    assert_eq!(ssh(db).key.as_deref(), Some(folder.path().join("keys/db").as_path()));
    assert_eq!(inventory.host("here").unwrap().reach, Ok(Reach::Local));
    assert_eq!(
        inventory.host("here").unwrap().groups.last().map(|g| &**g),
        Some("ungrouped")
    );
}

#[test]
fn a_hop_that_is_a_host_of_the_inventory_is_reached_where_that_is() {
    let text =
        "hosts: {b: {address: 192.0.2.1, port: 2222, user: ops}, w: {jump: b}, x: {jump: 'me@b,c'}, y: {jump: none}}\n";
    let inventory = one("hosts.yml", text);
    let jump = |name: &str| ssh(inventory.host(name).unwrap()).jump_text();
    assert_eq!(jump("w").as_deref(), Some("ops@192.0.2.1:2222"));
    assert_eq!(jump("x").as_deref(), Some("me@192.0.2.1:2222,c"));
    assert_eq!(jump("y").as_deref(), Some("none"));
    assert_eq!(jump("b"), None);
    let ansible = one("hosts", "b ansible_host=192.0.2.1\nw ansible_ssh_common_args='-J b'\n");
    assert_eq!(ssh(ansible.host("w").unwrap()).jump_text().as_deref(), Some("b"));
}

#[test]
fn no_secret_is_in_a_debugging_form() {
    let inventory = one("hosts", "h api_token=hunter2 db=\"{'password': 'hunter2'}\"\n");
    let shown = format!("{inventory:?}");
    assert!(shown.contains("api_token") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn mistakes_are_told_up_to_a_hundred() {
    let files: Vec<(String, String)> = (0..300)
        .map(|n| (format!("host_vars/h{n}"), "- a\n".to_owned()))
        .collect();
    let mut all: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    all.push(("hosts", "h[0:299]\n"));
    let folder = folder(&all);
    let mistakes = load(folder.path(), &["hosts"]).unwrap_err();
    assert_eq!(mistakes.len(), 101);
    assert!(mistakes.text().contains("200 more mistakes are not shown"));
}

#[test]
fn mistakes_of_our_own_form_are_told_all_at_once() {
    let text = r#"
defaults: {usr: root, port: 0}
hosts:
  -oProxyCommand=id: {}
  web-1: {addres: 192.0.2.1, user: "root;id", vars: {2x: 1, ansible_port: 2}}
  "web-[1:999999999]":
  "web-[1:2]": {address: 192.0.2.1}
  db: {jump: "-oProxyCommand=id", sudo: maybe, connection: winrm, db_password: hunter2}
groups:
  web: [web-1, wbe-2]
  all: []
  prod: {children: [wbe]}
"#;
    insta::assert_snapshot!(mistakes("hosts.yml", text));
}

#[test]
fn what_is_there_twice_is_refused_across_files() {
    let folder = folder(&[
        ("a.yml", "hosts: {web: {}}\ngroups: {g: [web]}\n"),
        ("b.yml", "hosts: {web: {}}\ngroups: {g: [web]}\n"),
    ]);
    let mistakes = load(folder.path(), &["a.yml", "b.yml"]).unwrap_err();
    let codes: Vec<Code> = mistakes.iter().map(|mistake| mistake.code).collect();
    assert_eq!(codes, [Code::InventoryTwice, Code::InventoryTwice]);
    assert!(mistakes.iter().all(|mistake| mistake.message.contains("a.yml:")));
}

#[test]
fn a_circle_of_groups_is_named() {
    let text = "hosts: {a: {}}\ngroups: {x: {children: [y]}, y: {children: [z]}, z: {children: [x]}}\n";
    let told = mistakes("hosts.yml", text);
    assert!(
        told.contains("I0108") && told.contains("`x` > `y` > `z` > `x`"),
        "{told}"
    );
}

#[test]
fn hosts_at_one_place_are_named() {
    let inventory = one(
        "hosts.yml",
        "hosts: {a: {address: b}, b: {port: 22}, c: {address: b, port: 23}}\n",
    );
    let told: Vec<&str> = inventory.warnings().iter().map(|w| w.message.as_str()).collect();
    assert_eq!(told, ["`a`, `b` are all reached at b port 22"]);
}

const INI: &str = r#"
# hosts of nobody
alone ansible_host=192.0.2.9

[web]
web-[01:03].example.net:2222 watch=20m   # the port is of all
web-04.example.net ansible_user=root note='a # b' list="['a', 'b']" on=True n=5

[db]
db-[a:b] ansible_ssh_private_key_file=~/.ssh/db ansible_become=no

[prod:children]
web
db

[prod:vars]
ansible_user = deploy
ansible_become=yes
ansible_password=hunter2
ansible_ssh_common_args='-o ProxyCommand="ssh -W %h:%p -q ops@bastion.example.net"'
pools=203.0.113.9:3333,203.0.113.10:3333 # kept
ansible_python_interpreter=/usr/bin/python3

[all:vars]
watch=10m
"#;

#[test]
fn an_ini_inventory_of_ansible() {
    let inventory = one("hosts", INI);
    assert_eq!(names(inventory.members("prod")).len(), 6);
    let first = inventory.host("web-01.example.net").unwrap();
    let reach = ssh(first);
    assert_eq!((reach.port, reach.user.as_deref()), (Some(2222), Some("deploy")));
    assert_eq!(reach.jump_text().as_deref(), Some("ops@bastion.example.net"));
    assert_eq!(reach.become_root, Become::Sudo);
    assert_eq!(vars(first)["watch"], "20m");
    assert_eq!(vars(first)["pools"], "203.0.113.9:3333,203.0.113.10:3333 # kept");
    let lost = &first.vars["watch"].lost[0];
    assert_eq!(
        (lost.shown(), lost.origin.line, lost.layer),
        (json!("10m"), Some(25), Layer::All)
    );

    let fourth = inventory.host("web-04.example.net").unwrap();
    assert_eq!((ssh(fourth).port, ssh(fourth).user.as_deref()), (None, Some("root")));
    let said = vars(fourth);
    assert_eq!(
        (&said["note"], &said["list"], &said["on"], &said["n"]),
        (&json!("a # b"), &json!(["a", "b"]), &json!(true), &json!(5))
    );

    let db = inventory.host("db-b").unwrap();
    assert_eq!(ssh(db).become_root, Become::No);
    assert_eq!(ssh(db).key.as_deref(), Some(Path::new("/home/ops/.ssh/db")));
    let unused: Vec<(&str, WhyUnused)> = db.unused.iter().map(|u| (u.name.as_str(), u.why)).collect();
    let expected = [
        ("ansible_password", WhyUnused::Password),
        ("ansible_python_interpreter", WhyUnused::Interpreter),
    ];
    assert_eq!(unused, expected);
    assert!(!format!("{inventory:?}").contains("hunter2"), "no secret is printed");
    assert_eq!(names(inventory.members("ungrouped")), ["alone"]);
}

#[test]
fn mistakes_of_an_ini_inventory() {
    let text = "[web\n[web]x]\n[a b]\n[web:hostvars]\nx=1\n[web]\nw-[1:2 a=b\nw ansible_password=hunter2 secret2\nw 'a\n-x\nw:99999\n\
                [wbe:vars]\na=1\n[prod:children]\nwbe x\ndb-\n[all:vars]\nno\n1=2\n";
    insta::assert_snapshot!(mistakes("hosts.ini", text));
}

#[test]
fn a_yaml_inventory_of_ansible() {
    let text = r#"---
all:
  vars: {ansible_user: deploy, mode: 0644, on: yes}
  hosts:
    alone: {ansible_host: "2001:db8::9", ansible_port: 2222}
  children:
    web:
      hosts:
        web-[1:2].example.net:
          big: 99999999999999999999
        "string-only": {answer: y, no: "yes"}
      vars:
        ansible_become: true
        secret: !vault |
          $ANSIBLE_VAULT;1.1;AES256
          6162
        greeting: "{{ inventory_hostname }}"
    prod:
      children: {web: }
      vars: {watch: 20m}
"#;
    let inventory = one("hosts.yaml", text);
    let web = inventory.host("web-2.example.net").unwrap();
    assert_eq!(
        web.groups.iter().map(|g| &**g).collect::<Vec<_>>(),
        ["all", "prod", "web"]
    );
    assert_eq!(
        (ssh(web).user.as_deref(), ssh(web).become_root),
        (Some("deploy"), Become::Sudo)
    );
    assert_eq!((&vars(web)["on"], &vars(web)["mode"]), (&json!(true), &json!(0o644)));
    let words = vars(inventory.host("string-only").unwrap());
    assert_eq!((&words["answer"], &words["no"]), (&json!("y"), &json!("yes")));
    assert_eq!(vars(web)["big"], "99999999999999999999");
    assert_eq!(web.vars["secret"].won.content, Content::Sealed);
    assert!(matches!(web.vars["greeting"].won.content, Content::Template(_)));
    assert_eq!(web.vars["watch"].won.origin.line, Some(20));
    assert_eq!(ssh(inventory.host("alone").unwrap()).address, "2001:db8::9");
}

#[test]
fn variables_beside_an_inventory_count_as_ansible_has_it() {
    let folder = folder(&[
        (
            "inv/hosts",
            "[web]\nw1 a=line b=line\n[web:vars]\na=web b=web c=web\nd=web\ne=web\n[all:vars]\nf=all\n",
        ),
        ("inv/group_vars/all.yml", "c: all-file\nd: all-file\nf: all-file\n"),
        ("inv/group_vars/web/10.yml", "d: web-file\n"),
        ("inv/group_vars/web/20.json", "{\"d\": \"web-file-2\"}"),
        ("inv/group_vars/web/.hidden.yml", "d: hidden\n"),
        ("inv/group_vars/web/x.txt", "d: text\n"),
        ("inv/group_vars/web.yml", "d: not read\n"),
        ("inv/host_vars/w1", "b: host-file\n"),
        ("inv/host_vars/w2.yml", "b: other\n"),
        ("inv/group_vars/sealed.yml", "not read\n"),
    ]);
    let inventory = load(folder.path(), &["inv/hosts"]).unwrap();
    let host = inventory.host("w1").unwrap();
    assert_eq!(
        vars(host),
        json!({"f": "all-file", "a": "line", "d": "web-file-2", "e": "web", "c": "all-file", "b": "host-file"})
    );
    let d: Vec<Value> = host.vars["d"].lost.iter().map(|given| given.shown()).collect();
    assert_eq!(d, ["web-file", "all-file", "web"]);
}

#[test]
fn of_groups_equally_far_the_priority_and_then_the_alphabet_counts() {
    let text = "[a]\nh\n[b]\nh\n[c]\nh\n[a:vars]\nx=a\ny=a\nansible_group_priority=10\n[b:vars]\nx=b\ny=b\n[c:vars]\ny=c\nz=c\n";
    let inventory = one("hosts", text);
    let host = inventory.host("h").unwrap();
    assert_eq!(vars(host), json!({"x": "a", "y": "a", "z": "c"}));
    assert_eq!(
        host.groups.iter().map(|g| &**g).collect::<Vec<_>>(),
        ["all", "b", "c", "a"]
    );
}

#[test]
fn a_connection_that_cannot_be_told_refuses_its_host_alone() {
    let text = r#"
good ansible_host=192.0.2.1
tmpl ansible_host="{{ inventory_hostname }}.example.net"
winrm ansible_connection=winrm
su ansible_become=true ansible_become_method=su
user ansible_become=true ansible_become_user=postgres
word ansible_user='$(id)'
opt ansible_host=-oProxyCommand=id
port ansible_port=http
proxy ansible_ssh_common_args='-o ProxyCommand="nc %h %p"'
pct ansible_host=192.0.2.1%eth0
off ansible_become=false ansible_become_method=su
"#;
    let inventory = one("hosts", text);
    let refused: Vec<String> = inventory
        .hosts()
        .iter()
        .filter_map(|host| {
            let refused = host.reach.as_ref().err()?;
            let reasons: Vec<&str> = refused.reasons.iter().map(|reason| reason.what.as_str()).collect();
            Some(format!("{}: {}", host.name, reasons.join("; ")))
        })
        .collect();
    insta::assert_snapshot!(refused.join("\n"));
    assert!(inventory.host("good").unwrap().reach.is_ok() && inventory.host("off").unwrap().reach.is_ok());
}

#[test]
fn a_folder_of_inventories_is_read_by_name() {
    let folder = folder(&[
        ("inv/10-hosts.ini", "[web]\nw1\n"),
        ("inv/20-more.yml", "all: {children: {web: {hosts: {w2: {x: 1}}}}}\n"),
        ("inv/30-ours.yml", "hosts: {ours: {}}\ngroups: {mixed: [ours, w1]}\n"),
        ("inv/group_vars/web.yml", "y: 2\n"),
        ("inv/.hidden", "no\n"),
        ("inv/old.cfg", "no\n"),
        ("inv/readme.md", "no\n"),
        ("inv/sub/40", "[db]\nd1\n"),
    ]);
    let inventory = load(folder.path(), &["inv"]).unwrap();
    assert_eq!(names(inventory.hosts()), ["w1", "w2", "ours", "d1"]);
    assert_eq!(vars(inventory.host("w2").unwrap()), json!({"y": 2, "x": 1}));
    assert_eq!(names(inventory.members("mixed")), ["ours", "w1"]);
}

#[test]
fn programs_tell_hosts() {
    let listed = r#"{"web": {"hosts": ["w1"], "vars": {"x": 1}, "children": ["sub"]}, "sub": ["w2"], "lone": {"y": 2},
                     "_meta": {"hostvars": {"w1": {"ansible_host": "192.0.2.1", "z": "{{ a }}"}}}}"#;
    let folder = folder(&[
        (
            "meta",
            &format!("#!/bin/sh\n[ \"$*\" = --list ] || exit 3\ncat <<'X'\n{listed}\nX\n"),
        ),
        (
            "each",
            "#!/bin/sh\ncase \"$1\" in --list) echo '{\"web\": {\"hosts\": [\"w1\"]}}';; --host) echo \"{\\\"me\\\": \\\"$2\\\"}\";; esac\n",
        ),
        ("kept.json", listed),
        ("fails", "#!/bin/sh\necho 'no token' >&2\nexit 3\n"),
        ("hangs", "#!/bin/sh\nsleep 60 &\necho $! > \"$0.pid\"\nwait\n"),
        ("closes", "#!/bin/sh\nexec >&- 2>&-\nexec sleep 60\n"),
        ("endless", "#!/bin/sh\nexec cat /dev/zero\n"),
        (
            "evil",
            "#!/bin/sh\necho '{\"web\": {\"hosts\": [\"-oProxyCommand=id\", 5]}, \"x y\": []}'\n",
        ),
        ("no-json", "#!/bin/sh\necho hello\n"),
    ]);
    for name in ["meta", "kept.json"] {
        let inventory = load(folder.path(), &[name]).unwrap();
        assert_eq!(names(inventory.hosts()), ["w1", "w2", "lone"], "{name}");
        assert_eq!(ssh(inventory.host("w1").unwrap()).address, "192.0.2.1");
        assert_eq!(vars(inventory.host("w2").unwrap()), json!({"x": 1}));
        let origin = inventory.host("w1").unwrap().origin.to_string();
        assert!(
            origin.ends_with("meta --list") || origin.ends_with("kept.json"),
            "{origin}"
        );
    }
    let each = load(folder.path(), &["each"]).unwrap();
    assert_eq!(vars(each.host("w1").unwrap()), json!({"me": "w1"}));

    let mut told = Vec::new();
    for name in ["fails", "evil", "no-json", "endless"] {
        let mistakes = load(folder.path(), &[name]).unwrap_err();
        told.push(without(&mistakes.text(), folder.path()));
    }
    insta::assert_snapshot!(told.join("\n"));
    for name in ["hangs", "closes"] {
        let began = Instant::now();
        let site = Site {
            program_timeout: Duration::from_secs(5),
            ..site()
        };
        let mistakes = Inventory::load(&[folder.path().join(name)], &site).unwrap_err();
        assert!(mistakes.text().contains("took too long"), "{name}: {}", mistakes.text());
        assert!(began.elapsed() < Duration::from_secs(40), "{name}");
    }
    let pid = fs::read_to_string(folder.path().join("hangs.pid")).unwrap();
    let state = || fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    let began = Instant::now();
    // What it started was killed with it; whoever reaps it may take a moment.
    while state().is_ok_and(|state| !state.contains(") Z ")) {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "it still runs: {:?}",
            state()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_program_that_may_not_be_run_is_not_read_as_a_list() {
    let folder = folder(&[("hosts", "#!/bin/sh\n")]);
    let path = folder.path().join("hosts");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let mistakes = load(folder.path(), &["hosts"]).unwrap_err();
    assert_eq!(mistakes.iter().next().unwrap().code, Code::InventoryProgram);
}

#[test]
fn what_is_no_inventory_is_named() {
    let table = [
        ("plugin.yml", "plugin: aws_ec2\n", Code::InventoryFile),
        ("play.yml", "playbook: x\n", Code::InventoryFile),
        ("empty.yml", "", Code::InventoryFile),
        ("list.yml", "- a\n", Code::InventoryKind),
        ("hosts.toml", "", Code::InventoryFile),
        ("vault", "$ANSIBLE_VAULT;1.1;AES256\n61\n", Code::InventoryFile),
        ("broken.yml", "hosts: [\n", Code::InventoryYaml),
        ("typo.yml", "host: {web-1: {}}\n", Code::InventoryKey),
    ];
    for (name, text, code) in table {
        let folder = folder(&[(name, text)]);
        let mistakes = load(folder.path(), &[name]).unwrap_err();
        assert_eq!(
            mistakes.iter().next().unwrap().code,
            code,
            "{name}: {}",
            mistakes.text()
        );
    }
    let missing = load(Path::new("/"), &["no-such-inventory"]).unwrap_err();
    assert_eq!(missing.iter().next().unwrap().code, Code::InventoryFile);
    assert_eq!(Inventory::load(&[], &site()).unwrap().hosts().len(), 0);
}

#[test]
fn patterns_choose_hosts() {
    let text = "[web]\nweb-[1:4]\n[prod]\nweb-1\nweb-2\ndb-1\n[canary]\nweb-2\n[site:children]\nweb\n[empty]\n[v6]\n2001:db8::1\n";
    let inventory = one("hosts", text);
    let file = |name: &str| match name {
        "hosts.txt" => Ok("web-3 # the third\n\n# none\nv6\n".to_owned()),
        "loop.txt" => Ok("@hosts.txt\n".to_owned()),
        _ => Err("it is not there".to_owned()),
    };
    let choose = |text: &str| -> Result<String, String> {
        let pattern = Pattern::read([text], &file).map_err(|error| error.to_string())?;
        let chosen = pattern
            .choose(&inventory)
            .map_err(|error| format!("{error}: {}", error.hint().unwrap_or_default()))?;
        Ok(names(chosen).join(" "))
    };
    let table = [
        ("all", "web-1 web-2 web-3 web-4 db-1 2001:db8::1"),
        ("web", "web-1 web-2 web-3 web-4"),
        ("site", "web-1 web-2 web-3 web-4"),
        ("web:&prod:!canary", "web-1"),
        ("!canary:web:&prod", "web-1"),
        ("web,&prod,!canary", "web-1"),
        ("web:&prod,!canary", "web-1"),
        ("prod:web", "web-1 web-2 db-1 web-3 web-4"),
        ("!web", "db-1 2001:db8::1"),
        ("web-*", "web-1 web-2 web-3 web-4"),
        ("web-?:!web-[13]", "web-2 web-4"),
        ("web-[!13]", "web-2 web-4"),
        ("*b-1", "web-1 db-1"),
        ("web[0]", "web-1"),
        ("web[-1]", "web-4"),
        ("web[1:2]", "web-2 web-3"),
        ("web[2:]", "web-3 web-4"),
        ("web[0:99]", "web-1 web-2 web-3 web-4"),
        ("web-*[1]", "web-2"),
        ("~web-\\d", "web-1 web-2 web-3 web-4"),
        ("~(web|db)-1$", "web-1 db-1"),
        ("~web-[12]:db-1", "web-1 web-2 db-1"),
        ("~web-\\d{1,2}:!~.*[34]", "web-1 web-2"),
        ("2001:db8::1", "2001:db8::1"),
        ("db-1,2001:db8::1", "db-1 2001:db8::1"),
        ("@hosts.txt", "web-3 2001:db8::1"),
        ("@hosts.txt:!v6", "web-3"),
        ("web:!empty", "web-1 web-2 web-3 web-4"),
        (" web-1 , web-2 ", "web-1 web-2"),
    ];
    for (text, expected) in table {
        assert_eq!(choose(text).as_deref(), Ok(expected), "{text}");
    }
    let refused: Vec<String> = [
        "wbe",
        "web:!canry",
        "web:&canry",
        "web-9",
        "web-9*",
        "web[9]",
        "web[-9]",
        "web[7:9]",
        "empty",
        "web:!web",
        "db-1:&canary",
        "~[",
        "",
        ":",
        "!",
        "&",
        "@none.txt",
        "@loop.txt",
        "al?",
    ]
    .iter()
    .map(|text| format!("{text} -> {}", choose(text).unwrap_err()))
    .collect();
    insta::assert_snapshot!(refused.join("\n"));
}

const PLAYBOOK: &str = r#"playbook: x
version: 1
vars:
  watch: {type: duration, default: 10m}
  pools: {type: "list<hostport>", default: []}
  level: {type: int, default: 1}
  label: {type: string, default: ""}
  deep: {type: bool, default: false}
  token: {type: secret}
phases:
  gather:
    - {id: a, let: {x: 1}}
"#;

struct NoFiles;

impl crate::playbook::Sources for NoFiles {
    fn load(&self, _: &str) -> Option<String> {
        None
    }
}

fn checked() -> CheckedPlaybook {
    let registry = crate::module::Registry::new([]);
    let checked = crate::playbook::check("x.yml", PLAYBOOK, &registry, &NoFiles);
    checked.unwrap_or_else(|mistakes| panic!("{}", mistakes.text()))
}

/// What a playbook's variables are on a host.
fn bound(host: &Host) -> Result<Value, String> {
    let checked = checked();
    let set = ("level".to_owned(), Setting::Text("7".to_owned()));
    let settings = host.settings(&checked).settings.into_iter().chain([set]);
    let vars = checked.bind(&settings.collect::<Vec<_>>()).map_err(|m| m.text())?;
    Ok(json!(vars.public()))
}

#[test]
fn a_playbook_takes_the_variables_that_it_declares_in_their_types() {
    let ini = "h watch=20m pools=203.0.113.9:3333,[::1]:80 level=5 label=0123 deep=True token=hunter22 other=1\n";
    let expected = json!({
        "watch": "20m", "pools": ["203.0.113.9:3333", "[::1]:80"], "level": 7, "label": "0123", "deep": true, "token": "***",
    });
    assert_eq!(bound(one("hosts", ini).host("h").unwrap()), Ok(expected.clone()));
    let yaml = "hosts: {h: {vars: {watch: 20m, pools: ['203.0.113.9:3333', '[::1]:80'], label: '0123', deep: true, token: hunter22}}}\n";
    assert_eq!(bound(one("hosts.yml", yaml).host("h").unwrap()), Ok(expected));

    let table = [
        (
            "hosts",
            "h token=x deep=maybe",
            "/hosts:1: variable `deep`: expected bool, found `maybe`",
        ),
        (
            "hosts.yml",
            "hosts:\n  h: {vars: {token: x, level: five}}",
            "/hosts.yml:2: variable `level`: expected int",
        ),
        (
            "hosts",
            "h token=x label='{{ a }}'",
            "/hosts:1: variable `label`: a template of Ansible is not evaluated",
        ),
    ];
    for (name, text, expected) in table {
        let told = bound(one(name, text).host("h").unwrap()).unwrap_err();
        assert!(told.contains(expected), "{text}: {told}");
    }
}

#[test]
fn a_variable_that_looks_like_one_of_the_playbook_is_named() {
    let inventory = one("hosts", "h wacth=20m http_port=80 level=1 levl=2\n");
    let found = inventory.host("h").unwrap().settings(&checked());
    let passed: Vec<(&str, Option<&str>)> = found
        .passed_over
        .iter()
        .map(|p| (&*p.name, p.near.as_deref()))
        .collect();
    assert_eq!(passed, [("wacth", Some("watch")), ("http_port", None), ("levl", None)]);
    assert_eq!(found.settings.len(), 1);
}

#[test]
fn hosts_of_the_command_line() {
    let host = Host::of_destination("root@[2001:db8::1]:2222").unwrap();
    assert_eq!(&*host.name, "[2001:db8::1]:2222");
    assert_eq!(
        (ssh(&host).address.as_str(), ssh(&host).port, ssh(&host).user.as_deref()),
        ("2001:db8::1", Some(2222), Some("root"))
    );
    assert_eq!(&*Host::of_destination("ssh://deploy@web-1").unwrap().name, "web-1");
    assert!(Host::of_destination("-oProxyCommand=id").is_err());
}

#[test]
fn ten_thousand_hosts_are_read_at_once() {
    let mut native = String::from("defaults: {user: deploy}\nhosts:\n");
    for n in 0..10_000 {
        native.push_str(&format!(
            "  h-{n}: {{address: 10.{}.{}.{}, vars: {{watch: 20m}}}}\n",
            n / 65536,
            n / 256 % 256,
            n % 256
        ));
    }
    native.push_str("groups: {g: {hosts: [\"h-[0:9999]\"], jump: bastion, vars: {x: 1}}}\n");
    let ini = "[g]\nh-[0:9999] a=1 b='c d'\n[g:vars]\nansible_user=x\n[p:children]\ng\n";
    for (name, text) in [("hosts.yml", native.as_str()), ("hosts", ini)] {
        let began = Instant::now();
        let inventory = one(name, text);
        assert_eq!(inventory.hosts().len(), 10_000);
        let pattern = Pattern::read(["g:!h-1*"], &|_| Err(String::new())).unwrap();
        assert_eq!(pattern.choose(&inventory).unwrap().len(), 8_889);
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{name}: {:?}",
            began.elapsed()
        );
    }
    for (name, text) in [
        ("hosts", "h[1:99999]\nx[1:99999]\ny[1:99999]\n"),
        ("hosts.yml", "hosts: {'h[1:99999]': , 'x[1:2]': }\n"),
    ] {
        assert!(mistakes(name, text).contains("I0111"), "{name}");
    }
}

proptest! {
    #[test]
    fn any_text_is_an_inventory_or_has_mistakes(
        text in "(\\[[a-c:]{0,8}\\]|[a-c]{1,3}|\\[1:3\\]|:|=|'|\"| |\n|- |\\{|\\}|hosts|groups|all|vars|children|é|,){0,30}",
        name in "(a\\.yml|b\\.ini|hosts)",
    ) {
        let folder = folder(&[(&name, &text)]);
        match load(folder.path(), &[&name]) {
            Ok(inventory) => {
                for host in inventory.hosts() {
                    prop_assert!(name::host(&host.name).is_ok());
                    prop_assert!(host.groups.iter().any(|group| &**group == "all"));
                }
            }
            Err(mistakes) => prop_assert!(!mistakes.text().is_empty()),
        }
    }

    #[test]
    fn any_pattern_chooses_known_hosts_or_none(text in "[a-c~!&:,*?\\[\\]0-3(){}\\\\^$.|@-]{0,16}") {
        let folder = folder(&[("hosts", "[a]\nb\nc\n[b-1]\na-1\n")]);
        let inventory = load(folder.path(), &["hosts"]).unwrap();
        if let Ok(pattern) = Pattern::read([text.as_str()], &|_| Err("none".to_owned()))
            && let Ok(chosen) = pattern.choose(&inventory)
        {
            let once: HashSet<&str> = names(chosen.iter().copied()).into_iter().collect();
            prop_assert_eq!(once.len(), chosen.len());
            prop_assert!(!chosen.is_empty());
        }
    }
}
