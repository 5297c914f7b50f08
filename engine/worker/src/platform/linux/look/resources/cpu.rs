//! CPU time, from `/proc/stat` (proc_stat(5)).

use std::collections::BTreeMap;

use super::share;
use crate::platform::linux::look::procfs::{number, wide};
use crate::query::{CoreUse, CpuUse};

/// Ticks by kind: user, nice, system, idle, iowait, irq, softirq, steal.
type Ticks = [u64; 8];

/// The CPUs of one machine at most.
const CPUS: usize = 8192;

/// CPU times since boot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CpuTimes {
    all: Ticks,
    cores: BTreeMap<u32, Ticks>,
}

/// Reads the lines of CPUs; a kind that an old kernel does not tell counts as 0.
pub(super) fn parse_stat(bytes: &[u8]) -> CpuTimes {
    let mut times = CpuTimes::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let Some(which) = words.next().and_then(|name| name.strip_prefix(b"cpu")) else {
            continue;
        };
        let mut ticks = Ticks::default();
        for (kind, word) in ticks.iter_mut().zip(words) {
            *kind = wide(word).unwrap_or(0);
        }
        match (which, number(which)) {
            (b"", _) => times.all = ticks,
            (_, Some(cpu)) if times.cores.len() < CPUS => drop(times.cores.insert(cpu, ticks)),
            _ => {}
        }
    }
    times
}

/// What was used between two looks; of a CPU that came meanwhile nothing is known. Without a first look all is 0.
pub(super) fn used(before: Option<&CpuTimes>, after: &CpuTimes) -> (CpuUse, Vec<CoreUse>) {
    let all = before.map_or_else(CpuUse::default, |before| between(&before.all, &after.all));
    let cores = after.cores.iter().map(|(cpu, now)| CoreUse {
        cpu: *cpu,
        used: before
            .and_then(|before| before.cores.get(cpu))
            .map_or_else(CpuUse::default, |then| between(then, now)),
    });
    (all, cores.collect())
}

fn between(before: &Ticks, after: &Ticks) -> CpuUse {
    let mut spent = Ticks::default();
    for (kind, (then, now)) in spent.iter_mut().zip(before.iter().zip(after)) {
        // Time of waiting may go backwards (proc_stat(5)).
        *kind = now.saturating_sub(*then);
    }
    let [user, nice, system, _, wait, irq, softirq, stolen] = spent;
    let sum = |kinds: &[u64]| kinds.iter().fold(0_u64, |sum, kind| sum.saturating_add(*kind));
    let whole = sum(&spent);
    let kernel = sum(&[system, irq, softirq]);
    CpuUse {
        busy_centi: share(sum(&[user, nice, kernel]), whole),
        user_centi: share(user, whole),
        nice_centi: share(nice, whole),
        system_centi: share(kernel, whole),
        wait_centi: share(wait, whole),
        stolen_centi: share(stolen, whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BEFORE: &[u8] =
        b"cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 60 0 20 400 20 0 0 0 0 0\ncpu2 40 0 30 400 30 0 0 0 0 0\n\
        intr 12 0 9\nctxt 99\nbtime 1700000000\n";
    const AFTER: &[u8] =
        b"cpu  180 10 55 800 55 2 3 45 7 0\ncpu0 160 0 20 400 20 0 0 0 0 0\ncpu3 1 0 0 9 0 0 0 0 0 0\n";

    #[test]
    fn what_was_used_between_two_looks() {
        let (all, cores) = used(Some(&parse_stat(BEFORE)), &parse_stat(AFTER));
        let expected = CpuUse {
            busy_centi: 6666,
            user_centi: 5333,
            nice_centi: 666,
            system_centi: 666,
            wait_centi: 333,
            stolen_centi: 3000,
        };
        assert_eq!(all, expected);
        let told: Vec<(u32, u32)> = cores.iter().map(|core| (core.cpu, core.used.busy_centi)).collect();
        assert_eq!(told, [(0, 10_000), (3, 0)], "a CPU that came meanwhile is not measured");
        assert_eq!(used(None, &parse_stat(AFTER)).0, CpuUse::default());
    }

    #[test]
    fn odd_lines() {
        assert_eq!(parse_stat(b""), CpuTimes::default());
        let odd = parse_stat(b"cpu\ncpux 1 2\ncpu1\ncpu-1 1\ncpu2 x 7\n");
        assert_eq!(odd.cores.keys().copied().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(odd.cores[&2][..2], [0, 7]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(before: Vec<u8>, after: Vec<u8>, line in "cpu[0-9]{0,3}( [0-9]{1,20}){0,10}") {
            let (before, after) = (parse_stat(&before), parse_stat(&after));
            let line = parse_stat(line.as_bytes());
            for (one, other) in [(&before, &after), (&before, &line), (&line, &line)] {
                let (all, cores) = used(Some(one), other);
                prop_assert!(all.busy_centi <= 10_000 && cores.len() <= CPUS);
            }
        }
    }
}
