//! What must hold for the parsers of this folder, whatever the bytes are.

use crate::action::{Arming, LineTarget};
use crate::platform::linux::hands::{freeze, group, identity, keeper, lines, lock, mounts, throttle};
use crate::text::HostBytes;

/// A line that is taken out goes alone, as [`crate::lines`] says too, and comes back in its place.
pub fn taken_lines(bytes: &[u8]) {
    let Some((&pick, text)) = bytes.split_first() else {
        return;
    };
    let all: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let Some(at) = usize::from(pick).checked_rem(all.len()) else {
        return;
    };
    let bad = all[at].strip_suffix(b"\n").unwrap_or(all[at]);
    let target = LineTarget {
        number: u32::try_from(at + 1).expect("at most 256 lines are picked from"),
        line: HostBytes::new(bad),
        mark: HostBytes::new(bad),
    };
    let taken = lines::take_out(text, std::slice::from_ref(&target)).expect("it stands there unchanged");
    let taken = taken.expect("it stands there");
    assert_eq!(taken.text, crate::lines::without(text, &[at]));
    assert_eq!(taken.lines, [target]);
    let is_twin = |line: &&[u8]| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line == bad || line.strip_prefix(lines::DISARMED) == Some(bad)
    };
    // Where another line says the same, it is there already.
    if all.iter().filter(|line| is_twin(line)).count() == 1 {
        let back = lines::put_back(&taken.text, &taken.lines, Arming::Armed).expect("it is not there");
        assert!(back == text || back.strip_suffix(b"\n") == Some(text));
    }
    assert!(lines::missing(text, text).is_empty());
}

/// What the acts read of `/proc`, and what a worker says to its keeper.
pub(in crate::platform::linux) fn tables(bytes: &[u8]) {
    let points = mounts::parse(bytes);
    assert!(points.len() <= crate::fuzzing::line_count(bytes));
    for point in &points {
        assert!(mounts::point_of(&points, &point.point).is_some_and(|found| found.len() >= point.point.len()));
    }
    for groups in [group::group_of(bytes, &points), throttle::cpu_group(bytes, &points)] {
        let has_dots = |path: std::path::PathBuf| path.components().any(|part| part.as_os_str() == "..");
        let clean = points
            .iter()
            .all(|point| !point.point.windows(2).any(|run| run == b".."));
        assert!(!clean || !groups.is_some_and(has_dots));
    }
    let _ = (identity::parse_stat(bytes), freeze::parse_tracer(bytes));
    let home = lock::home_of(bytes, 0);
    assert!(home.is_none_or(|home| home.is_absolute()));
    if let Some(set) = std::str::from_utf8(bytes).ok().and_then(throttle::cpu_set) {
        assert_eq!(throttle::cpu_set(&throttle::cpu_list(&set)), Some(set));
    }
    if let Some(message) = keeper::Message::decode(bytes) {
        assert_eq!(keeper::Message::decode(&message.encode()), Some(message));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn taken_lines_hold(bytes: Vec<u8>, text in "([ab]|\n|#deminer-disarmed# ){0,20}") {
            taken_lines(&bytes);
            taken_lines(text.as_bytes());
        }

        #[test]
        fn tables_hold(bytes: Vec<u8>, text in "([0-9]{1,3}|[ ,:/.-]|cgroup2?|cpu|rw|0::/|\\.\\.|\n|\\\\040){0,30}") {
            tables(&bytes);
            tables(text.as_bytes());
        }
    }
}
