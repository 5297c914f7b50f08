//! Walking many places with one question for each depth.

use std::collections::BTreeMap;

use deminer_engine::host::HostView;
use deminer_engine::module::ModuleError;
use deminer_worker::query::{Account, Coverage, FileStat};
use deminer_worker::text::HostPath;

use crate::questions;

/// What lies in these places, each once, by path. A place that is not there gives nothing.
pub(crate) async fn walk_all(
    host: &dyn HostView,
    places: impl IntoIterator<Item = (HostPath, u32)>,
    max_entries: u32,
    coverage: &mut Coverage,
) -> Result<BTreeMap<HostPath, FileStat>, ModuleError> {
    let mut by_depth: BTreeMap<u32, Vec<HostPath>> = BTreeMap::new();
    for (path, depth) in places {
        by_depth.entry(depth).or_default().push(path);
    }
    let mut found = BTreeMap::new();
    for (depth, mut roots) in by_depth {
        roots.sort();
        roots.dedup();
        let seen = questions::walk(host, roots, depth, max_entries).await;
        let stats = questions::or_gap(seen, "directory", coverage, Vec::new)?;
        found.extend(stats.into_iter().map(|stat| (stat.path.clone(), stat)));
    }
    Ok(found)
}

/// The home directories of accounts, each once, but for those that are directories of the system.
pub(crate) fn homes(accounts: &[Account]) -> Vec<HostPath> {
    let is_home = |home: &HostPath| {
        let shared = [
            "/bin",
            "/sbin",
            "/usr",
            "/dev",
            "/proc",
            "/sys",
            "/run",
            "/etc",
            "/tmp",
            "/var/spool",
        ];
        let inside = shared.iter().any(|place| home.is_below(&HostPath::from(*place)));
        home.as_bytes().starts_with(b"/") && home.as_bytes().len() > 1 && !inside
    };
    let mut homes: Vec<HostPath> = accounts
        .iter()
        .map(|account| account.home.clone())
        .filter(is_home)
        .collect();
    homes.sort();
    homes.dedup();
    homes
}
