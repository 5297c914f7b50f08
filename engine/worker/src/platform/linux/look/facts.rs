//! What the host is.

use std::collections::BTreeSet;

use rustix::fs::{CWD, Mode, OFlags, RenameFlags, ResolveFlags, openat2, renameat_with};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use super::file::system_file;
use super::gaps::{Gaps, failure};
use super::process::stat::parse_stat;
use super::procfs::{Proc, Units, bracketed, wide};
use super::{host_time_ms, uptime_ms};
use crate::accounts::login_names;
use crate::query::{GapReason, HostError, HostFacts, HostIdentity, Observed};
use crate::text::{HostBytes, Wide};

/// The longest name that a distribution gives itself here.
const NAME_BYTES: usize = 256;

/// The bytes of one environment that are read.
const ENVIRON_BYTES: usize = 128 << 10;

/// Answers `Host`.
///
/// # Errors
/// When the boot cannot be told from another, or `/proc` is none: then nothing on this host can be identified.
pub(super) fn facts() -> Result<Observed<HostFacts>, HostError> {
    let mut gaps = Gaps::default();
    let proc = Proc::open(&mut gaps)?;
    let name = rustix::system::uname();
    let totals = System::new_with_specifics(
        RefreshKind::nothing()
            .with_memory(MemoryRefreshKind::nothing().with_ram())
            .with_cpu(CpuRefreshKind::nothing()),
    );
    let (memory_total, memory_available, cpus) = match &totals {
        Ok(totals) => (totals.total_memory(), totals.available_memory(), totals.cpus().len()),
        Err(_) => {
            gaps.note("totals", "", GapReason::Unsupported);
            (0, 0, 0)
        }
    };
    let taint = small("/proc/sys/kernel/tainted").and_then(|text| wide(&text));
    if taint.is_none() {
        gaps.note("taint", "/proc/sys/kernel/tainted", GapReason::Unsupported);
    }
    let identity = HostIdentity {
        machine_id: small("/etc/machine-id").and_then(|text| identifier(&text)),
        boot_id: boot_id()?,
        hostname: HostBytes::new(name.nodename().to_bytes()),
        pid_namespace: Wide(own_namespace("pid").unwrap_or(0)),
    };
    let own_chain = own_chain(&proc, &mut gaps)?;
    let facts = HostFacts {
        identity,
        system: "linux".to_owned(),
        distribution: distribution(),
        kernel: HostBytes::new(name.release().to_bytes()).to_string(),
        architecture: HostBytes::new(name.machine().to_bytes()).to_string(),
        cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
        memory_total: Wide(memory_total),
        memory_available: Wide(memory_available),
        load_centi: load_centi(&mut gaps),
        uptime_ms: Wide(uptime_ms()),
        host_time_ms: Wide(host_time_ms()),
        ticks_per_second: u32::try_from(Units::read().ticks_per_second).unwrap_or(u32::MAX),
        uid: rustix::process::geteuid().as_raw(),
        own_names: own_names(&proc, &own_chain),
        own_chain,
        taint: Wide(taint.unwrap_or(0)),
        without: without(),
    };
    Ok(Observed {
        value: facts,
        coverage: gaps.into_coverage(),
    })
}

/// The system calls that this kernel does not have or does not allow, of those that acts prefer. Asked in ways that change
/// nothing: of our own process, of the root directory, of a name that is none.
fn without() -> Vec<String> {
    let lacks = |errno: Errno| matches!(errno, Errno::NOSYS | Errno::PERM);
    let pidfd = pidfd_open(getpid(), PidfdFlags::empty()).map(drop);
    let open = openat2(
        CWD,
        "/",
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS,
    );
    let rename = renameat_with(CWD, "", CWD, "", RenameFlags::NOREPLACE);
    let asked = [
        ("pidfd_open", pidfd),
        ("openat2", open.map(drop)),
        ("renameat2", rename),
    ];
    let missing = asked.into_iter().filter(|(_, answer)| answer.is_err_and(lacks));
    missing.map(|(name, _)| name.to_owned()).collect()
}

/// The boot, as the kernel names it.
pub(super) fn boot_id() -> Result<String, HostError> {
    let path = "/proc/sys/kernel/random/boot_id";
    let bytes = system_file(path, 64).map_err(|errno| failure(&format!("read `{path}`"), errno))?;
    identifier(bytes.trim_ascii()).ok_or_else(|| HostError::Failed {
        doing: format!("read `{path}`"),
        why: "expected a UUID".to_owned(),
    })
}

/// A namespace of the worker, by inode; `None` where the kernel has no such namespace.
pub(super) fn own_namespace(kind: &str) -> Option<u64> {
    use std::os::unix::ffi::OsStrExt;
    let link = std::fs::read_link(format!("/proc/self/ns/{kind}")).ok()?;
    bracketed(link.as_os_str().as_bytes())
}

fn small(path: &str) -> Option<Vec<u8>> {
    system_file(path, 4096).ok().map(|bytes| bytes.trim_ascii().to_vec())
}

/// Hexadecimal digits and dashes, as a machine and a boot are named.
pub(super) fn identifier(text: &[u8]) -> Option<String> {
    let fits = (1..=64).contains(&text.len()) && text.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    fits.then(|| HostBytes::new(text).to_string())
}

/// `PRETTY_NAME` of os-release(5); empty where there is none.
fn distribution() -> String {
    ["/etc/os-release", "/usr/lib/os-release"]
        .iter()
        .find_map(|path| system_file(path, 64 << 10).ok())
        .and_then(|text| pretty_name(&text))
        .unwrap_or_default()
}

pub(super) fn pretty_name(text: &[u8]) -> Option<String> {
    let value = text
        .split(|byte| *byte == b'\n')
        .rev()
        .find_map(|line| line.strip_prefix(b"PRETTY_NAME="))?
        .trim_ascii();
    let value = match value {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => inner,
        bare => bare,
    };
    Some(HostBytes::new(&value[..value.len().min(NAME_BYTES)]).to_string())
}

pub(super) fn load_centi(gaps: &mut Gaps) -> [u32; 3] {
    let Ok(load) = System::load_average() else {
        gaps.note("load", "", GapReason::Unsupported);
        return [0; 3];
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float becomes the nearest number that fits"
    )]
    let centi = |load: f64| (load * 100.0).round() as u32;
    [centi(load.one), centi(load.five), centi(load.fifteen)]
}

/// The worker, its ancestors up to pid 1 and its children, rising.
fn own_chain(proc: &Proc, gaps: &mut Gaps) -> Result<Vec<u32>, HostError> {
    let own = std::process::id();
    let mut chain: BTreeSet<u32> = proc
        .pids(gaps)?
        .into_iter()
        .filter(|pid| parent_of(proc, *pid) == Some(own))
        .collect();
    let line = ancestors(proc, own);
    if let Some(last) = line.last().filter(|last| parent_of(proc, **last).is_none()) {
        gaps.note("process", super::gaps::pid_object(*last), GapReason::Denied);
    }
    chain.extend(line);
    Ok(chain.into_iter().collect())
}

/// A process and its ancestors, as far as the kernel shows them.
pub(super) fn ancestors(proc: &Proc, mut pid: u32) -> Vec<u32> {
    let mut line = Vec::new();
    while pid != 0 && !line.contains(&pid) {
        line.push(pid);
        pid = parent_of(proc, pid).unwrap_or(0);
    }
    line
}

fn parent_of(proc: &Proc, pid: u32) -> Option<u32> {
    let mut bytes = Vec::new();
    let read = proc.pid(pid).and_then(|dir| dir.read_piece(c"stat", 4096, &mut bytes));
    read.ok().filter(|whole| *whole)?;
    parse_stat(&bytes).map(|stat| stat.ppid)
}

/// The login names in the environments of these processes. One that cannot be read tells none: so says its own gap.
fn own_names(proc: &Proc, chain: &[u32]) -> Vec<HostBytes> {
    let mut names = BTreeSet::new();
    let mut bytes = Vec::new();
    for pid in chain {
        let read = proc
            .pid(*pid)
            .and_then(|dir| dir.read(c"environ", ENVIRON_BYTES, &mut bytes));
        if read.is_ok() {
            names.extend(login_names(bytes.split(|byte| *byte == 0)));
        }
    }
    names.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_distributions() {
        let rows: [(&[u8], Option<&str>); 5] = [
            (
                b"NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
                Some("Debian GNU/Linux 12 (bookworm)"),
            ),
            (b"PRETTY_NAME='a'", Some("a")),
            (b"PRETTY_NAME=Alpine", Some("Alpine")),
            (b"PRETTY_NAME=\"\x1b[2J\"", Some("\\x1b[2J")),
            (b"NAME=x", None),
        ];
        for (text, expected) in rows {
            assert_eq!(pretty_name(text).as_deref(), expected);
        }
    }

    #[test]
    fn identifiers_are_hexadecimal() {
        assert_eq!(identifier(b"0123-abcd").as_deref(), Some("0123-abcd"));
        assert_eq!(identifier(b"uninitialized"), None);
        assert_eq!(identifier(b""), None);
    }

    #[test]
    fn this_host() {
        let mut child = std::process::Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let facts = facts().unwrap().value;
        child.kill().unwrap();
        let child_pid = child.id();
        child.wait().unwrap();
        assert!(facts.own_chain.contains(&1));
        assert!(facts.own_chain.contains(&std::process::id()));
        assert!(facts.own_chain.contains(&child_pid));
        assert_eq!(facts.identity.boot_id.len(), 36);
        assert!(facts.cpus > 0 && facts.memory_total.0 > 0 && facts.uptime_ms.0 > 0);
        assert!(facts.memory_available.0 <= facts.memory_total.0);
        assert_eq!(facts.ticks_per_second, 100);
    }
}
