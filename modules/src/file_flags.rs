//! Files that cannot be removed, since somebody set a flag on them.
//!
//! Looks for immutable and append-only files (`chattr +i`, `+a`; ioctl_iflags(2)) in cron and unit directories, `/etc`,
//! homes' `.ssh` and the places where files are dropped, on file systems that keep such flags. Administrators set them
//! too, on `/etc/resolv.conf` and the like, so a flag alone says little. It cannot see flags of file systems that do not
//! tell them, nor what lies deeper than the limits. Handbook: `lsattr`.

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::{Coverage, FileKind, FileStat, GapReason, Ownership};
use deminer_worker::text::{HostBytes, HostPath, Wide};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drop_places::{Expected, FLAG_PLACES, PLACES};
use crate::place_walk::{homes, walk_all};
use crate::questions;

/// `file.flags`.
pub struct FileFlags;

/// Where to look.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// More directories, with all below them to a depth of 8: `[/var/www]`.
    pub places: Vec<HostPath>,
    /// After so many entries of one walk the rest is a gap.
    pub max_entries: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            max_entries: 20_000,
        }
    }
}

/// The files.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// By path.
    pub rows: Vec<Flagged>,
}

/// One object with a flag.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Flagged {
    /// Where.
    pub path: HostPath,
    /// What it is.
    pub kind: FileKind,
    /// Whether it cannot be changed, removed or linked to.
    pub immutable: bool,
    /// Whether it can only grow.
    pub append_only: bool,
    /// The owner.
    pub uid: u32,
    /// Permission bits.
    pub mode: u32,
    /// Nanoseconds since 1970 at which its inode changed last: when the flag was set, at the earliest.
    pub ctime_ns: Wide,
    /// What the package database says.
    pub package: Ownership,
}

const IMMUTABLE: u32 = 0x10;
const APPEND_ONLY: u32 = 0x20;

/// Rows at most.
const ROWS: usize = 5_000;

#[async_trait]
impl Collector for FileFlags {
    const ABOUT: About = About {
        name: "file.flags",
        summary: "Lists immutable and append-only files in cron, unit, ssh and drop places.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate],
        handbook: "2.1.3.5",
        not_seen: "flags of file systems that do not tell them; what lies elsewhere",
        example: "{id: flags, use: file.flags}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, params: Params) -> Result<Outcome<Output>, ModuleError> {
        let mut coverage = Coverage::whole();
        let accounts = questions::accounts(host).await;
        let accounts = questions::or_gap(accounts, "accounts", &mut coverage, Vec::new)?;
        let homes = homes(&accounts);
        let fixed = FLAG_PLACES.iter().map(|(path, depth)| (HostPath::from(*path), *depth));
        let drops = PLACES.iter().filter(|place| place.expected == Expected::NoPrograms);
        let drops = drops.map(|place| (HostPath::from(place.path), place.depth));
        let keys = homes.iter().map(|home| (home.join(b".ssh"), 1));
        let of_users = homes.iter().map(|home| (home.clone(), 0));
        let given = params.places.iter().map(|path| (path.clone(), 8));
        let all = fixed.chain(drops).chain(keys).chain(of_users).chain(given);
        let found = walk_all(host, all, params.max_entries, &mut coverage).await?;
        let mut flagged: Vec<FileStat> = found.into_values().filter(|stat| held(stat) != 0).collect();
        if flagged.len() > ROWS {
            flagged.truncate(ROWS);
            coverage.note("file", HostBytes::default(), GapReason::TooMany);
        }
        let files: Vec<HostPath> = flagged.iter().map(|stat| stat.path.clone()).collect();
        let asked = files.len();
        let owners = questions::packages(host, files).await;
        let owners = questions::or_gap(owners, "packages", &mut coverage, || vec![Ownership::Unknown; asked])?;
        let rows = flagged.iter().zip(owners).map(|(stat, package)| Flagged {
            path: stat.path.clone(),
            kind: stat.kind,
            immutable: held(stat) & IMMUTABLE != 0,
            append_only: held(stat) & APPEND_ONLY != 0,
            uid: stat.uid,
            mode: stat.mode,
            ctime_ns: stat.ctime_ns,
            package,
        });
        Ok(Outcome::of(Output { rows: rows.collect() }).seen_with(coverage))
    }
}

/// Its flags of the two kinds.
fn held(stat: &FileStat) -> u32 {
    stat.flags.unwrap_or(0) & (IMMUTABLE | APPEND_ONLY)
}
