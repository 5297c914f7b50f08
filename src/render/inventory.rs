//! What hosts there are, how each is reached, and why.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use deminer_engine::diagnostic::Diagnostics;
use deminer_engine::inventory::{Become, Content, Given, Host, Inventory, Layer, Reach, Resolved, Unused, WhyUnused};
use serde_json::{Map, Value, json};

use super::Style;
use super::plain::{cut, plain, shell_word};
use super::style::Tone;
use super::table::Table;
use super::words::{Entry, Label, Words};

/// The column of what is told of one host.
const COLUMN: usize = 16;
/// The columns of one value.
const VALUE_COLUMNS: usize = 100;

/// All hosts, a line each; `files` are the inventories that were named.
pub(crate) fn list(hosts: &[&Host], files: &[PathBuf], style: &Style) -> String {
    let words = style.words();
    let mut out = style.hang("", &words.hosts_and_groups(hosts.len() as u64, groups(hosts) as u64));
    out.push('\n');
    let mut table = Table::new(&[
        words.label(Label::Host),
        words.entry(Entry::Groups),
        words.entry(Entry::Reached),
    ]);
    for host in hosts {
        let groups: Vec<String> = named_groups(host).map(|group| plain(group).into_owned()).collect();
        table.row(vec![
            plain(&host.name).into_owned(),
            groups.join(" "),
            reached(host, style),
        ]);
    }
    out.push_str(&table.text(style));
    let unused = all_unused(hosts);
    if !unused.is_empty() {
        out.push('\n');
    }
    for ((name, why), count) in unused {
        let what = match count {
            1 => name.to_owned(),
            count => words.aside(name, &words.count(count, super::words::Noun::Host)),
        };
        out.push_str(&style.entry(
            words.entry(Entry::NotUsed),
            COLUMN,
            &words.of(&plain(&what), words.unused(why)),
        ));
    }
    if let Some(host) = hosts.first().filter(|_| !files.is_empty()) {
        out.push('\n');
        let files: Vec<String> = files
            .iter()
            .map(|file| format!("-i {}", shell_word(&file.to_string_lossy())))
            .collect();
        let command = format!(
            "deminer inventory {} --host {}",
            files.join(" "),
            shell_word(&host.name)
        );
        // Never wrapped: it is to be pasted.
        out.push_str(&words.all_of_one(&plain(&command)));
        out.push('\n');
    }
    out
}

/// All of each host.
pub(crate) fn hosts(hosts: &[&Host], style: &Style) -> String {
    let all: Vec<String> = hosts.iter().map(|host| one(host, style)).collect();
    all.join("\n")
}

fn one(host: &Host, style: &Style) -> String {
    let words = style.words();
    let mut out = style.hang(&format!("{}  ", plain(&host.name)), &reached(host, style));
    let groups: Vec<String> = host.groups.iter().map(|group| plain(group).into_owned()).collect();
    if !groups.is_empty() {
        out.push_str(&style.entry(words.entry(Entry::Groups), COLUMN, &words.list(&groups)));
    }
    let listed = host.origin.to_string();
    out.push_str(&style.entry(words.entry(Entry::Listed), COLUMN, &plain(&listed)));
    if let Err(refused) = &host.reach {
        for reason in &refused.reasons {
            out.push_str(&style.entry(words.entry(Entry::ToDo), COLUMN, &plain(&reason.help)));
        }
    }
    out.push_str(&format!("\n{}\n", words.entry(Entry::Settings)));
    if !host.settings.contains_key("address") && matches!(host.reach, Ok(Reach::Ssh(_))) {
        let text = words.aside(&plain(&host.name), words.by_its_name());
        out.push_str(&style.entry("address", COLUMN, &text));
    }
    for (name, resolved) in &host.settings {
        out.push_str(&entry(name, resolved, style));
    }
    if !host.vars.is_empty() {
        out.push_str(&format!("\n{}\n", words.entry(Entry::Variables)));
        for (name, resolved) in &host.vars {
            out.push_str(&entry(&plain(name), resolved, style));
        }
    }
    if !host.unused.is_empty() {
        out.push_str(&format!("\n{}\n", words.entry(Entry::NotUsed)));
        for unused in &host.unused {
            let origin = unused.origin.to_string();
            let why = words.aside(words.unused(unused.why), &plain(&origin));
            out.push_str(&style.entry(&plain(&unused.name), COLUMN, &why));
        }
    }
    out
}

/// A setting or a variable: its value, where that is said, and what it stands over.
fn entry(name: &str, resolved: &Resolved, style: &Style) -> String {
    let words = style.words();
    let mut parts = vec![words.aside(&value(&resolved.won, words), &said(name, &resolved.won, words))];
    for lost in &resolved.lost {
        parts.push(words.stands_over(&value(lost, words), &said(name, lost, words)));
    }
    style.entry(name, COLUMN, &words.commas(&parts))
}

fn value(given: &Given, words: &dyn Words) -> String {
    let text = match given.shown() {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let text = cut(&plain(&text), VALUE_COLUMNS).into_owned();
    match &given.content {
        Content::Value(_) => text,
        Content::Template(_) => words.not_evaluated(&text),
        Content::Sealed => words.encrypted().to_owned(),
    }
}

/// Where it is said and for whom; by which name where that is another.
fn said(name: &str, given: &Given, words: &dyn Words) -> String {
    let group = given.group.as_deref().map(plain);
    let mut parts = vec![
        plain(&given.origin.to_string()).into_owned(),
        words.said_for(given.layer, group.as_deref()),
    ];
    if *given.name != *name {
        parts.insert(0, plain(&given.name).into_owned());
    }
    words.commas(&parts)
}

fn reached(host: &Host, style: &Style) -> String {
    let words = style.words();
    match &host.reach {
        Ok(reach @ Reach::Ssh(ssh)) => {
            let end = reach.to_string();
            let end = end.strip_prefix("ssh ").unwrap_or(&end);
            words.over_ssh(end, ssh.jump_text().as_deref(), ssh.become_root == Become::Sudo)
        }
        Ok(Reach::Local) => words.this_machine().to_owned(),
        Ok(Reach::Simulated(world)) => words.in_memory(&plain(world)),
        Err(refused) => {
            let why = refused.to_string();
            style.paint(Tone::Bad, words.not_as_it_says(&plain(&why)))
        }
    }
}

/// The groups that say something: without `all`, which every host is in.
fn named_groups(host: &Host) -> impl Iterator<Item = &str> {
    host.groups.iter().map(|group| &**group).filter(|group| *group != "all")
}

fn groups(hosts: &[&Host]) -> usize {
    let names: std::collections::BTreeSet<&str> = hosts.iter().flat_map(|host| named_groups(host)).collect();
    names.into_iter().filter(|name| *name != "ungrouped").count()
}

/// What is not used, and on how many hosts.
fn all_unused<'h>(hosts: &[&'h Host]) -> BTreeMap<(&'h str, WhyUnused), u64> {
    let mut found = BTreeMap::new();
    for unused in hosts.iter().flat_map(|host| &host.unused) {
        *found.entry((unused.name.as_str(), unused.why)).or_insert(0) += 1;
    }
    found
}

/// For programs.
pub(crate) fn json(hosts: &[&Host], inventory: Option<&Inventory>, warnings: &Diagnostics) -> Value {
    let shown: Vec<Value> = hosts.iter().map(|host| host_json(host)).collect();
    let mut value = json!({"hosts": shown, "warnings": warnings.json()["diagnostics"]});
    if let Some(inventory) = inventory {
        let groups = inventory.groups().iter().map(|(name, group)| {
            let members: Vec<&str> = inventory.members(name).iter().map(|host| &*host.name).collect();
            let group = json!({
                "depth": group.depth,
                "priority": group.priority,
                "children": texts(&group.children),
                "hosts": members,
            });
            (name.to_string(), group)
        });
        value["groups"] = Value::Object(groups.collect());
    }
    value
}

fn host_json(host: &Host) -> Value {
    let all = |resolved: &Resolved| {
        let mut value = given_json(&resolved.won);
        value["over"] = resolved.lost.iter().map(|lost| given_json(lost)).collect();
        value
    };
    let settings: Map<String, Value> = host
        .settings
        .iter()
        .map(|(name, r)| ((*name).to_owned(), all(r)))
        .collect();
    let vars: Map<String, Value> = host.vars.iter().map(|(name, r)| (name.to_string(), all(r))).collect();
    let (reach, refused) = match &host.reach {
        Ok(reach) => (reach_json(reach), Value::Null),
        Err(refused) => {
            let reasons = refused.reasons.iter().map(|reason| {
                let at = reason.origin.as_ref().map(ToString::to_string);
                json!({"what": reason.what, "at": at, "help": reason.help})
            });
            (Value::Null, reasons.collect())
        }
    };
    let unused =
        |unused: &Unused| json!({"name": unused.name, "why": why(unused.why), "at": unused.origin.to_string()});
    json!({
        "host": &*host.name,
        "groups": texts(&host.groups),
        "listed": host.origin.to_string(),
        "reach": reach,
        "refused": refused,
        "settings": settings,
        "vars": vars,
        "unused": host.unused.iter().map(unused).collect::<Vec<_>>(),
    })
}

fn given_json(given: &Given) -> Value {
    let state = match &given.content {
        Content::Value(_) => "value",
        Content::Template(_) => "not_evaluated",
        Content::Sealed => "encrypted",
    };
    json!({
        "value": given.shown(),
        "state": state,
        "name": &*given.name,
        "at": given.origin.to_string(),
        "layer": layer(given.layer),
        "group": given.group.as_deref(),
    })
}

fn layer(layer: Layer) -> &'static str {
    match layer {
        Layer::All => "all",
        Layer::Group => "group",
        Layer::AllVars => "group_vars_all",
        Layer::GroupVars => "group_vars",
        Layer::Host => "host",
        Layer::HostVars => "host_vars",
        Layer::Command => "command",
    }
}

fn texts(names: &[Arc<str>]) -> Vec<&str> {
    names.iter().map(|name| &**name).collect()
}

fn reach_json(reach: &Reach) -> Value {
    match reach {
        Reach::Local => json!({"by": "local"}),
        Reach::Simulated(world) => json!({"by": "simulated", "world": world}),
        Reach::Ssh(ssh) => json!({
            "by": "ssh",
            "address": ssh.address,
            "user": ssh.user,
            "port": ssh.port,
            "key": ssh.key,
            "jump": ssh.jump_text(),
            "ssh_config": ssh.ssh_config,
            "control_path": ssh.control_path,
            "sudo": ssh.become_root == Become::Sudo,
            "connect_timeout_s": ssh.connect_timeout.map(|timeout| timeout.as_secs()),
        }),
    }
}

fn why(why: WhyUnused) -> &'static str {
    match why {
        WhyUnused::Password => "password",
        WhyUnused::SudoPassword => "sudo_password",
        WhyUnused::Interpreter => "interpreter",
        WhyUnused::HostKeys => "host_keys",
        WhyUnused::Tuning => "tuning",
        WhyUnused::Other => "other",
    }
}
