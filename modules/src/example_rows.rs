//! Processes, lines and connections for tests: an ordinary one, then what differs.

use deminer_worker::action::FileTarget;
use deminer_worker::query::{Executable, FileId, FileKind, FileStat, Ownership, Peer, Process, Socket};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};

use crate::process_row::ProcessRow;
use crate::starter::{Place, Starter};

/// A process of the table: what it runs, then what differs from an ordinary idle one.
#[derive(Clone)]
pub(crate) struct Row(ProcessRow);

pub(crate) fn stat(path: &str, inode: u64) -> FileStat {
    FileStat {
        path: path.into(),
        mount: "/".into(),
        kind: FileKind::Regular,
        id: FileId {
            dev: Wide(1),
            inode: Wide(inode),
        },
        size: Wide(1000 + inode),
        mode: 0o755,
        uid: 0,
        gid: 0,
        links: 1,
        mtime_ns: Wide(0),
        ctime_ns: Wide(0),
        btime_ns: None,
        flags: None,
        xattrs: Vec::new(),
        link_target: None,
        sha256: None,
    }
}

impl Row {
    pub(crate) fn runs(pid: u32, exe: &str, argv: &[&str]) -> Row {
        let path = HostPath::from(exe);
        let comm = &path.file_name()[..path.file_name().len().min(15)];
        let line = argv.join("\0");
        Row(ProcessRow {
            process: Process {
                pid,
                ppid: 1,
                pgid: pid,
                session: pid,
                start_ticks: Wide(u64::from(pid) * 10),
                state: "S".to_owned(),
                uid: 0,
                comm: HostBytes::new(comm),
                argv: argv.iter().map(|word| HostBytes::from(*word)).collect(),
                argv_bytes: Wide(line.len() as u64),
                argv_sha256: Some(Digest::of(line.as_bytes())),
                exe: Some(Executable {
                    path: path.clone(),
                    deleted: false,
                    memfd: exe.starts_with("/memfd:"),
                    id: FileId {
                        dev: Wide(1),
                        inode: Wide(u64::from(pid)),
                    },
                    size: Wide(1000 + u64::from(pid)),
                    sha256: Some(Digest::of(exe.as_bytes())),
                }),
                script: None,
                cwd: Some("/".into()),
                environ: None,
                cgroup: HostBytes::default(),
                mount_namespace: None,
                net_namespace: None,
                pid_namespace: None,
                kernel_thread: false,
                threads: 1,
                rss: Wide(1 << 20),
                cpu_ms: Wide(0),
                cpu_centi: Some(0),
                tracer: 0,
                fds: None,
                maps: None,
            },
            package: Some(Ownership::Unowned),
            unit: None,
            user: "root".to_owned(),
            container: None,
        })
    }

    pub(crate) fn packaged(mut self) -> Row {
        self.0.package = Some(Ownership::Owned {
            package: "some-package".to_owned(),
        });
        self
    }

    pub(crate) fn owned(mut self, package: Ownership) -> Row {
        self.0.package = Some(package);
        self
    }

    pub(crate) fn cpu(mut self, percent: u32) -> Row {
        self.0.process.cpu_centi = Some(percent * 100);
        self
    }

    /// With so many seconds of CPU time since it began.
    pub(crate) fn worked(mut self, seconds: u64) -> Row {
        self.0.process.cpu_ms = Wide(seconds * 1000);
        self
    }

    pub(crate) fn deleted(mut self) -> Row {
        self.0.process.exe.as_mut().expect("a row runs a file").deleted = true;
        self
    }

    pub(crate) fn child_of(mut self, pid: u32) -> Row {
        self.0.process.ppid = pid;
        self
    }

    pub(crate) fn of_user(mut self, uid: u32) -> Row {
        self.0.process.uid = uid;
        self.0.user = uid.to_string();
        self
    }

    pub(crate) fn named(mut self, comm: &str) -> Row {
        self.0.process.comm = comm.into();
        self
    }

    pub(crate) fn script(mut self, path: &str) -> Row {
        self.0.process.script = Some(stat(path, 900_000 + u64::from(self.0.process.pid)));
        self
    }

    pub(crate) fn kernel(mut self) -> Row {
        self.0.process.kernel_thread = true;
        self.0.process.exe = None;
        self.0.package = None;
        self
    }

    pub(crate) fn build(self) -> ProcessRow {
        self.0
    }
}

impl From<ProcessRow> for Row {
    fn from(row: ProcessRow) -> Row {
        Row(row)
    }
}

pub(crate) fn starter(place: Place, file: &str, line: &str, command: &str, starts: &[&str]) -> Starter {
    let mut stat = stat(file, 77);
    stat.sha256 = Some(Digest::of(line.as_bytes()));
    Starter {
        place,
        file: FileTarget::from_stat(&stat).expect("hashed"),
        number: Some(3),
        line: line.into(),
        within: None,
        user: HostBytes::default(),
        schedule: HostBytes::default(),
        command: command.into(),
        starts: starts.iter().map(|path| HostPath::from(*path)).collect(),
        settings: Vec::new(),
        link: None,
    }
}

pub(crate) fn connection(address: &str, port: u16, owner: u32) -> Socket {
    Socket {
        protocol: "tcp".to_owned(),
        local: Peer {
            address: "192.0.2.1".to_owned(),
            port: 40_000,
        },
        remote: Some(Peer {
            address: address.to_owned(),
            port,
        }),
        state: "established".to_owned(),
        inode: Wide(1),
        uid: 0,
        net_namespace: Wide(1),
        owners: vec![owner],
    }
}
