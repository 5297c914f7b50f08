//! What a trace asks of the host, each thing once. What cannot be read is a gap, never an absence.

use std::collections::{BTreeMap, BTreeSet};

use deminer_engine::host::HostView;
use deminer_engine::module::ModuleError;
use deminer_worker::query::{
    Answer, Coverage, Entry, Executable, FileKind, FileStat, FileText, GapReason, HostError, HostFacts, Ownership,
    Process, ProcessesQuery, Query, Socket,
};
use deminer_worker::text::HostPath;

/// The bytes of a script or a configuration that are read at most.
const TEXT_BYTES: u32 = 256 << 10;

/// The texts that are asked for together.
const TEXTS: u32 = 4_096;

/// A host, with what it already answered.
pub(super) struct Look<'a> {
    host: &'a dyn HostView,
    pub(super) facts: HostFacts,
    pub(super) processes: BTreeMap<u32, Process>,
    pub(super) coverage: Coverage,
    owners: BTreeMap<HostPath, Ownership>,
    stats: BTreeMap<HostPath, Option<FileStat>>,
    texts: BTreeMap<HostPath, Option<FileText>>,
}

impl<'a> Look<'a> {
    /// Asks what the host is and what runs there.
    pub(super) async fn begin(host: &'a dyn HostView) -> Result<Look<'a>, ModuleError> {
        let mut coverage = Coverage::whole();
        let seen = host.observe(Query::Host {}).await?;
        coverage.unite(&seen.coverage);
        let Answer::Host(facts) = seen.value else {
            return Err(wrong("host"));
        };
        let query = ProcessesQuery {
            digest: true,
            fds: true,
            ..ProcessesQuery::default()
        };
        let seen = host.observe(Query::Processes(query)).await?;
        coverage.unite(&seen.coverage);
        let Answer::Processes(processes) = seen.value else {
            return Err(wrong("processes"));
        };
        Ok(Look {
            host,
            facts,
            processes: processes.into_iter().map(|process| (process.pid, process)).collect(),
            coverage,
            owners: BTreeMap::new(),
            stats: BTreeMap::new(),
            texts: BTreeMap::new(),
        })
    }

    /// Asks; an answer that fails for this object only is a gap.
    async fn ask(&mut self, query: Query, subject: &str, object: &HostPath) -> Result<Option<Answer>, ModuleError> {
        let why = match self.host.observe(query).await {
            Ok(seen) => {
                self.coverage.unite(&seen.coverage);
                return Ok(Some(seen.value));
            }
            Err(HostError::Denied { .. }) => GapReason::Denied,
            Err(HostError::Gone { .. }) => GapReason::Gone,
            Err(HostError::Changed { .. }) => GapReason::Changed,
            Err(HostError::TimedOut { .. }) => GapReason::TimedOut,
            Err(HostError::TooLarge { .. }) => GapReason::Cut,
            Err(HostError::Unsupported { .. } | HostError::Failed { .. }) => GapReason::Unsupported,
            Err(error) => return Err(error.into()),
        };
        self.coverage.note(subject, object, why);
        Ok(None)
    }

    /// Every socket.
    pub(super) async fn sockets(&mut self) -> Result<Vec<Socket>, ModuleError> {
        match self.ask(Query::Sockets {}, "sockets", &HostPath::default()).await? {
            Some(Answer::Sockets(sockets)) => Ok(sockets),
            Some(_) => Err(wrong("sockets")),
            None => Ok(Vec::new()),
        }
    }

    /// What packages say of these files; asked together, kept.
    pub(super) async fn learn_owners(&mut self, files: impl IntoIterator<Item = HostPath>) -> Result<(), ModuleError> {
        let wanted: BTreeSet<HostPath> = files
            .into_iter()
            .filter(|file| !self.owners.contains_key(file))
            .collect();
        let files: Vec<HostPath> = wanted.into_iter().collect();
        let Some(first) = files.first().cloned() else {
            return Ok(());
        };
        let answer = self
            .ask(Query::Packages { files: files.clone() }, "packages", &first)
            .await?;
        let owners = match answer {
            Some(Answer::Packages(owners)) if owners.len() == files.len() => owners,
            Some(_) => return Err(wrong("packages")),
            None => vec![Ownership::Unknown; files.len()],
        };
        self.owners.extend(files.into_iter().zip(owners));
        Ok(())
    }

    /// What packages say of one file.
    pub(super) async fn owner(&mut self, file: &HostPath) -> Result<Ownership, ModuleError> {
        self.learn_owners([file.clone()]).await?;
        Ok(self.owners.get(file).cloned().unwrap_or(Ownership::Unknown))
    }

    /// What packages say of what a process runs.
    pub(super) async fn owner_of_running(&mut self, process: &Process) -> Result<Ownership, ModuleError> {
        match &process.exe {
            Some(exe) => {
                self.owner(&running_name(process.pid, exe, self.shares_mounts(process)))
                    .await
            }
            None => Ok(Ownership::Unknown),
        }
    }

    /// Whether its paths are the host's own: it lives in the mount namespace of pid 1, as far as the kernel told.
    pub(super) fn shares_mounts(&self, process: &Process) -> bool {
        let host = self.processes.get(&1).and_then(|first| first.mount_namespace);
        match (host, process.mount_namespace) {
            (Some(host), Some(own)) => host == own,
            _ => true,
        }
    }

    /// Regular files, hashed; asked together, kept.
    pub(super) async fn learn_files(&mut self, files: impl IntoIterator<Item = HostPath>) -> Result<(), ModuleError> {
        let wanted: BTreeSet<HostPath> = files
            .into_iter()
            .filter(|file| !self.stats.contains_key(file))
            .collect();
        let paths: Vec<HostPath> = wanted.into_iter().collect();
        let Some(first) = paths.first().cloned() else {
            return Ok(());
        };
        let query = Query::Stat {
            paths: paths.clone(),
            digest: true,
        };
        let entries = match self.ask(query, "file", &first).await? {
            Some(Answer::Entries(entries)) if entries.len() == paths.len() => entries,
            Some(_) => return Err(wrong("stat")),
            None => Vec::new(),
        };
        for (path, entry) in paths.iter().zip(entries) {
            let stat = match entry {
                Entry::Present(stat) => Some(stat),
                Entry::Absent { .. } => None,
                Entry::Hidden { why, .. } => {
                    self.coverage.note("file", path, why);
                    None
                }
            };
            self.stats.insert(path.clone(), stat);
        }
        Ok(())
    }

    /// A regular file, hashed; `None` where there is none or it could not be read.
    pub(super) async fn file(&mut self, path: &HostPath) -> Result<Option<FileStat>, ModuleError> {
        self.learn_files([path.clone()]).await?;
        let stat = self.stats.get(path).and_then(Option::as_ref);
        Ok(stat
            .filter(|stat| stat.kind == FileKind::Regular && stat.sha256.is_some())
            .cloned())
    }

    /// Short regular files with their whole content; asked together, kept.
    pub(super) async fn learn_texts(&mut self, files: impl IntoIterator<Item = HostPath>) -> Result<(), ModuleError> {
        let is_name = |file: &HostPath| !file.as_bytes().iter().any(|b| matches!(b, b'*' | b'?' | 0));
        let wanted: BTreeSet<HostPath> = files
            .into_iter()
            .filter(|file| is_name(file) && !self.texts.contains_key(file))
            .collect();
        let patterns: Vec<HostPath> = wanted.into_iter().take(TEXTS as usize).collect();
        let Some(first) = patterns.first().cloned() else {
            return Ok(());
        };
        let query = Query::ReadTree {
            patterns: patterns.clone(),
            max_files: TEXTS,
            max_file_bytes: TEXT_BYTES,
        };
        let texts = match self.ask(query, "file", &first).await? {
            Some(Answer::Files(files)) => files,
            Some(_) => return Err(wrong("read_tree")),
            None => return Ok(()),
        };
        let mut texts: BTreeMap<HostPath, FileText> =
            texts.into_iter().map(|text| (text.stat.path.clone(), text)).collect();
        for path in patterns {
            let text = texts.remove(&path).filter(is_whole_text);
            self.texts.insert(path, text);
        }
        Ok(())
    }

    /// Whether nothing stands at a path; what cannot be told is not absent.
    pub(super) async fn is_absent(&mut self, path: &HostPath) -> Result<bool, ModuleError> {
        let query = Query::Stat {
            paths: vec![path.clone()],
            digest: false,
        };
        match self.ask(query, "file", path).await? {
            Some(Answer::Entries(entries)) => Ok(matches!(&entries[..], [Entry::Absent { .. }])),
            Some(_) => Err(wrong("stat")),
            None => Ok(false),
        }
    }

    /// A short regular file with its whole content; `None` where there is none, or it is longer than a text would be.
    pub(super) async fn text(&mut self, path: &HostPath) -> Result<Option<FileText>, ModuleError> {
        self.read(path, TEXT_BYTES).await
    }

    /// A regular file with its whole content, up to a limit.
    pub(super) async fn read(&mut self, path: &HostPath, max_bytes: u32) -> Result<Option<FileText>, ModuleError> {
        if let Some(known) = self.texts.get(path) {
            return Ok(known.clone());
        }
        let query = Query::Read {
            path: path.clone(),
            max_bytes,
        };
        let text = match self.ask(query, "file", path).await? {
            Some(Answer::Files(mut files)) => files.pop(),
            Some(_) => return Err(wrong("read")),
            None => None,
        };
        let text = text.filter(is_whole_text);
        self.texts.insert(path.clone(), text.clone());
        Ok(text)
    }

    /// What lies below some directories.
    pub(super) async fn walk(
        &mut self,
        roots: Vec<HostPath>,
        max_depth: u32,
        max_entries: u32,
    ) -> Result<Vec<FileStat>, ModuleError> {
        let Some(first) = roots.first().cloned() else {
            return Ok(Vec::new());
        };
        let query = Query::Walk {
            roots,
            max_depth,
            max_entries,
        };
        match self.ask(query, "directory", &first).await? {
            Some(Answer::Walk(stats)) => Ok(stats),
            Some(_) => Err(wrong("walk")),
            None => Ok(Vec::new()),
        }
    }
}

fn is_whole_text(text: &FileText) -> bool {
    text.stat.kind == FileKind::Regular && !text.cut && text.stat.sha256.is_some()
}

/// How the package database is asked for what a process runs: by its path, or through `/proc` where no name of ours leads
/// to it.
fn running_name(pid: u32, exe: &Executable, shares_mounts: bool) -> HostPath {
    match exe.deleted || exe.memfd || !shares_mounts {
        true => HostPath::from(format!("/proc/{pid}/exe").as_str()),
        false => exe.path.clone(),
    }
}

fn wrong(asked: &str) -> ModuleError {
    ModuleError::WrongAnswer {
        asked: asked.to_owned(),
    }
}
