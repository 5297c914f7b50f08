//! Times, taken several times over: the median counts.

use std::io::Write;
use std::time::Duration;

/// Whether `cargo bench` started this program; `cargo test --all-targets` starts it without the argument.
pub(crate) fn is_asked() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// The middle one; of an even number the longer of the two in the middle.
pub(crate) fn middle(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Milliseconds, with the part behind the point.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Writes a line to standard output. A closed output ends nothing.
pub(crate) fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
