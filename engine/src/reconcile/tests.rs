use std::path::Path;

use async_trait::async_trait;
use deminer_worker::accounts::{Books, accounts, line_digest};
use deminer_worker::action::{AccountTarget, Effect, FileTarget, LineTarget, ProcessTarget, Role, Undo};
use deminer_worker::frame::End;
use deminer_worker::journal::HostJournal;
use deminer_worker::order::{Bounds, Settle};
use deminer_worker::platform::Platform;
use deminer_worker::platform::simulated::{Simulated, World};
use deminer_worker::query::{Coverage, Entry, FileId, FileKind, FileStat, FileText, GapReason, HostIdentity, Observed};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};

use super::*;
use crate::journal::read_chain;

mod begun;
mod undo;

const PATH: &str = "/var/tmp/.x/miner";

fn file() -> FileTarget {
    FileTarget {
        mount: "/".into(),
        path: PATH.into(),
        id: FileId {
            dev: Wide(1),
            inode: Wide(7),
        },
        size: Wide(5),
        ctime_ns: Wide(0),
        mtime_ns: Wide(0),
        sha256: Digest::of(b"bytes"),
        mode: 0o700,
        uid: 0,
        gid: 0,
        flags: None,
        links: 1,
        xattrs: Vec::new(),
    }
}

fn stat_of(path: &HostPath) -> FileStat {
    let file = file();
    FileStat {
        path: path.clone(),
        mount: file.mount,
        kind: FileKind::Regular,
        id: file.id,
        size: file.size,
        mode: file.mode,
        uid: 0,
        gid: 0,
        links: 1,
        mtime_ns: Wide(0),
        ctime_ns: Wide(0),
        btime_ns: None,
        flags: None,
        xattrs: Vec::new(),
        link_target: None,
        sha256: Some(file.sha256),
    }
}

/// What a simulated host of this world says that it is.
fn identity_of(world: &str) -> HostIdentity {
    let host = Simulated::new(World::from_json(world).expect("a world"));
    match host.answer(&Query::Host {}).expect("it tells").value {
        Answer::Host(facts) => facts.identity,
        other => panic!("{other:?}"),
    }
}

fn orders(actions: Vec<Action>) -> HostOrders {
    HostOrders {
        host: "h".to_owned(),
        identity: identity_of("{}"),
        looked_ms: Wide(0),
        components: Vec::new(),
        actions,
        protect: Vec::new(),
        spare: Vec::new(),
        overrides: BTreeMap::new(),
        journal: "/run/.deminer-000102030405060708090a0b0c0d0e0f".into(),
        settle: Settle::NextMinute,
        bounds: Bounds::default(),
    }
}

/// A host of files without anything else; what is hidden is only a gap.
#[derive(Default)]
struct Files {
    there: Vec<HostPath>,
    text: Option<(&'static str, bool)>,
    /// Passwd and shadow.
    accounts: Option<(&'static str, &'static str)>,
    hidden: bool,
}

#[async_trait]
impl HostView for Files {
    fn name(&self) -> &str {
        "h"
    }

    async fn observe(&self, query: Query) -> Result<Observed<Answer>, HostError> {
        let value = match &query {
            Query::Stat { paths, .. } => Answer::Entries(
                paths
                    .iter()
                    .map(|path| match self.there.contains(path) {
                        true => Entry::Present(stat_of(path)),
                        false => Entry::Absent { path: path.clone() },
                    })
                    .collect(),
            ),
            Query::Read { path, .. } => Answer::Files(
                self.text
                    .iter()
                    .map(|(text, cut)| FileText {
                        stat: stat_of(path),
                        content: HostBytes::from(*text),
                        cut: *cut,
                    })
                    .collect(),
            ),
            Query::Processes(_) => Answer::Processes(Vec::new()),
            Query::Accounts {} => {
                let (passwd, shadow) = self.accounts.unwrap_or_default();
                let books = Books {
                    passwd: passwd.as_bytes(),
                    shadow: Some(shadow.as_bytes()),
                    ..Books::default()
                };
                Answer::Accounts(accounts(&books, &mut Coverage::whole()))
            }
            _ => return Err(another_answer()),
        };
        let mut coverage = Coverage::whole();
        if self.hidden {
            coverage.note("process", "7", GapReason::Denied);
        }
        Ok(Observed { value, coverage })
    }
}

fn remove() -> Act {
    Act::RemoveFile { file: file() }
}

fn edit() -> Act {
    let remove = vec![LineTarget {
        number: 1,
        line: "* * * * * /m".into(),
        mark: "/m".into(),
    }];
    Act::EditLines {
        file: file(),
        remove,
        syntax: None,
    }
}

fn kill() -> Act {
    Act::Kill {
        process: ProcessTarget {
            boot_id: identity_of("{}").boot_id,
            pid: 7,
            start_ticks: Wide(1),
            exe: file().id,
            exe_path: PATH.into(),
            exe_sha256: Digest::of(b"bytes"),
            exe_size: Wide(5),
            argv_sha256: Digest::of(b""),
            uid: 0,
            comm: "m".into(),
            role: Role::Miner,
        },
    }
}

const TWIN: &str = "toor:x:0:0::/root:/bin/sh";

fn lock() -> Act {
    Act::LockAccount {
        account: AccountTarget {
            name: "toor".into(),
            uid: 0,
            line_sha256: line_digest(TWIN.as_bytes()),
        },
    }
}

#[tokio::test]
async fn only_what_is_seen_gone_counts_as_done() {
    let files = Files::default;
    let hidden = || Files {
        hidden: true,
        ..Files::default()
    };
    let there = |path: HostPath| Files {
        there: vec![path],
        ..Files::default()
    };
    let text = |text, cut| Files {
        text: Some((text, cut)),
        ..Files::default()
    };
    let accounts = |passwd, shadow| Files {
        accounts: Some((passwd, shadow)),
        ..Files::default()
    };
    let rows = [
        ("locked", accounts(TWIN, "toor:!h:1:::::1:"), lock(), "done"),
        ("no such account", accounts("", ""), lock(), "done"),
        ("not locked", accounts(TWIN, "toor:h:1::::::"), lock(), "not done"),
        ("half locked", accounts(TWIN, "toor:!h:1::::::"), lock(), "not done"),
        (
            "another line",
            accounts("toor:x:5:5::/:", "toor:!h:1:::::1:"),
            lock(),
            "another object",
        ),
        ("accounts not readable", hidden(), lock(), "cannot be seen: denied"),
        ("removed", files(), remove(), "done"),
        ("it stands there", there(PATH.into()), remove(), "not done"),
        ("under our name", there(file().name_in_removal()), remove(), "stands as"),
        ("no such file", files(), edit(), "done"),
        ("the line stands", text("* * * * * /m\n", false), edit(), "not done"),
        ("the line is gone", text("a\n", false), edit(), "done"),
        ("too long", text("a\n", true), edit(), "too long"),
        ("not readable", hidden(), edit(), "cannot be seen: denied"),
        ("beside it", there(file().name_in_edit()), edit(), "stands as"),
        ("ended", files(), kill(), "done"),
        ("process not readable", hidden(), kill(), "cannot be seen: denied"),
    ];
    let planned = identity_of("{}");
    for (name, host, act, expected) in rows {
        let sight = seen(&host, &act, &planned, &planned).await.expect("an answer");
        match &sight {
            Sight::Done => assert_eq!(expected, "done", "{name}"),
            Sight::NotDone => assert_eq!(expected, "not done", "{name}"),
            Sight::Unclear(why) => assert!(why.contains(expected), "{name}: {why}"),
        }
    }
}

/// The story of a chain, as the journal has it.
fn told(dir: &Path, action: &Action, kinds: Vec<EventKind>) -> Story {
    let journals = Journals::create(dir, "run", Arc::new(|| 1)).expect("a folder");
    let line = serde_json::to_value(orders(vec![action.clone()])).expect("orders are JSON");
    let sha256 = Digest::of(b"line");
    let looked_at_ms = None;
    let planned = EventKind::Planned {
        line,
        sha256,
        looked_at_ms,
    };
    for kind in std::iter::once(planned).chain(kinds) {
        journals.record(Some("h"), kind).expect("a disk");
    }
    let chain = read_chain(&dir.join("host-h.ndjson")).expect("our own");
    story(&chain).expect("it has orders")
}

#[test]
fn what_a_round_left_undone_a_later_one_may_do() {
    let act = remove();
    let action = Action {
        id: act.id("h"),
        component: 1,
        act,
        because: Vec::new(),
        needs: Vec::new(),
    };
    let committed = |round| EventKind::Committed {
        round,
        journal: "j".to_owned(),
    };
    let outcome = |round, outcome| EventKind::Told {
        round,
        event: TransactionEvent::Outcome {
            action: action.id,
            outcome,
        },
    };
    let intent = |round| EventKind::Told {
        round,
        event: TransactionEvent::Intent { action: action.id },
    };
    let done = |undo| Outcome::Done {
        done: Done::Changed { undo },
    };
    let restore = Undo::RestoreFile { file: file() };
    let rows = [
        ("heard", vec![committed(1), outcome(1, Outcome::Drifted)], true),
        (
            "drifted before its own commit",
            vec![outcome(1, Outcome::Drifted), committed(1)],
            true,
        ),
        (
            "drifted, then committed again",
            vec![committed(1), outcome(1, Outcome::Drifted), committed(2)],
            false,
        ),
        (
            "not done, then begun",
            vec![committed(1), outcome(1, Outcome::Drifted), intent(1)],
            false,
        ),
        (
            "done, then committed again",
            vec![committed(1), outcome(1, done(restore)), committed(2), intent(2)],
            true,
        ),
    ];
    for (name, kinds, known) in rows {
        let home = tempfile::tempdir().expect("a folder");
        let story = told(home.path(), &action, kinds);
        assert_eq!(story.known.contains_key(&action.id), known, "{name}");
    }
}

#[tokio::test]
async fn what_a_host_kept_is_here_before_its_journal_goes() {
    let directory = HostPath::from("/run/.deminer-000102030405060708090a0b0c0d0e0f");
    let finished = TransactionEvent::Finished {
        end: End::Struck,
        stroke_ms: 5,
        frozen: 0,
    };
    for (quota, stored) in [(None, true), (Some(1), false)] {
        let host = Simulated::new(World::from_json("{}").expect("a world"));
        let mut journal = HostJournal::new(host.open_journal(&directory, 100).expect("free"));
        journal.spool(Digest::of(b"born"), b"born").expect("room");
        journal.record(1, &TransactionEvent::Committed {}).expect("room");
        journal.record(2, &finished).expect("room");
        drop(journal);

        let home = tempfile::tempdir().expect("a folder");
        let journals = Journals::create(&home.path().join("journal"), "run", Arc::new(|| 1)).expect("a folder");
        let keeping = Keeping {
            vault: Vault::create(&home.path().join("vault"), quota).expect("a disk"),
            run: "run".to_owned(),
            clock: Arc::new(|| 1),
        };
        let story = Story {
            reached: true,
            host: "h".to_owned(),
            orders: orders(Vec::new()),
            known: BTreeMap::new(),
            committed: true,
            round: 2,
            heard: Vec::new(),
            undoing: Vec::new(),
            finished: false,
        };
        let looked = look_at(&story, &[], &host, &keeping, &journals).await;
        assert_eq!(looked.is_ok(), stored, "quota {quota:?}");
        assert_eq!(
            host.snapshot().journals.is_empty(),
            stored,
            "it goes only when all is here"
        );
        if !stored {
            continue;
        }
        let chain = read_chain(&home.path().join("journal/host-h.ndjson")).expect("our own");
        let kinds: Vec<EventKind> = chain.events.into_iter().map(|event| event.kind).collect();
        assert!(
            matches!(&kinds[0], EventKind::Stored { sha256, .. } if *sha256 == Digest::of(b"born")),
            "{kinds:?}"
        );
        let event = finished.clone();
        assert_eq!(kinds[1..], [EventKind::Told { round: 2, event }]);
    }
}

#[tokio::test]
async fn what_contains_is_looked_for_though_no_commit_came() {
    let act = Act::BlockAddress {
        address: "198.51.100.23".to_owned(),
        for_s: 86_400,
    };
    let action = Action {
        id: act.id("h"),
        component: 1,
        act: act.clone(),
        because: Vec::new(),
        needs: Vec::new(),
    };
    let told = |event| EventKind::Told { round: 1, event };
    let announced = || {
        told(TransactionEvent::Containing {
            actions: vec![action.id],
        })
    };
    let done = Reconciled::Done {
        testimony: Some(Done::Changed {
            undo: Undo::Unblock {
                address: "198.51.100.23".to_owned(),
                was_until_ms: None,
            },
        }),
    };
    // Whether it was announced, the seconds for which the host holds it back by then, and what is written down.
    let rows = [
        ("it holds", true, Some(86_400), done.clone()),
        ("for a short time, to be proven", true, Some(60), Reconciled::NotDone {}),
        ("never begun", true, None, Reconciled::NotDone {}),
        (
            "somebody else's run did it",
            false,
            Some(86_400),
            Reconciled::NotDone {},
        ),
    ];
    for (name, was_announced, for_s, expected) in rows {
        let host = Simulated::new(World::from_json("{}").expect("a world"));
        if let Some(for_s) = for_s {
            let address = "198.51.100.23".to_owned();
            host.act(&Act::BlockAddress { address, for_s })
                .expect("nothing protects it");
        }
        let home = tempfile::tempdir().expect("a folder");
        let identity = orders(Vec::new()).identity;
        let mut kinds = vec![EventKind::Reached {
            identity,
            host_key: None,
            clock: None,
        }];
        kinds.extend(was_announced.then(announced));
        let story = self::told(home.path(), &action, kinds);
        let journals = Journals::create(&home.path().join("again"), "run", Arc::new(|| 1)).expect("a folder");
        let keeping = Keeping {
            vault: Vault::create(&home.path().join("vault"), None).expect("a disk"),
            run: "run".to_owned(),
            clock: Arc::new(|| 1),
        };
        let ended = settle(&story, &approval_of(Effect::Contain), &host, &keeping, &journals).await;
        assert!(ended.is_ok_and(|ended| ended), "{name}");
        let chain = read_chain(&home.path().join("again/host-h.ndjson")).expect("our own");
        let states: Vec<Reconciled> = chain
            .events
            .into_iter()
            .filter_map(|event| match event.kind {
                EventKind::Reconciled { state, .. } => Some(state),
                _ => None,
            })
            .collect();
        assert_eq!(states, [expected], "{name}");
    }
}

/// A yes to what has this effect.
fn approval_of(effect: Effect) -> Approval {
    Approval {
        format: 1,
        plan: Digest::of(b"plan"),
        hosts: [("h".to_owned(), Digest::of(b"line"))].into(),
        classes: [effect].into(),
        excluded: Default::default(),
        many: BTreeMap::new(),
        reasons: BTreeMap::new(),
        approver: "test".to_owned(),
        means: "command line".to_owned(),
        at_ms: Wide(0),
        not_after_ms: Wide(u64::MAX),
    }
}

/// A world with one more field; the file that is to be removed stands in it.
fn world_with(field: &str) -> World {
    let files = format!(r#""files": [{{"path": "{PATH}", "content": "bytes"}}]"#);
    World::from_json(&format!("{{{field} {files}}}")).expect("a world")
}

#[tokio::test]
async fn who_answers_is_asked_before_anything_is_believed() {
    // Of the pid of the plan, and as old.
    let alike = r#""processes": [{"pid": 7, "exe": "/usr/bin/innocent", "started_ms": 10}],"#;
    let other = r#""machine_id": "00000000000000000000000000000001","#;
    let anew = format!(r#""boot_id": "00000000-0000-0000-0000-000000000002", {alike}"#);
    // What answers, and what is written down of the kill and of the removal; nothing where it is another machine.
    let rows = [
        ("the machine of the plan", "", Some(["done", "not_done"])),
        ("the process lives", alike, Some(["not_done", "not_done"])),
        ("started anew", &anew, Some(["done", "not_done"])),
        ("another machine", other, None),
    ];
    for (name, field, expected) in rows {
        for committed in [true, false] {
            let host = Simulated::new(world_with(field));
            let directory = orders(Vec::new()).journal;
            let mut journal = HostJournal::new(host.open_journal(&directory, 100).expect("free"));
            journal.record(1, &TransactionEvent::Committed {}).expect("room");
            drop(journal);
            let home = tempfile::tempdir().expect("a folder");
            let acts = [kill(), remove()].into_iter().enumerate();
            let actions = acts.map(|(at, act)| Action {
                id: act.id("h"),
                component: at as u32,
                act,
                because: Vec::new(),
                needs: Vec::new(),
            });
            let story = Story {
                reached: true,
                host: "h".to_owned(),
                orders: orders(actions.collect()),
                known: BTreeMap::new(),
                committed,
                round: 1,
                heard: Vec::new(),
                undoing: Vec::new(),
                finished: false,
            };
            let (ended, kinds) = settled(&story, &approval_of(Effect::Destroy), &host, home.path()).await;
            assert_eq!(ended, expected.is_some(), "{name}");
            let is_left = !host.snapshot().journals.is_empty();
            assert_eq!(is_left, expected.is_none(), "{name}: its journal");
            let mut states: Vec<&str> = kinds
                .iter()
                .filter_map(|kind| match kind {
                    EventKind::Reconciled { state, .. } => Some(match state {
                        Reconciled::Done { .. } => "done",
                        Reconciled::NotDone {} => "not_done",
                        Reconciled::Unknown { .. } => "unknown",
                    }),
                    _ => None,
                })
                .collect();
            states.sort_unstable();
            let of_kind = |wanted: &str| kinds.iter().any(|kind| told_as(kind) == wanted);
            match (expected, committed) {
                (Some(expected), true) => assert_eq!(states, expected, "{name}"),
                // Without a commit nothing was begun, whoever answers.
                (_, false) => assert_eq!(states, ["not_done", "not_done"], "{name}"),
                (None, true) => assert!(states.is_empty(), "{name}: {states:?}"),
            }
            assert_eq!(of_kind("forgotten"), expected.is_some(), "{name}");
            assert_eq!(of_kind("not_reached"), expected.is_none(), "{name}: {kinds:?}");
        }
    }
}

/// The name of an event's kind as it is written.
fn told_as(kind: &EventKind) -> String {
    let json = serde_json::to_value(kind).expect("an event is JSON");
    json["kind"].as_str().expect("its kind").to_owned()
}

/// Settles a host; whether it is at its end, and what was written down of it.
async fn settled(story: &Story, approval: &Approval, host: &Simulated, home: &Path) -> (bool, Vec<EventKind>) {
    let journals = Journals::create(&home.join("again"), "run", Arc::new(|| 1)).expect("a folder");
    let keeping = Keeping {
        vault: Vault::create(&home.join("vault"), None).expect("a disk"),
        run: "run".to_owned(),
        clock: Arc::new(|| 1),
    };
    let ended = settle(story, approval, host, &keeping, &journals)
        .await
        .expect("a disk");
    let chain = read_chain(&home.join("again/host-h.ndjson")).expect("our own");
    (ended, chain.events.into_iter().map(|event| event.kind).collect())
}

#[test]
fn only_the_planned_machine_can_have_begun() {
    let reached = |world: &str| EventKind::Reached {
        identity: identity_of(world),
        host_key: None,
        clock: None,
    };
    let act = remove();
    let action = Action {
        id: act.id("h"),
        component: 1,
        act,
        because: Vec::new(),
        needs: Vec::new(),
    };
    let rows = [
        ("the planned one", "{}", true),
        (
            "another",
            r#"{"machine_id": "00000000000000000000000000000001"}"#,
            false,
        ),
    ];
    for (name, world, expected) in rows {
        let home = tempfile::tempdir().expect("a folder");
        let story = told(home.path(), &action, vec![reached(world)]);
        assert_eq!(story.reached, expected, "{name}");
    }
}
