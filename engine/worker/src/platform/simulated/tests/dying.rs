//! A worker that dies at any moment leaves nothing frozen.

use super::*;

const JOURNAL: &str = "/run/.deminer-0123456789abcdef0123456789abcdef";

/// A stroke by hand against the sample host; what fails ends it.
fn stroke(
    host: &Simulated,
    miner: &ProcessTarget,
    guardian: &ProcessTarget,
    copy: &FileTarget,
) -> Result<(), HostError> {
    let _lock = host.lock()?;
    host.arm()?;
    host.act(&Act::Freeze {
        process: guardian.clone(),
    })?;
    host.act(&Act::Freeze { process: miner.clone() })?;
    let object = Object::Process { process: miner.clone() };
    host.capture(&object, &[Part::Exe, Part::Argv], &mut Vault::default())?;
    let mut store = host.open_journal(&path(JOURNAL), 1000)?;
    store.append(b"committed\n")?;
    host.committed(&[miner.clone(), guardian.clone()])?;
    for process in [guardian, miner] {
        host.act(&Act::Kill {
            process: process.clone(),
        })?;
    }
    host.act(&Act::RemoveFile { file: copy.clone() })?;
    host.sleep_ms(200);
    host.disarm();
    store.remove()
}

/// A host, one boundary short of its end or dead at `boundary`, and its worker's end.
fn run(boundary: Option<u64>) -> (Simulated, Result<Result<(), HostError>, WorkerKilled>) {
    let host = Simulated::new(infected());
    let (miner, guardian, copy) = (process(&host, 2101), process(&host, 2100), file(&host, "/tmp/.x/.copy"));
    if let Some(boundary) = boundary {
        host.script(Fault {
            at: At::Boundary(host.boundaries() + boundary),
            then: FaultKind::Die,
        });
    }
    let ended = host.run_worker(|host| stroke(host, &miner, &guardian, &copy));
    (host, ended)
}

#[test]
fn dead_at_every_boundary_nothing_stays_frozen() {
    let (whole, ended) = run(None);
    assert_eq!(ended, Ok(Ok(())));
    // Three calls found the targets before the stroke.
    let boundaries = whole.boundaries() - 6;
    assert!(boundaries > 20, "{boundaries}");
    let benign = [640, 700, 880, 1200, 1300, 1400, 1505, 1510];
    let mut killed_late = 0;
    for boundary in 0..boundaries {
        let (host, ended) = run(Some(boundary));
        assert_eq!(ended, Err(WorkerKilled), "boundary {boundary}");
        let snapshot = host.snapshot();
        assert_eq!(snapshot.frozen(), [] as [u32; 0], "boundary {boundary}");
        assert!(!snapshot.locked && !snapshot.keeper, "boundary {boundary}");
        assert!(benign.iter().all(|pid| snapshot.runs(*pid)), "boundary {boundary}");
        // Of the pair both live or both are dead: the keeper finishes what was committed and nothing else.
        assert_eq!(snapshot.runs(2101), snapshot.runs(2100), "boundary {boundary}");
        killed_late += u32::from(!snapshot.runs(2101));
        assert!(host.lock().is_ok(), "the next worker is served");
    }
    assert!(killed_late > 0 && u64::from(killed_late) < boundaries);
}

#[test]
fn a_dead_worker_acts_no_more() {
    let host = host(GUARDED);
    let process = process(&host, 11);
    host.arm().expect("a keeper");
    host.act(&Act::Freeze {
        process: process.clone(),
    })
    .expect("frozen");
    host.script(Fault {
        at: At::Boundary(host.boundaries()),
        then: FaultKind::Die,
    });
    let thread = {
        let host = host.clone();
        std::thread::spawn(move || host.act(&Act::Kill { process }))
    };
    assert!(thread.join().expect_err("killed").is::<WorkerKilled>());
    assert!(matches!(host.answer(&Query::Host {}), Err(HostError::Lost { .. })));
    assert_eq!(host.snapshot().frozen(), [11], "the keeper has not noticed yet");
    host.worker_gone();
    assert!(host.snapshot().runs(11));
    assert!(host.answer(&Query::Host {}).is_ok());
}

#[test]
fn a_worker_that_only_ends_frees_what_it_froze() {
    let host = host(GUARDED);
    let process = process(&host, 11);
    let ended = host.run_worker(|host| {
        host.arm().expect("a keeper");
        host.act(&Act::Freeze { process }).expect("frozen");
        host.snapshot().frozen()
    });
    assert_eq!(ended, Ok(vec![11]));
    assert!(host.snapshot().runs(11));
}

#[test]
fn a_call_that_failed_afterwards_was_done() {
    let host = host(GUARDED);
    let process = process(&host, 11);
    let lost = HostError::TimedOut {
        doing: "kill".to_owned(),
        limit_ms: 5,
    };
    host.script(Fault {
        at: At::Call(CallAt {
            of: Call::Act,
            kind: Some("kill".to_owned()),
            nth: 1,
            side: Side::After,
        }),
        then: FaultKind::Fail(lost.clone()),
    });
    let kill = Act::Kill { process };
    assert_eq!(host.act(&kill), Err(lost));
    assert_eq!(host.act(&kill), Ok(Done::Gone));
}

#[test]
fn what_becomes_unreadable_is_a_gap() {
    let host = host(r#"{"files": [{"path": "/d/f", "content": "x"}]}"#);
    for (then, shown) in [(FaultKind::Delay(5000), true), (FaultKind::DenyRead(path("/d")), false)] {
        let before = host.uptime_ms();
        host.script(Fault {
            at: At::Boundary(host.boundaries()),
            then,
        });
        assert_eq!(stat(&host, "/d/f").is_some(), shown);
        assert_eq!(host.uptime_ms() - before > 5000, shown);
    }
}
