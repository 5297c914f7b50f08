//! The simulated host, used as a worker uses it.

use super::world::World;
use super::*;
use crate::action::{FileTarget, LineTarget, Role};
use crate::query::{Entry, FileStat, GapReason, Process, ProcessesQuery};
use crate::text::{HostBytes, Wide};

mod accounts;
mod acting;
mod answering;
mod behaving;
mod containing;
mod describing;
mod dying;
mod running;
mod undoing;
mod units;

fn host(json: &str) -> Simulated {
    Simulated::new(World::from_json(json).expect("a world"))
}

fn path(text: &str) -> HostPath {
    HostPath::from(text)
}

fn ask(host: &Simulated, query: Query) -> Observed<Answer> {
    host.answer(&query).expect("an answer")
}

fn processes(host: &Simulated) -> Vec<Process> {
    let query = ProcessesQuery {
        digest: true,
        ..ProcessesQuery::default()
    };
    match ask(host, Query::Processes(query)).value {
        Answer::Processes(rows) => rows,
        other => panic!("{other:?}"),
    }
}

fn stat(host: &Simulated, file: &str) -> Option<FileStat> {
    let query = Query::Stat {
        paths: vec![path(file)],
        digest: true,
    };
    match ask(host, query).value {
        Answer::Entries(entries) => match entries.into_iter().next() {
            Some(Entry::Present(stat)) => Some(stat),
            _ => None,
        },
        other => panic!("{other:?}"),
    }
}

fn file(host: &Simulated, file: &str) -> FileTarget {
    FileTarget::from_stat(&stat(host, file).expect("there")).expect("a regular file")
}

fn process(host: &Simulated, pid: u32) -> ProcessTarget {
    let row = processes(host).into_iter().find(|row| row.pid == pid).expect("lives");
    let exe = row.exe.expect("runs something");
    ProcessTarget {
        boot_id: World::default().boot_id,
        pid,
        start_ticks: row.start_ticks,
        exe: exe.id,
        exe_path: exe.path,
        exe_sha256: exe.sha256.expect("asked for"),
        exe_size: exe.size,
        argv_sha256: row.argv_sha256.expect("shown"),
        uid: row.uid,
        comm: row.comm,
        role: Role::Miner,
    }
}

fn line(number: u32, line: &str, mark: &str) -> LineTarget {
    LineTarget {
        number,
        line: HostBytes::from(line),
        mark: HostBytes::from(mark),
    }
}

/// Everything in memory.
#[derive(Default)]
struct Vault {
    parts: Vec<(Part, Vec<u8>)>,
    missing: Vec<(Part, HostError)>,
}

impl CaptureSink for Vault {
    fn begin(&mut self, part: Part) -> Result<bool, HostError> {
        self.parts.push((part, Vec::new()));
        Ok(true)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), HostError> {
        let (_, kept) = self.parts.last_mut().expect("a part began");
        kept.extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self) -> Result<(), HostError> {
        Ok(())
    }

    fn missing(&mut self, part: Part, why: HostError) {
        self.missing.push((part, why));
    }
}

const GUARDED: &str = r#"{
    "files": [{"path": "/tmp/guard", "content": "guard", "mode": "0755"}, {"path": "/tmp/.copy", "content": "miner"}],
    "processes": [
        {"pid": 10, "exe": "/tmp/guard"},
        {"pid": 11, "ppid": 10, "exe": "/tmp/m", "exe_content": {"like": "/tmp/.copy"}, "argv": ["m", "-o", "pool"],
         "sockets": [{"local": "192.0.2.1:9", "remote": "198.51.100.23:3333"}]}],
    "guardians": [
        {"process": 10, "watches": [11], "restarts_after_ms": 50, "from": "/tmp/.copy", "as": "/tmp/m", "unlink_after": true}]
}"#;
