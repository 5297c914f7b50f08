//! Whether something runs inside the kernel that no package knows: what it shows of itself is then worth little.
//!
//! Looks only where the kernel says that it is tainted by a module from outside its tree, an unsigned or a forced one
//! (Linux `admin-guide/tainted-kernels`): at `/proc/modules`, the files below `/lib/modules` and `/sys/module`. A module
//! whose file a package owns, its content unchanged, explains its own mark. It cannot see a module that took its mark away.
//! Nothing is ever unloaded: that is a crash at best.

use std::collections::BTreeSet;

use deminer_engine::finding::{Artifact, Bearing, Finding};
use deminer_engine::host::HostView;
use deminer_engine::module::ModuleError;
use deminer_worker::query::{Coverage, GapReason, HostFacts, Ownership};
use deminer_worker::text::{HostBytes, HostPath};

use crate::questions;
use crate::saying::said;

/// A module was forced in, came from outside the kernel's tree, or was not signed: bits 1, 12 and 13.
const FOREIGN: u64 = 1 << 1 | 1 << 12 | 1 << 13;
/// The letters of these in `/proc/modules`.
const LETTERS: &[u8] = b"FOE";
const LIST: &str = "/proc/modules";
const LIST_BYTES: u32 = 1 << 20;
const FILES: u32 = 50_000;
const DEPTH: u32 = 12;
const LOADED: u32 = 4_096;

/// What is loaded that nothing explains, for a person; the coverage says the same, since a host like that is not called
/// clean. None where the kernel is not tainted so, or all of it is explained.
pub(crate) async fn unexplained(
    host: &dyn HostView,
    facts: &HostFacts,
    coverage: &mut Coverage,
) -> Result<Vec<Finding>, ModuleError> {
    if facts.taint.0 & FOREIGN == 0 {
        return Ok(Vec::new());
    }
    let listed = questions::read(host, LIST.into(), LIST_BYTES).await;
    let listed = questions::or_gap(listed, "kernel", coverage, || None)?;
    let loaded = listed.map(|file| modules(file.content.as_bytes())).unwrap_or_default();
    let foreign: Vec<&Module> = loaded.iter().filter(|module| module.foreign).collect();
    let shown: BTreeSet<&[u8]> = loaded.iter().map(|module| &*module.name).collect();
    // A module that was loaded has `initstate`; one that took itself out of the list often leaves it.
    let states = questions::read_tree(host, vec!["/sys/module/*/initstate".into()], LOADED, 64).await;
    let states = questions::or_gap(states, "kernel", coverage, Vec::new)?;
    let hidden = states.iter().filter_map(|file| file.stat.path.parent());
    let hidden: Vec<Vec<u8>> = hidden
        .map(|path| path.file_name().to_vec())
        .filter(|name| !loaded.is_empty() && !shown.contains(&**name))
        .collect();
    let files = files(host, facts, &foreign, coverage).await?;
    let owners = questions::packages(host, files.clone()).await;
    let owners = questions::or_gap(owners, "packages", coverage, || vec![Ownership::Unknown; files.len()])?;
    let owned: BTreeSet<Vec<u8>> = (files.iter().zip(&owners))
        .filter(|(_, owner)| owner.is_package_content())
        .filter_map(|(path, _)| module_of(path.file_name()))
        .collect();
    let mut findings = Vec::new();
    let mut state = |signal: &str, say: &str, name: &[u8]| {
        coverage.note("kernel", HostBytes::new(name), GapReason::Untrusted);
        let finding = Finding::new(
            Artifact::Host {},
            &format!("{signal} {}", said(name)),
            Bearing::Review,
            say,
        );
        findings.push(finding.field("module", said(name)).rests_on(LIST, None));
    };
    for module in foreign.iter().filter(|module| !owned.contains(&module.name)) {
        let say = "the kernel runs the module `{module}`, which no package explains: what this kernel shows may be false; \
                   do not unload it, keep the disk and build the host anew";
        state("foreign_module", say, &module.name);
    }
    for name in &hidden {
        let say = "the kernel runs the module `{module}`, which hides from the list of modules: what this kernel shows may be \
                   false; do not unload it, keep the disk and build the host anew";
        state("hidden_module", say, name);
    }
    if foreign.is_empty() && hidden.is_empty() {
        let say = "the kernel is marked by a foreign module, and shows none: what it shows may be false; keep the disk and \
                   build the host anew, unless somebody knows what was loaded";
        state("unshown_module", say, b"");
    }
    Ok(findings)
}

/// The files of these modules, as far as they lie where modules lie.
async fn files(
    host: &dyn HostView,
    facts: &HostFacts,
    foreign: &[&Module],
    coverage: &mut Coverage,
) -> Result<Vec<HostPath>, ModuleError> {
    if foreign.is_empty() || facts.kernel.contains('/') {
        return Ok(Vec::new());
    }
    let root = HostPath::from(format!("/lib/modules/{}", facts.kernel).as_str());
    let walked = questions::walk(host, vec![root], DEPTH, FILES).await;
    let walked = questions::or_gap(walked, "kernel", coverage, Vec::new)?;
    let wanted: BTreeSet<&[u8]> = foreign.iter().map(|module| &*module.name).collect();
    let paths = walked.into_iter().map(|stat| stat.path);
    Ok(paths
        .filter(|path| module_of(path.file_name()).is_some_and(|name| wanted.contains(&*name)))
        .collect())
}

/// One line of `/proc/modules`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Module {
    name: Vec<u8>,
    foreign: bool,
}

/// The lines of `/proc/modules` (proc_modules(5)): `name size uses users state address (taints)`.
fn modules(content: &[u8]) -> Vec<Module> {
    let line = |line: &[u8]| {
        let mut words = line.split(|b| *b == b' ').filter(|word| !word.is_empty());
        let name = words.next()?.to_vec();
        let taints = words.next_back().filter(|word| word.starts_with(b"("))?;
        let foreign = taints.iter().any(|b| LETTERS.contains(b));
        Some(Module { name, foreign })
    };
    let plain = |text: &[u8]| {
        let name = text.split(|b| *b == b' ').next().unwrap_or_default().to_vec();
        (!name.is_empty()).then_some(Module { name, foreign: false })
    };
    content
        .split(|b| *b == b'\n')
        .filter_map(|text| line(text).or_else(|| plain(text)))
        .collect()
}

/// The module of a file: `zfs.ko`, `nvidia-drm.ko.xz`; the kernel writes `_` for `-`.
fn module_of(file: &[u8]) -> Option<Vec<u8>> {
    let at = file.windows(3).position(|part| part == b".ko")?;
    let rest = &file[at + 3..];
    let is_one = rest.is_empty() || matches!(rest, b".xz" | b".zst" | b".gz");
    is_one.then(|| file[..at].iter().map(|b| if *b == b'-' { b'_' } else { *b }).collect())
}

/// For every bytes: no more modules than lines.
#[cfg(any(test, fuzzing))]
pub(crate) fn no_more_than_lines(bytes: &[u8]) -> bool {
    modules(bytes).len() <= bytes.split(|b| *b == b'\n').count()
        && module_of(bytes).is_none_or(|name| name.len() <= bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_files_name_modules() {
        let text = b"zfs 4218880 3 - Live 0x0000000000000000 (POE)\next4 1 1 - Live 0x0\nreptile 1 0 - Live 0x0 (O)\nnv 1 0 - Live 0x0 (P)\n";
        let told: Vec<(String, bool)> = modules(text)
            .into_iter()
            .map(|module| (String::from_utf8_lossy(&module.name).into_owned(), module.foreign))
            .collect();
        let expected = [("zfs", true), ("ext4", false), ("reptile", true), ("nv", false)];
        assert_eq!(told, expected.map(|(name, foreign)| (name.to_owned(), foreign)));
        for (file, expected) in [
            ("nvidia-drm.ko", Some("nvidia_drm")),
            ("zfs.ko.zst", Some("zfs")),
            ("x.konf", None),
            ("modules.dep", None),
        ] {
            assert_eq!(
                module_of(file.as_bytes()),
                expected.map(|name| name.as_bytes().to_vec()),
                "{file}"
            );
        }
    }
}
