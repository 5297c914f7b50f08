//! What must hold for the parsers of this folder, whatever the bytes are.

use super::gpu::{Usage, device_majors, is_card, nvidia_model, pci_id};
use super::memory::{page_bytes, parse_meminfo};
use super::sensor::{milli_celsius, sensor_number};
use super::{cpu, disk};
use crate::fuzzing::line_count;

/// Shares are shares, whatever the counters say, and no more is told than was read. Two looks are parted by a NUL byte.
pub fn resources(bytes: &[u8]) {
    let mut looks = bytes.splitn(2, |byte| *byte == 0);
    let (before, after) = (looks.next().unwrap_or_default(), looks.next().unwrap_or_default());
    for (one, other) in [(before, after), (after, before), (before, before)] {
        let (all, cores) = cpu::used(Some(&cpu::parse_stat(one)), &cpu::parse_stat(other));
        assert!(all.busy_centi <= 10_000 && cores.iter().all(|core| core.used.busy_centi <= 10_000));
        assert!(cores.len() <= line_count(other));
        let (one, other) = (disk::parse_diskstats(one), disk::parse_diskstats(other));
        for elapsed in [0, 1, 1_000, u64::MAX] {
            let disks = disk::used(Some(&one), &other, elapsed);
            assert!(disks.len() <= other.len() && disks.iter().all(|disk| disk.busy_centi <= 10_000));
        }
    }
    let _ = (parse_meminfo(bytes), milli_celsius(bytes));
    assert!(device_majors(bytes).len() <= line_count(bytes));
    let mut usage = Usage::default();
    usage.add(before);
    usage.add(after);
    usage.add(before);
    let _ = is_card(bytes);
    assert!(pci_id(bytes).is_none_or(|id| id.len() <= bytes.len()));
    assert!(nvidia_model(bytes).is_none_or(|model| model.len() <= bytes.len()));
    if let Ok(name) = std::str::from_utf8(bytes) {
        let _ = (page_bytes(name), sensor_number(name));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn resources_hold(bytes: Vec<u8>, text in "([0-9]{1,20}|[ :\n\0]|cpu[0-9]?|sda1?|drm-engine-x:\t|drm-client-id:|ns|kB|MemTotal:){0,40}") {
            resources(&bytes);
            resources(text.as_bytes());
        }
    }
}
