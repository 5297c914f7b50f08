//! Units that fight back, and what must be removed in which order.

use super::*;
use crate::action::{LinkTarget, ServiceManager, StarterKind};
use crate::query::LoadedUnit;

const FIGHTING: &str = r#"{
    "files": [
        {"path": "/etc/systemd/system/sysd.service", "content": "[Service]\nExecStart=/opt/.sysd/sysd\n"},
        {"path": "/etc/systemd/system/multi-user.target.wants/sysd.service", "target": "/etc/systemd/system/sysd.service"},
        {"path": "/etc/systemd/system-generators/gen", "content": "x", "mode": "755"}],
    "processes": [{"pid": 10, "exe": "/opt/.sysd/sysd"}],
    "units": [{"name": "sysd.service", "file": "/etc/systemd/system/sysd.service", "process": 10,
        "restarts_after_ms": 100, "every_ms": 1000, "writes_at_end": "/run/ran"}],
    "generators": [{"file": "/etc/systemd/system-generators/gen", "writes": "/run/generated", "content": "x"}]}"#;

fn remove(host: &Simulated, path: &str, starter: StarterKind) -> Undo {
    let file = file(host, path);
    match host.act(&Act::RemoveStarter { file, starter }) {
        Ok(Done::Changed { undo }) => undo,
        other => panic!("{path}: {other:?}"),
    }
}

fn reload(host: &Simulated) -> Result<Done, HostError> {
    host.act(&Act::ReloadUnits {
        manager: ServiceManager::System {},
        units: vec!["sysd.service".into()],
    })
}

fn units(host: &Simulated) -> Vec<LoadedUnit> {
    match ask(host, Query::Units {}).value {
        Answer::Units(units) => units,
        other => panic!("{other:?}"),
    }
}

fn running(host: &Simulated) -> usize {
    let runs = |process: &&SeenProcess| process.exe == Some(path("/opt/.sysd/sysd")) && process.life == Life::Running;
    host.snapshot().processes.values().filter(runs).count()
}

#[test]
fn a_unit_whose_file_is_gone_is_started_again_from_memory() {
    let host = host(FIGHTING);
    remove(&host, "/etc/systemd/system/sysd.service", StarterKind::Unit);
    assert!(units(&host)[0].needs_reload);
    let process = process(&host, 10);
    host.act(&Act::Kill { process }).expect("it lives");
    host.pass(5_000);
    assert_eq!(running(&host), 1);
    assert!(host.snapshot().text("/run/ran").is_some());
}

#[test]
fn after_removal_and_reload_nothing_of_it_runs() {
    let host = host(FIGHTING);
    assert!(
        matches!(reload(&host), Err(HostError::Failed { .. })),
        "its file is there"
    );
    assert!(
        host.snapshot().text("/run/generated").is_some(),
        "a reload runs generators"
    );
    remove(&host, "/etc/systemd/system-generators/gen", StarterKind::Generator);
    remove(&host, "/etc/systemd/system/sysd.service", StarterKind::Unit);
    assert_eq!(reload(&host), Ok(Done::Changed { undo: Undo::None }));
    assert_eq!(
        (&units(&host)[0].load_state, &units(&host)[0].fragment),
        (&"not-found".into(), &None)
    );
    let process = process(&host, 10);
    host.act(&Act::Kill { process }).expect("it lives");
    host.pass(5_000);
    assert_eq!(running(&host), 0);
    assert_eq!(host.snapshot().text("/run/ran"), None);
    let nobody = Act::ReloadUnits {
        manager: ServiceManager::User { uid: 1000 },
        units: vec!["a.service".into()],
    };
    assert_eq!(host.act(&nobody), Ok(Done::Gone));
}

#[test]
fn links_and_starters_come_back_where_nothing_reads_them() {
    let host = host(FIGHTING);
    let wants = "/etc/systemd/system/multi-user.target.wants/sysd.service";
    let link = LinkTarget::from_stat(&stat(&host, wants).expect("there")).expect("a link");
    let Ok(Done::Changed { undo: relink }) = host.act(&Act::RemoveLink { link: link.clone() }) else {
        panic!("it is the one meant")
    };
    assert_eq!(host.act(&Act::RemoveLink { link }), Ok(Done::Gone));
    let unit = remove(&host, "/etc/systemd/system/sysd.service", StarterKind::Unit);
    let content = Some(&b"[Service]\nExecStart=/opt/.sysd/sysd\n"[..]);
    let back = Ok(Done::Changed { undo: Undo::None });
    for (undo, content) in [(&relink, None), (&unit, content)] {
        assert_eq!(host.undo(undo, content, Arming::Disarmed), back);
        assert_eq!(host.undo(undo, content, Arming::Disarmed), Ok(Done::Gone));
    }
    let beside = "/etc/systemd/system/multi-user.target.wants/.sysd.service.disarmed";
    assert!(stat(&host, beside).is_some_and(|stat| stat.link_target.is_some()));
    assert!(stat(&host, "/etc/systemd/system/.sysd.service.disarmed").is_some());
    assert!(stat(&host, wants).is_none());
    for (undo, content) in [(&relink, None), (&unit, content)] {
        assert_eq!(host.undo(undo, content, Arming::Armed), back);
    }
    assert!(stat(&host, wants).is_some() && stat(&host, beside).is_none());
}

#[test]
fn another_link_stays() {
    let host = host(FIGHTING);
    let wants = "/etc/systemd/system/multi-user.target.wants/sysd.service";
    let link = LinkTarget::from_stat(&stat(&host, wants).expect("there")).expect("a link");
    let alter: [fn(&mut LinkTarget); 3] = [
        |link| link.target = "/etc/systemd/system/ssh.service".into(),
        |link| link.id.inode = Wide(link.id.inode.0 + 1),
        |link| link.mount = "/run".into(),
    ];
    for alter in alter {
        let mut other = link.clone();
        alter(&mut other);
        assert!(matches!(
            host.act(&Act::RemoveLink { link: other }),
            Err(HostError::Changed { .. })
        ));
    }
    assert!(stat(&host, wants).is_some());
}
