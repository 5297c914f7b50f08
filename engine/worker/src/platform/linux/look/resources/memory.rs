//! Memory, from `/proc/meminfo` (proc_meminfo(5)) and the pools of huge pages (Linux `admin-guide/mm/hugetlbpage`).

use super::{names, small, table};
use crate::platform::linux::look::gaps::Gaps;
use crate::platform::linux::look::procfs::{number, wide};
use crate::query::{HugePages, MemoryUse};
use crate::text::Wide;

const POOLS: &str = "/sys/kernel/mm/hugepages";

/// The memory of this host.
pub(super) fn memory(gaps: &mut Gaps) -> MemoryUse {
    let mut memory = parse_meminfo(&table("/proc/meminfo", "memory", gaps));
    memory.huge_pages = names(POOLS).iter().filter_map(|name| pool(name)).collect();
    memory.huge_pages.sort_by_key(|pool| pool.page_bytes);
    memory
}

/// A pool by the name of its directory, `hugepages-2048kB`.
fn pool(name: &str) -> Option<HugePages> {
    let count = |file: &str| number(&small(&format!("{POOLS}/{name}/{file}"))?);
    Some(HugePages {
        page_bytes: Wide(page_bytes(name)?),
        total: count("nr_hugepages")?,
        free: count("free_hugepages").unwrap_or(0),
    })
}

pub(super) fn page_bytes(name: &str) -> Option<u64> {
    let kib = name.strip_prefix("hugepages-")?.strip_suffix("kB")?;
    wide(kib.as_bytes())?.checked_mul(1024)
}

/// Reads meminfo; what it does not name is 0.
pub(super) fn parse_meminfo(bytes: &[u8]) -> MemoryUse {
    let mut memory = MemoryUse::default();
    let (mut pages, mut page_kib) = (0_u64, 0_u64);
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let value = line[colon + 1..].trim_ascii();
        let value = wide(value.strip_suffix(b" kB").unwrap_or(value)).unwrap_or(0);
        let bytes = Wide(value.saturating_mul(1024));
        match &line[..colon] {
            b"MemTotal" => memory.total = bytes,
            b"MemFree" => memory.free = bytes,
            b"MemAvailable" => memory.available = bytes,
            b"Buffers" => memory.buffers = bytes,
            b"Cached" => memory.cached = bytes,
            b"Shmem" => memory.shared = bytes,
            b"SwapTotal" => memory.swap_total = bytes,
            b"SwapFree" => memory.swap_free = bytes,
            b"Hugetlb" => memory.huge = bytes,
            b"HugePages_Total" => pages = value,
            b"Hugepagesize" => page_kib = value,
            _ => {}
        }
    }
    // Before Linux 4.21 only the pool of the usual size is told.
    if memory.huge.0 == 0 {
        memory.huge = Wide(pages.saturating_mul(page_kib).saturating_mul(1024));
    }
    // Before Linux 3.14 the kernel did not say what could be had.
    if memory.available.0 == 0 {
        let could = memory.free.0.saturating_add(memory.buffers.0);
        memory.available = Wide(could.saturating_add(memory.cached.0).min(memory.total.0));
    }
    memory
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CAPTURED: &[u8] = b"MemTotal:        8137488 kB\nMemFree:          423332 kB\nMemAvailable:    5871832 kB\n\
        Buffers:          211040 kB\nCached:          5112224 kB\nSwapCached:            0 kB\nSwapTotal:       2097148 kB\n\
        SwapFree:        2097000 kB\nShmem:             10244 kB\nHugePages_Total:    1168\nHugePages_Free:        0\n\
        HugePages_Rsvd:        0\nHugepagesize:       2048 kB\nHugetlb:         2392064 kB\nDirectMap4k:      200552 kB\n";

    #[test]
    fn captured_lines() {
        let memory = parse_meminfo(CAPTURED);
        assert_eq!(memory.total.0, 8_137_488 << 10);
        assert_eq!(memory.available.0, 5_871_832 << 10);
        assert_eq!(memory.swap_total.0 - memory.swap_free.0, 148 << 10);
        assert_eq!(memory.huge.0, 1168 * (2 << 20), "what RandomX takes");
        let old = parse_meminfo(b"MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 20 kB\nHugePages_Total: 2\nHugepagesize: 2048 kB\n");
        assert_eq!((old.available.0, old.huge.0), (35 << 10, 4 << 20));
        assert_eq!(parse_meminfo(b"MemTotal: -1 kB\nnonsense\n:\n"), MemoryUse::default());
        assert_eq!(page_bytes("hugepages-2048kB"), Some(2 << 20));
        assert_eq!(page_bytes("hugepages-kB"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, line in "[A-Z][a-zA-Z_]{1,20}: {0,9}[0-9]{0,20}( kB)?", name in ".{0,30}") {
            let _ = (parse_meminfo(&bytes), parse_meminfo(line.as_bytes()), page_bytes(&name));
        }
    }
}
