//! Whose own a miner may be: what the site allows, and what a person or a batch system started and nothing hides.
//!
//! A researcher's benchmark and a student's job look like an intruder's miner in all that they say of themselves. What the
//! site names by user, path and content is clean. What hangs below a living login or a batch system, and neither hides nor
//! is brought back nor is known from an alarm, is for a person to look at: an intruder may be logged in too.

use std::collections::BTreeMap;

use deminer_engine::module::ModuleError;
use deminer_worker::text::{Digest, HostPath};

use super::rules::{Rules, Signal, holds, program};
use crate::process_row::ProcessRow;

/// One program of the owner's: `USER:PATH:SHA256`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Allowed {
    user: String,
    path: HostPath,
    sha256: Digest,
}

/// Reads what the site allows.
///
/// # Errors
/// When an entry is not of the form `USER:PATH:SHA256`, with an absolute path and a whole digest.
pub(super) fn read(entries: &[String]) -> Result<Vec<Allowed>, ModuleError> {
    let one = |(at, text): (usize, &String)| {
        let parts = || {
            let (user, rest) = text.split_once(':')?;
            let (path, digest) = rest.rsplit_once(':')?;
            let sha256 = digest.to_ascii_lowercase().parse().ok()?;
            let is_whole = !user.is_empty() && path.starts_with('/') && digest.len() == 64;
            is_whole.then(|| Allowed {
                user: user.to_owned(),
                path: path.into(),
                sha256,
            })
        };
        parts().ok_or_else(|| ModuleError::Parameter {
            name: format!("allow[{at}]"),
            why: format!("`{text}` is not USER:PATH:SHA256, as in alice:/opt/hpc/xmrig:9f86d081..."),
        })
    };
    entries.iter().enumerate().map(one).collect()
}

/// Whether the site allows this user to run this content from this path. A file that is gone is not at its path.
pub(super) fn is_allowed(row: &ProcessRow, allowed: &[Allowed]) -> bool {
    let Some(exe) = row.process.exe.as_ref().filter(|exe| !exe.deleted && !exe.memfd) else {
        return false;
    };
    allowed.iter().any(|allowed| {
        let user = allowed.user == row.user || allowed.user == row.process.uid.to_string();
        user && allowed.path == exe.path && exe.sha256 == Some(allowed.sha256)
    })
}

/// Who started a process, where that is a person or a batch system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Starter {
    /// A login that still lives.
    Login,
    /// A batch system.
    Batch,
}

/// The generations that are looked back.
const GENERATIONS: usize = 64;

/// The living login or batch system that a process descends from, by pid. Programs count by name only where nobody but
/// root could have started them under it: root's own, and not from a temporary or hidden place.
pub(super) fn started_by(row: &ProcessRow, rows: &BTreeMap<u32, &ProcessRow>, rules: &Rules) -> Option<(Starter, u32)> {
    let mut pid = row.process.ppid;
    for _ in 0..GENERATIONS {
        let parent = rows.get(&pid).filter(|parent| parent.process.pid > 1)?;
        if let Some(exe) = parent.process.exe.as_ref().filter(|exe| !exe.memfd) {
            let name = program(&exe.path);
            let is_trusted = parent.process.uid == 0 && !rules.places.is_remarkable(&exe.path);
            let among = |list: &[String]| holds(list, name);
            if is_trusted && among(&rules.lists.batch_programs) {
                return Some((Starter::Batch, pid));
            }
            if is_trusted && among(&rules.lists.login_programs) {
                return Some((Starter::Login, pid));
            }
        }
        pid = parent.process.ppid;
    }
    None
}

/// Whether something shows an intruder, and not only a miner: it hides, lies where nobody installs, comes back by itself, or
/// an alarm names it.
pub(super) fn shows_an_intruder(signals: &[Signal]) -> bool {
    signals.iter().any(|signal| {
        matches!(
            signal,
            Signal::PoolConnection
                | Signal::IndicatorConnection
                | Signal::IndicatorName
                | Signal::IndicatorDigest
                | Signal::KernelName
                | Signal::EmptyArguments
                | Signal::MemoryExecutable
                | Signal::DeletedExecutable
                | Signal::OtherName
                | Signal::EncodedPool
                | Signal::TemporaryPlace
                | Signal::HiddenPlace
                | Signal::ScriptPlace
                | Signal::UnownedInSystem
                | Signal::ModifiedPackageFile
                | Signal::StartedByLine
                | Signal::DownloadToShell
                | Signal::Guarded
        )
    })
}

#[cfg(test)]
mod tests {
    use deminer_engine::finding::{Bearing, HostVerdict};

    use super::super::rules::{shipped, shipped_resource};
    use super::super::{Judged, Params, ProcessVerdict, judge};
    use super::*;
    use crate::example_rows::Row;

    const JOB: &[&str] = &[
        "xmrig",
        "-o",
        "pool.supportxmr.com:443",
        "--donate-level=1",
        "-k",
        "--tls",
    ];

    fn judged(rows: Vec<ProcessRow>, allow: &[String]) -> (Judged, Vec<String>) {
        let params = Params {
            processes: rows,
            starters: Vec::new(),
            units: crate::unit_row::Units::default(),
            sockets: Vec::new(),
            pools: Vec::new(),
            indicators: Vec::new(),
            allow: allow.to_vec(),
            boot_id: "boot".to_owned(),
            rules: shipped_resource(),
        };
        let (outcome, _) = judge(&params, &shipped(), &read(allow).expect("entries"));
        let told = outcome
            .findings
            .iter()
            .filter(|f| f.bearing == Bearing::Review || f.signal == "allowed");
        let told = told.map(|finding| finding.sentence()).collect();
        (outcome.output, told)
    }

    fn word(judged: &Judged, pid: u32) -> ProcessVerdict {
        let row = judged.rows.iter().find(|row| row.row.process.pid == pid);
        row.map_or(ProcessVerdict::Clean, |row| row.verdict)
    }

    #[test]
    fn what_somebody_started_openly_is_for_a_person() {
        use ProcessVerdict::{Miner, Suspect};
        let job = |exe: &str, parent| Row::runs(900, exe, JOB).cpu(390).child_of(parent);
        let shell = |parent| Row::runs(800, "/usr/bin/bash", &["-bash"]).packaged().child_of(parent);
        let root = |pid, exe: &str| Row::runs(pid, exe, &["x"]);
        let rows: Vec<(&str, Row, Row, ProcessVerdict)> = vec![
            (
                "a login",
                job("/home/ada/xmrig", 800),
                root(700, "/usr/sbin/sshd"),
                Suspect,
            ),
            (
                "a batch system",
                job("/home/ada/xmrig", 800),
                root(700, "/opt/slurm/sbin/slurmstepd"),
                Suspect,
            ),
            // Infected, beside them.
            ("cron", job("/home/ada/xmrig", 800), root(700, "/usr/sbin/cron"), Miner),
            (
                "nobody any more",
                job("/home/ada/xmrig", 1),
                root(700, "/usr/sbin/sshd"),
                Miner,
            ),
            (
                "a login, from a temporary place",
                job("/tmp/xmrig", 800),
                root(700, "/usr/sbin/sshd"),
                Miner,
            ),
            (
                "a login, deleted",
                job("/home/ada/xmrig", 800).deleted(),
                root(700, "/usr/sbin/sshd"),
                Miner,
            ),
            (
                "a login, in a hidden place",
                job("/home/ada/.x/xmrig", 800),
                root(700, "/usr/sbin/sshd"),
                Miner,
            ),
            (
                "what only calls itself a batch system",
                job("/home/ada/xmrig", 800),
                root(700, "/tmp/slurmstepd"),
                Miner,
            ),
            (
                "a user's own",
                job("/home/ada/xmrig", 800),
                root(700, "/home/ada/sshd").of_user(1000),
                Miner,
            ),
        ];
        for (name, job, ancestor, expected) in rows {
            let (judged, told) = judged(vec![job.build(), shell(700).build(), ancestor.build()], &[]);
            assert_eq!(word(&judged, 900), expected, "{name}");
            assert_eq!(judged.host == HostVerdict::Suspected, expected == Suspect, "{name}");
            assert_eq!(
                told.iter().any(|said| said.contains("--set allow=")),
                expected == Suspect,
                "{name}: {told:?}"
            );
        }
    }

    #[test]
    fn what_the_site_allows_is_clean_and_a_copy_is_not() {
        use ProcessVerdict::{Clean, Miner};
        let row = || Row::runs(900, "/opt/hpc/xmrig", JOB).cpu(390);
        let exe = row().build().process.exe.expect("it runs a file");
        let entry = |user: &str, path: &str, sha256: &str| format!("{user}:{path}:{sha256}");
        let sha256 = exe.sha256.expect("it was hashed").to_string();
        let user = row().build().user;
        let rows = [
            ("nothing is allowed", None, row(), Miner),
            ("this", Some(entry(&user, "/opt/hpc/xmrig", &sha256)), row(), Clean),
            ("by number", Some(entry("0", "/opt/hpc/xmrig", &sha256)), row(), Clean),
            (
                "another user",
                Some(entry("ada", "/opt/hpc/xmrig", &sha256)),
                row(),
                Miner,
            ),
            (
                "another place",
                Some(entry(&user, "/opt/hpc/xmrig2", &sha256)),
                row(),
                Miner,
            ),
            (
                "other content",
                Some(entry(&user, "/opt/hpc/xmrig", &"0".repeat(64))),
                row(),
                Miner,
            ),
            (
                "its file is gone",
                Some(entry(&user, "/opt/hpc/xmrig", &sha256)),
                row().deleted(),
                Miner,
            ),
        ];
        for (name, entry, row, expected) in rows {
            let allow: Vec<String> = entry.into_iter().collect();
            let (judged, told) = judged(vec![row.build()], &allow);
            assert_eq!(word(&judged, 900), expected, "{name}");
            assert_eq!(
                told.iter().any(|said| said.contains("the site allows")),
                expected == Clean,
                "{name}"
            );
        }
        for wrong in ["xmrig", "ada:xmrig:00", "ada:/opt/xmrig:00", ":/opt/xmrig:00"] {
            assert!(read(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
