//! What starts the intruder goes before anything is killed: links, files, lines; a library after the line that loads it.

use deminer_worker::action::{
    Act, Action, ActionId, Arming, Done, FileTarget, LineTarget, LinkTarget, StarterKind, Undo,
};
use deminer_worker::frame::{Outcome, TransactionEvent};
use deminer_worker::order::HostOrders;
use deminer_worker::platform::Platform;
use deminer_worker::platform::simulated::world::File;
use deminer_worker::platform::simulated::{Simulated, infected};
use deminer_worker::query::{Answer, Entry, FileStat, HostError, Query};
use deminer_worker::text::HostPath;

use crate::bench::{JOURNAL, Manner, approved, orders, transact};

const SCRIPT: &str = "/etc/init.d/sysupd";
const LINK: &str = "/etc/rc3.d/S99sysupd";
const PRELOAD: &str = "/etc/ld.so.preload";
const LIBRARY: &str = "/usr/local/lib/libhide.so";

/// The sample host with more doors.
fn host() -> Simulated {
    host_of("/tmp/.x/guard &\\n", "../init.d/sysupd")
}

/// The same, with another script or another link.
fn host_of(script: &str, link: &str) -> Simulated {
    let mut world = infected();
    world.files.retain(|file| file.path != HostPath::from(PRELOAD));
    let script = format!(r#"{{"path": "{SCRIPT}", "content": "{script}", "mode": "0755"}}"#);
    let link = format!(r#"{{"path": "{LINK}", "target": "{link}"}}"#);
    for text in [
        script.as_str(),
        link.as_str(),
        r#"{"path": "/etc/ld.so.preload", "content": "/usr/local/lib/libhide.so\n"}"#,
        r#"{"path": "/usr/local/lib/libhide.so", "content": "hides"}"#,
    ] {
        world.files.push(serde_json::from_str::<File>(text).expect("a file"));
    }
    Simulated::new(world)
}

fn stat(host: &Simulated, path: &str) -> Option<FileStat> {
    let query = Query::Stat {
        paths: vec![path.into()],
        digest: true,
    };
    match host.answer(&query).expect("stat").value {
        Answer::Entries(entries) => match entries.into_iter().next() {
            Some(Entry::Present(stat)) => Some(stat),
            _ => None,
        },
        other => panic!("{other:?}"),
    }
}

fn file(host: &Simulated, path: &str) -> FileTarget {
    FileTarget::from_stat(&stat(host, path).expect("there")).expect("hashed")
}

/// The orders of the sample host, and for its other doors.
fn all_orders(host: &Simulated) -> HostOrders {
    let mut all = orders(host);
    let mut add = |act: Act, needs: Vec<ActionId>| {
        let id = act.id("web-3");
        all.actions.push(Action {
            id,
            component: 1,
            act,
            because: vec!["f00000001".to_owned()],
            needs,
        });
        id
    };
    let keep = |file: &FileTarget| Act::Keep {
        object: deminer_worker::action::Object::File { file: file.clone() },
    };
    let script = file(host, SCRIPT);
    let kept = add(keep(&script), vec![]);
    add(
        Act::RemoveStarter {
            file: script,
            starter: StarterKind::InitScript,
        },
        vec![kept],
    );
    let link = LinkTarget::from_stat(&stat(host, LINK).expect("there")).expect("a link");
    add(Act::RemoveLink { link }, vec![]);
    let (preload, library) = (file(host, PRELOAD), file(host, LIBRARY));
    let kept = add(keep(&preload), vec![]);
    let line = LineTarget {
        number: 1,
        line: LIBRARY.into(),
        mark: LIBRARY.into(),
    };
    let edit = add(
        Act::EditLines {
            file: preload,
            remove: vec![line],
            syntax: None,
        },
        vec![kept],
    );
    let kept = add(keep(&library), vec![]);
    add(Act::RemoveFile { file: library }, vec![kept, edit]);
    all.actions.sort_by_key(|action| action.id);
    all
}

/// What was done, in order, by kind and path.
fn done(orders: &HostOrders, events: &[TransactionEvent]) -> Vec<(String, Undo)> {
    let act = |id: &ActionId| {
        &orders
            .actions
            .iter()
            .find(|action| action.id == *id)
            .expect("planned")
            .act
    };
    events
        .iter()
        .filter_map(|event| match event {
            TransactionEvent::Outcome {
                action,
                outcome: Outcome::Done {
                    done: Done::Changed { undo },
                },
            } => {
                let act = act(action);
                let path = match act {
                    Act::RemoveLink { link } => link.path.to_string(),
                    act => act.file().map(|file| file.path.to_string()).unwrap_or_default(),
                };
                let changes = act.is_change().then(|| format!("{} {path}", act.kind()));
                changes.map(|text| (text, undo.clone()))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn doors_are_shut_before_anybody_is_killed() {
    let host = host();
    let orders = all_orders(&host);
    let heard = transact(&host, &approved(&orders), Manner::Good);
    let done = done(&orders, &heard.events);
    let at = |what: &str| {
        done.iter()
            .position(|(text, _)| text == what)
            .unwrap_or_else(|| panic!("{what}: {done:?}"))
    };
    let order = [
        "remove_link /etc/rc3.d/S99sysupd",
        "remove_starter /etc/init.d/sysupd",
        "edit_lines /etc/ld.so.preload",
        "kill ",
        "remove_file /usr/local/lib/libhide.so",
    ];
    assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{done:?}");
    for path in [SCRIPT, LINK, LIBRARY] {
        assert!(stat(&host, path).is_none(), "{path} is there");
    }
    assert!(
        heard.vault.values().any(|kept| kept == b"/tmp/.x/guard &\n"),
        "kept first"
    );

    // Twice is once, and all of it comes back where nothing reads it.
    host.forget_journal(&JOURNAL.into()).expect("ours");
    let after = host.snapshot().files;
    transact(&host, &approved(&orders), Manner::Good);
    assert_eq!(host.snapshot().files, after);
    for (text, undo) in &done {
        let content = match undo {
            Undo::RestoreStarter { file } => heard.vault.get(&file.sha256),
            Undo::RestoreLink { .. } => None,
            _ => continue,
        };
        let content = content.map(Vec::as_slice);
        let back = host.undo(undo, content, Arming::Disarmed);
        assert_eq!(back, Ok(Done::Changed { undo: Undo::None }), "{text}");
    }
    assert!(stat(&host, SCRIPT).is_none() && stat(&host, LINK).is_none());
    assert!(stat(&host, "/etc/init.d/.sysupd.disarmed").is_some_and(|stat| stat.mode & 0o111 == 0));
    assert!(stat(&host, "/etc/rc3.d/.S99sysupd.disarmed").is_some());
}

#[test]
fn a_library_stays_while_its_line_does() {
    let host = host();
    let orders = all_orders(&host);
    let mut begin = approved(&orders);
    let edit = orders.actions.iter().find(|action| {
        action.act.kind() == "edit_lines" && action.act.file().is_some_and(|file| file.path == PRELOAD.into())
    });
    let edit = edit.expect("planned").id;
    begin.approval.excluded.insert(edit);
    let heard = transact(&host, &begin, Manner::Good);
    assert!(
        matches!(
            &heard.events[..],
            [TransactionEvent::Refused { .. }, TransactionEvent::Finished { .. }]
        ),
        "what needs a line that is left out must be left out too: {:?}",
        heard.events
    );
    assert!(stat(&host, LIBRARY).is_some() && stat(&host, SCRIPT).is_some());
}

#[test]
fn another_link_or_script_is_left_with_its_component() {
    let rows = [
        ("another link", "/tmp/.x/guard &\\n", "../init.d/erp"),
        ("another script", "/opt/erp/server &\\n", "../init.d/sysupd"),
    ];
    for (name, script, link) in rows {
        let orders = all_orders(&host());
        let host = host_of(script, link);
        let heard = transact(&host, &approved(&orders), Manner::Good);
        let drifted = heard.events.iter().find_map(|event| match event {
            TransactionEvent::Drifted { why, .. } => Some(why),
            _ => None,
        });
        assert!(
            matches!(drifted, Some(HostError::Changed { .. })),
            "{name}: {drifted:?}"
        );
        assert!(stat(&host, SCRIPT).is_some() && stat(&host, LINK).is_some(), "{name}");
        assert!(done(&orders, &heard.events).is_empty(), "{name}");
    }
}
