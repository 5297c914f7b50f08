use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::inventory::{Inventory, Site};
use crate::module::Registry;
use crate::playbook::{CheckedPlaybook, Layer, Sources, check};
use crate::policy::Leave;

struct NoFiles;

impl Sources for NoFiles {
    fn load(&self, _: &str) -> Option<String> {
        None
    }
}

const PLAYBOOK: &str = "\
playbook: night
version: 2
vars:
  watch: {type: duration, default: 10m}
  pools: {type: \"list<string>\", default: [a.example, b.example]}
  ports: {type: \"map<int>\", default: {tor: 9050}}
  token: {type: secret}
phases:
  decide:
    - {id: all, let: {pools: vars.pools}}
    - {assert: vars.token != \"\", name: a token}
";

fn playbook() -> CheckedPlaybook {
    check("night.yml", PLAYBOOK, &Registry::new(Vec::new()), &NoFiles)
        .map_err(|m| m.text())
        .expect("it is right")
}

fn read(text: &str) -> Result<Environment, String> {
    Environment::read("envs/prod.yml", text, &playbook()).map_err(|mistakes| mistakes.text())
}

/// Secrets by the names of their places.
struct Drawer(BTreeMap<&'static str, &'static str>);

impl Secrets for Drawer {
    fn open(&self, source: &SecretSource) -> Result<String, SecretError> {
        let SecretSource::Env(name) = source else {
            return NoSecrets.open(source);
        };
        self.0
            .get(name.as_str())
            .map(|secret| (*secret).to_owned())
            .ok_or_else(|| SecretError {
                why: format!("{source} is not set"),
                help: None,
            })
    }
}

fn drawer() -> Drawer {
    Drawer(BTreeMap::from([("TOKEN", "hunter22"), ("SHORT", "abc")]))
}

const INVENTORY: &str = "\
hosts: {web-1: {}, db-1: {vars: {watch: 2h}}, db-2: {}}
groups:
  prod: {children: [web, db], vars: {pools: [c.example]}}
  web: [web-1]
  db: {hosts: [db-1, db-2], vars: {watch: 30m}}
";

#[test]
fn five_layers_stand_over_each_other() {
    let playbook = playbook();
    let environment = read(
        "environment: prod\nfor: night >=2 <3\nvars:\n  watch: 20m\n  token: {env: TOKEN}\n  pools: {$append: [d.example]}\n\
         groups:\n  db: {vars: {pools: {$append: [e.example]}, watch: 40m}}\n",
    )
    .expect("an environment");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("hosts.yml");
    std::fs::write(&file, INVENTORY).expect("written");
    let inventory = Inventory::load(&[file], &Site::default()).expect("an inventory");
    let bound = |host: &str, set: &[(&str, &str)]| {
        let own = inventory
            .host(host)
            .expect("it is there")
            .settings_under(Some(&environment), &playbook);
        let set = set
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Setting::Text((*text).to_owned())));
        let all: Vec<_> = environment
            .settings()
            .into_iter()
            .chain(own.settings)
            .chain(set)
            .collect();
        playbook
            .bind_with(&all, &drawer())
            .map_err(|m| m.text())
            .expect("bound")
    };
    type Row<'r> = (&'r str, &'r [(&'r str, &'r str)], Value, Value);
    let rows: [Row<'_>; 4] = [
        ("web-1", &[], json!("20m"), json!(["c.example"])),
        ("db-2", &[], json!("40m"), json!(["c.example", "e.example"])),
        ("db-1", &[], json!("2h"), json!(["c.example", "e.example"])),
        ("db-1", &[("watch", "5m"), ("pools", "x")], json!("5m"), json!(["x"])),
    ];
    for (host, set, watch, pools) in rows {
        let bound = bound(host, set);
        assert_eq!(
            (&bound.public()["watch"], &bound.public()["pools"]),
            (&watch, &pools),
            "{host} {set:?}"
        );
        assert_eq!(bound.public()["token"], "***");
        assert_eq!(bound.all()["token"], "hunter22");
    }
    let told = bound("db-1", &[("watch", "5m")]);
    let said: Vec<(Layer, Option<u32>, Value)> = told.candidates()["watch"]
        .iter()
        .map(|candidate| (candidate.layer, candidate.origin.line, candidate.shown.clone()))
        .collect();
    assert_eq!(
        said,
        [
            (Layer::Default, Some(4), json!("10m")),
            (Layer::Environment, Some(4), json!("20m")),
            (Layer::Group, Some(5), json!("30m")),
            (Layer::Group, Some(8), json!("40m")),
            (Layer::Host, Some(1), json!("2h")),
            (Layer::Set, None, json!("5m")),
        ]
    );
    assert_eq!(told.sources()["token"], json!({"env": "TOKEN"}));
    assert!(!format!("{told:?} {environment:?} {:?}", environment.settings()).contains("hunter"));
}

#[test]
fn mistakes_are_told_at_once_and_show_no_secret() {
    let text = "\
environment: prod
for: night >=3
vars:
  wach: 20m
  watch: 20
  pools: {$apend: [x]}
  ports: {$remove: [tor], $merge: {web: eighty}}
  token: hunter22
groups:
  db: {vars: {token: {envv: TOKEN}}, hosts: [a]}
disable:
  al: gone
  all: not needed
policy:
  effects: everything
  windows: [always]
  protect: [srv]
  approval: {needed: 2}
approvals: {}
";
    let said = read(text).expect_err("it is full of mistakes");
    assert!(!said.contains("hunter"), "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn a_secret_is_opened_where_it_comes_from_or_refused() {
    let playbook = playbook();
    let rows = [
        ("{env: TOKEN}", Ok(())),
        ("{env: NONE}", Err("environment variable `NONE` is not set")),
        ("{env: SHORT}", Err("fewer than 4 bytes")),
        ("{file: t}", Err("file `envs/t` is not opened here")),
        ("{command: [./t, a]}", Err("command `envs/./t a` is not opened here")),
        (
            "{age: t.age, identity: /k}",
            Err("encrypted file `envs/t.age` is not opened here"),
        ),
    ];
    for (from, expected) in rows {
        let environment = read(&format!("environment: prod\nvars: {{token: {from}}}\n")).expect("an environment");
        let bound = playbook.bind_with(&environment.settings(), &drawer());
        match (bound.map_err(|mistakes| mistakes.text()), expected) {
            (Ok(_), Ok(())) => {}
            (Err(said), Err(expected)) => assert!(said.contains(expected) && !said.contains("abc"), "{from}: {said}"),
            (bound, _) => panic!("{from}: {bound:?}"),
        }
    }
}

#[test]
fn a_plan_holds_no_secret_and_the_next_opens_it_again() {
    let playbook = playbook();
    let stored = |settings: Vec<(&str, Setting)>| {
        let settings: Vec<_> = settings
            .into_iter()
            .map(|(name, setting)| (name.to_owned(), setting))
            .collect();
        playbook.bind_with(&settings, &drawer()).map_err(|m| m.text())
    };
    let masked = || ("token", Setting::Value(json!("***")));
    let bound = stored(vec![masked()]).expect("it is left out");
    assert_eq!(bound.public()["token"], "***");
    assert!(!bound.all().contains_key("token"), "not another in its place");
    let again = stored(vec![masked(), ("token", Setting::Secret(json!({"env": "TOKEN"})))]).expect("opened");
    assert_eq!(again.all()["token"], "hunter22");
}

#[test]
fn a_plan_names_whole_paths() {
    let rows = [
        (json!({"env": "A"}), json!({"env": "A"})),
        (json!({"file": "envs/t"}), json!({"file": "/site/envs/t"})),
        (
            json!([{"file": "/t"}, {"command": ["envs/./t", "a/b"]}]),
            json!([{"file": "/t"}, {"command": ["/site/envs/./t", "a/b"]}]),
        ),
        (
            json!({"x": {"command": ["pass", "show"]}}),
            json!({"x": {"command": ["pass", "show"]}}),
        ),
        (
            json!({"age": {"file": "t.age", "identity": "/k"}}),
            json!({"age": {"file": "/site/t.age", "identity": "/k"}}),
        ),
    ];
    for (places, expected) in rows {
        assert_eq!(placed(&places, std::path::Path::new("/site")), expected);
    }
}

#[test]
fn a_policy_narrows() {
    let environment = read(
        "environment: prod\npolicy:\n  effects: contain\n  leaves: [command.read]\n  protect: [/srv, 192.0.2.0/24]\n  \
         windows: [mon-fri 22:00-05:00 +02:00]\n  max_actions: 7\n",
    )
    .expect("an environment");
    let policy = environment.policy();
    assert!(policy.may_allow(Leave::CommandRead) && !policy.may_allow(Leave::CommandRun));
    assert_eq!((policy.protect.len(), policy.spare.len()), (1, 1));
    assert_eq!(policy.limits.max_actions, Some(7));
    assert_eq!(policy.limits.windows.len(), 1);
}
