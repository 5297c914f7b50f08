//! Whether the programs that everybody relies on are still those of their packages.
//!
//! Holds the content of files against the digests of the host's package database: dpkg's, or RPM's in any of its three
//! forms, read by Deminer itself. The database is the host's own word, and an intruder who is root can change it; a
//! changed program is a fact all the same. It cannot see programs of no package as changed, nor those of containers.
//! Handbook 2.1.3.1 (installed packages); `dpkg -V`, `rpm -V`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Bearing, Finding};
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Effect, FileTarget};
use deminer_worker::query::{Entry, FileKind, FileStat, Ownership};
use deminer_worker::text::{Digest, HostPath, Wide};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::questions;
use crate::saying::said;

/// `package.verify`.
pub struct PackageVerify;

/// What to hold against the database.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// Absolute paths; empty are the programs by which a person looks at a host and those that let people in: `ps`,
    /// `top`, `ls`, `ss`, `lsof`, `crontab`, `bash`, `sshd`, `sudo`, the C library, PAM and their like.
    pub files: Vec<HostPath>,
}

/// What the database says.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// Whether the content of any of them is another than its package's.
    pub modified: bool,
    /// What is changed first, then by path; what is not there is left out.
    pub rows: Vec<VerifiedFile>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct VerifiedFile {
    /// Where.
    pub path: HostPath,
    /// What the package database says.
    pub package: Ownership,
    /// Its content; `None` for a link or where it could not be read.
    pub sha256: Option<Digest>,
    /// Where a link leads.
    pub link_target: Option<HostPath>,
    /// The owner.
    pub uid: u32,
    /// Permission bits.
    pub mode: u32,
    /// Nanoseconds since 1970 at which its inode changed last.
    pub ctime_ns: Wide,
}

/// The programs that are held against it unless others are named; of several names of one, those that are there.
const RELIED_ON: [&str; 58] = [
    "/bin/bash",
    "/bin/sh",
    "/bin/dash",
    "/bin/ls",
    "/bin/ps",
    "/bin/netstat",
    "/bin/login",
    "/bin/su",
    "/bin/cat",
    "/bin/rm",
    "/bin/kill",
    "/usr/bin/bash",
    "/usr/bin/ls",
    "/usr/bin/ps",
    "/usr/bin/top",
    "/usr/bin/htop",
    "/usr/bin/pgrep",
    "/usr/bin/pstree",
    "/usr/bin/ss",
    "/bin/ss",
    "/usr/sbin/ss",
    "/usr/bin/netstat",
    "/usr/bin/lsof",
    "/usr/sbin/lsof",
    "/usr/bin/lsattr",
    "/usr/bin/chattr",
    "/usr/bin/find",
    "/usr/bin/stat",
    "/usr/bin/md5sum",
    "/usr/bin/sha256sum",
    "/usr/bin/last",
    "/usr/bin/who",
    "/usr/bin/w",
    "/usr/bin/crontab",
    "/usr/sbin/cron",
    "/usr/sbin/crond",
    "/usr/bin/curl",
    "/usr/bin/wget",
    "/usr/bin/ssh",
    "/usr/sbin/sshd",
    "/usr/bin/sudo",
    "/usr/bin/passwd",
    "/usr/bin/systemctl",
    "/usr/lib/systemd/systemd",
    "/lib/systemd/systemd",
    "/usr/bin/dpkg",
    "/usr/bin/rpm",
    "/usr/sbin/iptables",
    "/usr/sbin/nft",
    "/usr/bin/docker",
    "/usr/bin/perl",
    "/usr/bin/python3",
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib64/libc.so.6",
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/x86_64-linux-gnu/security/pam_unix.so",
    "/lib64/security/pam_unix.so",
    "/lib/x86_64-linux-gnu/libpam.so.0",
];

#[async_trait]
impl Collector for PackageVerify {
    const ABOUT: About = About {
        name: "package.verify",
        summary: "Holds programs that everybody relies on, or files that are named, against their packages' digests.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate],
        handbook: "2.1.3.1",
        not_seen: "a package database that was changed with the program; files of no package",
        example: "{id: programs, use: package.verify}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, params: Params) -> Result<Outcome<Output>, ModuleError> {
        let mut files = params.files;
        if files.is_empty() {
            files = RELIED_ON.map(HostPath::from).to_vec();
        }
        files.sort();
        files.dedup();
        let seen = questions::stat(host, files, true).await?;
        let mut coverage = seen.coverage;
        let stats: Vec<FileStat> = seen
            .value
            .into_iter()
            .filter_map(|entry| match entry {
                Entry::Present(stat) if matches!(stat.kind, FileKind::Regular | FileKind::Link) => Some(stat),
                _ => None,
            })
            .collect();
        let asked: Vec<HostPath> = stats.iter().map(|stat| stat.path.clone()).collect();
        let count = asked.len();
        let owners = questions::packages(host, asked).await;
        let owners = questions::or_gap(owners, "packages", &mut coverage, || vec![Ownership::Unknown; count])?;
        let mut findings: BTreeMap<String, Finding> = BTreeMap::new();
        let mut rows = Vec::with_capacity(count);
        for (stat, package) in stats.iter().zip(owners) {
            if let Some(finding) = statement(stat, &package) {
                findings.insert(finding.id.to_string(), finding);
            }
            rows.push(VerifiedFile {
                path: stat.path.clone(),
                package,
                sha256: stat.sha256,
                link_target: stat.link_target.clone(),
                uid: stat.uid,
                mode: stat.mode,
                ctime_ns: stat.ctime_ns,
            });
        }
        let is_modified = |row: &VerifiedFile| matches!(row.package, Ownership::Modified { .. });
        rows.sort_by(|a, b| (!is_modified(a), &a.path).cmp(&(!is_modified(b), &b.path)));
        Ok(Outcome {
            output: Output {
                modified: rows.iter().any(is_modified),
                rows,
            },
            findings: findings.into_values().collect(),
            coverage,
        })
    }
}

/// A changed program is for a person to look at: an upgrade by hand looks the same.
fn statement(stat: &FileStat, package: &Ownership) -> Option<Finding> {
    let Ownership::Modified { package } = package else {
        return None;
    };
    let file = FileTarget::from_stat(stat)?;
    let sha256 = file.sha256;
    let say = "{path} should be of package {package}, but its content is another";
    let finding = Finding::new(Artifact::File { file }, "package_file_changed", Bearing::Review, say)
        .field("path", said(stat.path.as_bytes()))
        .field("package", said(package.as_bytes()))
        .rests_on(&stat.path, Some(sha256));
    Some(finding)
}
