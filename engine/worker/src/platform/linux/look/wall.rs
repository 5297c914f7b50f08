//! What of ours holds packets back.

use rustix::io::Errno;

use super::file::system_file;
use super::gaps::Gaps;
use crate::platform::linux::netlink::filter;
use crate::platform::linux::wall::{BLOCK, ISOLATION, Wall, WallError};
use crate::query::{Blocked, Blocks, Dropped, GapReason, HostError, Observed};
use crate::text::Wide;

/// `NETLINK_NETFILTER`, as `/proc/net/netlink` numbers it.
const NETFILTER: &str = "12";

/// The bytes of a list of sockets or modules that are read.
const LIST_BYTES: usize = 4 << 20;

const DOING: &str = "ask what is blocked";

/// Answers `Blocks`.
///
/// # Errors
/// When the kernel does not tell: only root may ask.
pub(super) fn blocks() -> Result<Observed<Blocks>, HostError> {
    let mut gaps = Gaps::default();
    if !may_ask() {
        return Ok(Observed::whole(Blocks::default()));
    }
    let mut kernel = filter::open().map_err(|refused| refused.host_error(DOING))?;
    let wall = match Wall::read(&mut kernel) {
        Ok(wall) => wall,
        Err(WallError::NotOurs(table)) => {
            gaps.note("nftables", format!("inet {table}").as_str(), GapReason::Changed);
            Wall::default()
        }
        Err(error) => return Err(error.host_error(DOING)),
    };
    let dropped = |chain: &str| Wide(wall.dropped.get(chain).copied().unwrap_or(0));
    let tables = [BLOCK, ISOLATION].into_iter().filter(|table| wall.has(table));
    Ok(Observed {
        value: Blocks {
            dropped: Dropped {
                input: dropped("input"),
                output: dropped("output"),
                forward: dropped("forward"),
            },
            tables: tables.map(|table| format!("inet {table}")).collect(),
            isolated_ms: wall.isolated.filter(|left| *left > 0).map(Wide),
            addresses: (wall.blocked.unwrap_or_default().into_iter())
                .map(|(address, left)| Blocked {
                    address: address.to_string(),
                    left_ms: Wide(left),
                })
                .collect(),
        },
        coverage: gaps.into_coverage(),
    })
}

/// Whether the question reaches nf_tables without the kernel loading a module for it: looking changes nothing. Where the
/// module is not there, no table is.
pub(in crate::platform::linux) fn may_ask() -> bool {
    // Of its own namespace: not one that `/proc/net` may lead to.
    let subjects = system_file("/proc/thread-self/net/netlink", LIST_BYTES).unwrap_or_default();
    if !has_subject(&String::from_utf8_lossy(&subjects), NETFILTER) {
        return false;
    }
    match system_file("/proc/modules", LIST_BYTES) {
        // A kernel without modules loads none.
        Err(errno) => errno == Errno::NOENT,
        Ok(loaded) => is_loaded(&String::from_utf8_lossy(&loaded)) || is_built_in(&built_in()),
    }
}

/// The modules that are part of the kernel, by its own list (modules.builtin); empty where there is none.
fn built_in() -> String {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let list = system_file(&format!("/lib/modules/{release}/modules.builtin"), LIST_BYTES);
    String::from_utf8_lossy(&list.unwrap_or_default()).into_owned()
}

/// Whether a table of netlink sockets has one of the kernel's own for a subject; the second column is the subject.
pub(super) fn has_subject(table: &str, subject: &str) -> bool {
    let mut lines = table.lines().skip(1);
    lines.any(|line| line.split_whitespace().nth(1) == Some(subject))
}

pub(super) fn is_loaded(modules: &str) -> bool {
    modules.lines().any(|line| line.starts_with("nf_tables "))
}

pub(super) fn is_built_in(modules: &str) -> bool {
    modules.lines().any(|line| line.ends_with("/nf_tables.ko"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_the_kernel_has_it_already() {
        let table = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n\
            00000000a1d3f5b7 0   0          00000000 0        0        0     2        0        6\n\
            00000000b1d3f5b7 12  0          00000000 0        0        0     2        0        7\n";
        assert!(has_subject(table, "12"));
        assert!(!has_subject(table, "1"));
        assert!(!has_subject("", "12"));
        assert!(is_loaded(
            "nfnetlink 20480 2 nf_tables, Live 0x0\nnf_tables 348160 1 - Live 0x0\n"
        ));
        assert!(!is_loaded("nfnetlink 20480 2 nf_tables, Live 0x0\n"));
        assert!(is_built_in("kernel/net/netfilter/nf_tables.ko\n"));
        assert!(!is_built_in("kernel/net/netfilter/nf_tables_x.ko\n"));
    }
}
