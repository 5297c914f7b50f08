//! A host on which there is nothing to find.

use crate::world::World;

/// What is compared; what a running host writes by itself is left out.
const ALL: [&str; 8] = ["/etc", "/home", "/opt", "/root", "/srv", "/tmp", "/usr", "/var"];
const BY_ITSELF: [&str; 1] = ["/var/log"];

#[test]
fn a_clean_host_is_clean_and_stays_as_it_is() {
    let Some(world) = World::new("clean") else { return };
    let mut host = world.host("web-1");
    host.boot();
    let before = host.snapshot(&ALL, &BY_ITSELF);
    assert!(before.len() > 1000, "{} objects", before.len());
    let processes = |host: &crate::world::host::Host<'_>| -> Vec<(u32, u64)> {
        host.processes().iter().map(|seen| seen.process.key()).collect()
    };
    let (deminer, running) = (host.deminer(), processes(&host));

    let answer = deminer.run(&["run", "linux-miner", "--set", "sample=1s", "--format", "json"]);
    let report = deminer.report();
    assert_eq!(report["hosts"][0]["status"], "clean", "{report:#}\n{answer}");
    let changes = report["hosts"][0]["changes"].as_array().expect("a list");
    assert!(changes.is_empty(), "{report:#}");

    assert_eq!(before.changes(&host.snapshot(&ALL, &BY_ITSELF)), Vec::<String>::new());
    assert_eq!(processes(&host), running);
}
