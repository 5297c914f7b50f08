//! A host in memory for tests of a trace.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_worker::action::{FileTarget, LinkTarget};
use deminer_worker::query::{
    Answer, Coverage, Entry, FileId, FileKind, FileStat, FileText, HostError, HostFacts, HostIdentity, Observed,
    Ownership, Query, Socket,
};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};

use crate::example_rows::{Row, starter};
use crate::process_row::ProcessRow;
use crate::starter::{Place, Starter};
use crate::starter_text::{Text, starts_of};

/// A host: files with their bytes and owners, processes, starters.
#[derive(Default)]
pub(super) struct Stub {
    pub(super) files: BTreeMap<HostPath, (FileStat, Vec<u8>)>,
    pub(super) owners: BTreeMap<HostPath, Ownership>,
    pub(super) rows: Vec<ProcessRow>,
    pub(super) starters: Vec<Starter>,
    pub(super) sockets: Vec<Socket>,
    pub(super) own_chain: Vec<u32>,
    pub(super) asked: Mutex<Vec<Query>>,
}

fn file_stat(path: &str, bytes: &[u8], uid: u32) -> FileStat {
    let inode = Digest::of(path.as_bytes()).0[..6]
        .iter()
        .fold(0u64, |all, byte| all << 8 | u64::from(*byte));
    FileStat {
        path: path.into(),
        mount: "/".into(),
        kind: FileKind::Regular,
        id: FileId {
            dev: Wide(1),
            inode: Wide(inode),
        },
        size: Wide(bytes.len() as u64),
        mode: 0o755,
        uid,
        gid: 0,
        links: 1,
        mtime_ns: Wide(0),
        ctime_ns: Wide(0),
        btime_ns: None,
        flags: None,
        xattrs: Vec::new(),
        link_target: None,
        sha256: Some(Digest::of(bytes)),
    }
}

impl Stub {
    pub(super) fn file(mut self, path: &str, bytes: &[u8]) -> Stub {
        self.files
            .insert(path.into(), (file_stat(path, bytes, 0), bytes.to_vec()));
        self
    }

    pub(super) fn file_of(mut self, uid: u32, path: &str, bytes: &[u8]) -> Stub {
        self.files
            .insert(path.into(), (file_stat(path, bytes, uid), bytes.to_vec()));
        self
    }

    pub(super) fn owned(mut self, path: &str, owner: Ownership) -> Stub {
        self.owners.insert(path.into(), owner);
        self
    }

    pub(super) fn packaged(self, path: &str, bytes: &[u8]) -> Stub {
        let owner = Ownership::Owned {
            package: "some-package".to_owned(),
        };
        self.file(path, bytes).owned(path, owner)
    }

    /// A process that runs `bytes` from where its row says; its file exists where it was put there.
    pub(super) fn process(mut self, row: Row, bytes: &[u8]) -> Stub {
        let mut row = row.build();
        let exe = row.process.exe.as_mut().expect("a row runs a file");
        exe.sha256 = Some(Digest::of(bytes));
        exe.size = Wide(bytes.len() as u64);
        exe.id = match self.files.get(&exe.path) {
            Some((stat, _)) if !exe.deleted => stat.id,
            _ => file_stat(&format!("gone {}", row.process.pid), bytes, 0).id,
        };
        row.process.script = row
            .process
            .script
            .and_then(|script| Some(self.files.get(&script.path)?.0.clone()));
        let name = match exe.deleted || exe.memfd {
            true => HostPath::from(format!("/proc/{}/exe", row.process.pid).as_str()),
            false => exe.path.clone(),
        };
        if let Some(owner) = self.owners.get(&name) {
            row.package = Some(owner.clone());
        } else if let Some(owner) = row.package.clone() {
            self.owners.insert(name, owner);
        }
        self.rows.push(row);
        self
    }

    pub(super) fn starter(
        mut self,
        place: Place,
        file: &str,
        number: u32,
        line: &str,
        command: &str,
        starts: &[&str],
    ) -> Stub {
        let mut one = starter(place, file, line, command, starts);
        one.number = Some(number);
        self.starters.push(one);
        self
    }

    /// A file in a place of the catalogue, with all that it starts.
    pub(super) fn place(self, path: &str, content: &str) -> Stub {
        let mut stub = self.file(path, content.as_bytes());
        let path = HostPath::from(path);
        let place = Place::of(&path).expect("a place of the catalogue");
        let homes = BTreeMap::from([(HostBytes::from("deploy"), HostPath::from("/home/deploy"))]);
        let user = match path.is_below(&"/home/deploy".into()) {
            true => HostBytes::from("deploy"),
            false => HostBytes::default(),
        };
        let text = Text {
            path: &path,
            content: content.as_bytes(),
            user: &user,
            homes: &homes,
        };
        let file = FileTarget::from_stat(&stub.files[&path].0).expect("hashed");
        for row in starts_of(place.entry(), &text).rows {
            stub.starters.push(Starter {
                place,
                file: file.clone(),
                number: row.number,
                line: row.line,
                within: row.within,
                user: row.user,
                schedule: row.schedule,
                command: row.command,
                starts: row.starts,
                settings: row.settings,
                link: None,
            });
        }
        stub
    }

    /// A link in a place of the catalogue, by which that has `leads`; where that is no file, the link stands alone.
    pub(super) fn linked(mut self, path: &str, target: &str, leads: &str) -> Stub {
        let mut stat = file_stat(path, target.as_bytes(), 0);
        (stat.kind, stat.link_target) = (FileKind::Link, Some(target.into()));
        let path = HostPath::from(path);
        let place = Place::of(&path).expect("a place of the catalogue");
        let file = match self.files.get(&leads.into()) {
            Some((there, _)) if place != Place::RcLink => there.clone(),
            _ => stat.clone(),
        };
        self.starters.push(Starter {
            file: FileTarget::from_stat(&file).expect("hashed"),
            number: None,
            link: LinkTarget::from_stat(&stat),
            ..starter(place, "/", "", "", &[leads])
        });
        self
    }

    pub(super) fn cron(self, number: u32, command: &str, starts: &[&str]) -> Stub {
        let line = format!("* * * * * {command}");
        self.starter(
            Place::Crontab,
            "/var/spool/cron/crontabs/root",
            number,
            &line,
            command,
            starts,
        )
    }
}

#[async_trait]
impl HostView for Stub {
    fn name(&self) -> &str {
        "stub"
    }

    async fn observe(&self, query: Query) -> Result<Observed<Answer>, HostError> {
        self.asked.lock().expect("one thread").push(query.clone());
        let answer = match query {
            Query::Host {} => Answer::Host(HostFacts {
                identity: HostIdentity {
                    machine_id: None,
                    boot_id: "boot".to_owned(),
                    hostname: "stub".into(),
                    pid_namespace: Wide(1),
                },
                system: "linux".to_owned(),
                distribution: String::new(),
                kernel: String::new(),
                architecture: String::new(),
                cpus: 2,
                memory_total: Wide(0),
                memory_available: Wide(0),
                load_centi: [0; 3],
                uptime_ms: Wide(0),
                host_time_ms: Wide(0),
                ticks_per_second: 100,
                uid: 0,
                own_chain: self.own_chain.clone(),
                own_names: Vec::new(),
                taint: Wide(0),
                without: Vec::new(),
            }),
            Query::Processes(_) => Answer::Processes(self.rows.iter().map(|row| row.process.clone()).collect()),
            Query::Sockets {} => Answer::Sockets(self.sockets.clone()),
            Query::Stat { paths, .. } => Answer::Entries(
                paths
                    .into_iter()
                    .map(|path| match self.files.get(&path) {
                        Some((stat, _)) => Entry::Present(stat.clone()),
                        None => Entry::Absent { path },
                    })
                    .collect(),
            ),
            Query::Walk { roots, max_depth, .. } => Answer::Walk(
                self.files
                    .values()
                    .map(|(stat, _)| stat)
                    .filter(|stat| {
                        roots.iter().any(|root| {
                            let rest = stat
                                .path
                                .as_bytes()
                                .get(root.as_bytes().len() + 1..)
                                .unwrap_or_default();
                            let depth = rest.iter().filter(|b| **b == b'/').count() as u32;
                            stat.path.is_below(root) && !rest.is_empty() && depth <= max_depth
                        })
                    })
                    .map(|stat| FileStat {
                        sha256: None,
                        ..stat.clone()
                    })
                    .collect(),
            ),
            Query::Read { path, .. } => Answer::Files(
                self.files
                    .get(&path)
                    .map(|(stat, bytes)| FileText {
                        stat: stat.clone(),
                        content: HostBytes::new(&bytes[..]),
                        cut: false,
                    })
                    .into_iter()
                    .collect(),
            ),
            Query::ReadTree { patterns, .. } => Answer::Files(
                patterns
                    .iter()
                    .filter_map(|path| self.files.get(path))
                    .map(|(stat, bytes)| FileText {
                        stat: stat.clone(),
                        content: HostBytes::new(&bytes[..]),
                        cut: false,
                    })
                    .collect(),
            ),
            Query::Packages { files } => Answer::Packages(
                files
                    .iter()
                    .map(|file| self.owners.get(file).cloned().unwrap_or(Ownership::Unowned))
                    .collect(),
            ),
            other => panic!("a trace does not ask {other:?}"),
        };
        Ok(Observed {
            value: answer,
            coverage: Coverage::whole(),
        })
    }
}
