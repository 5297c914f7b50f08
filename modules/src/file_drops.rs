//! Programs, scripts and strange names in the places where intruders drop files.
//!
//! Looks at temporary and memory file systems, spool directories and the like, where nothing is expected to run from, and at
//! hidden directories of homes and system directories, on every Linux; the places are data (`drop_places.rs`). A file
//! counts by its first bytes, whatever its mode and its name are. What lies there may be harmless: installers, builds and
//! editors use the same places, so nothing is condemned by it. It cannot see what was removed, what lies deeper than the
//! limits, nor other mount namespaces. Handbook 0x00: most files of a miner lie in TMP.

use std::collections::BTreeMap;

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::{Coverage, FileId, FileKind, FileStat, GapReason, Ownership};
use deminer_worker::text::{HostBytes, HostPath, Wide};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drop_places::{Expected, HIDDEN_DEPTH, OddName, PLACES, hidden_directory, odd_name};
use crate::place_walk::{homes, walk_all};
use crate::places::Places;
use crate::questions;

/// `file.drops`.
pub struct FileDrops;

/// Where to look, and how far.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// More places where no program is expected: `[/var/www/uploads]`.
    pub places: Vec<HostPath>,
    /// After so many entries of one walk the rest is a gap.
    pub max_entries: u32,
    /// The files that are read at most, 64 bytes each; executable ones go first.
    pub max_files: u32,
    /// Names with a dot that ordinary tools make in homes and system directories, besides those that are known.
    pub usual_hidden_names: Vec<String>,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            max_entries: 20_000,
            max_files: 4_000,
            usual_hidden_names: USUAL.map(str::to_owned).to_vec(),
        }
    }
}

/// Directories with a dot that hold programs of ordinary tools, or sockets of ordinary servers.
const USUAL: [&str; 20] = [
    ".git",
    ".svn",
    ".hg",
    ".X11-unix",
    ".ICE-unix",
    ".font-unix",
    ".XIM-unix",
    ".Test-unix",
    ".oh-my-zsh",
    ".vim",
    ".emacs.d",
    ".terraform.d",
    ".ansible",
    ".docker",
    ".kube",
    ".aws",
    ".azure",
    ".gnupg",
    ".pki",
    ".build-id",
];

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// What no package owns first, then the newest.
    pub rows: Vec<Drop>,
}

/// One thing that lies where it should not.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Drop {
    /// Where.
    pub path: HostPath,
    /// What it is.
    pub what: What,
    /// Whether its mode lets somebody run it.
    pub executable: bool,
    /// Whether it runs with the rights of its owner or group.
    pub set_id: bool,
    /// The hidden directory or name on its way; `None` where nothing is hidden.
    pub hidden: Option<HostPath>,
    /// What is strange in its name.
    pub odd_name: Option<OddName>,
    /// Whether it is held by inode flags, immutable or append-only.
    pub held_by_flags: bool,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
    /// Bytes.
    pub size: Wide,
    /// Device and inode.
    pub id: FileId,
    /// Nanoseconds since 1970 at which its content changed last, by its own word.
    pub mtime_ns: Wide,
    /// Nanoseconds since 1970 at which its inode changed last; nobody can set that back.
    pub ctime_ns: Wide,
    /// Nanoseconds since 1970 at which it was made; `None` where the file system does not keep it.
    pub btime_ns: Option<Wide>,
    /// What the package database says.
    pub package: Ownership,
}

/// What something is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A program or a library: `\x7fELF`.
    Elf,
    /// A script: `#!`.
    Script,
    /// Other content that its mode lets run.
    Executable,
    /// A device.
    Device,
    /// A directory with a strange name.
    Directory,
    /// A regular file with a strange name.
    File,
}

/// The first bytes that are read.
const HEAD_BYTES: u32 = 64;

/// Rows at most.
const ROWS: usize = 5_000;

/// Files that are asked for in one question.
const BATCH: usize = 500;

#[async_trait]
impl Collector for FileDrops {
    const ABOUT: About = About {
        name: "file.drops",
        summary: "Lists programs, scripts and strange names in temporary, memory, spool and hidden directories.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate],
        handbook: "0x00, 2.1.3.2",
        not_seen: "what was removed; what lies deeper than the limits; other mount namespaces",
        example: "{id: drops, use: file.drops}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, params: Params) -> Result<Outcome<Output>, ModuleError> {
        let mut coverage = Coverage::whole();
        let mut places = Places::usual();
        let more = params.usual_hidden_names.iter();
        places.usual_hidden.extend(more.map(|name| name.clone().into_bytes()));
        let accounts = questions::accounts(host).await;
        let accounts = questions::or_gap(accounts, "accounts", &mut coverage, Vec::new)?;

        let bare = PLACES.iter().filter(|place| place.expected == Expected::NoPrograms);
        let bare = bare.map(|place| (HostPath::from(place.path), place.depth));
        let given = params.places.iter().map(|path| (path.clone(), 8));
        let mut found = walk_all(host, bare.chain(given), params.max_entries, &mut coverage).await?;

        let furnished = PLACES.iter().filter(|place| place.expected == Expected::Programs);
        let furnished = furnished.map(|place| (HostPath::from(place.path), place.depth));
        let of_users = homes(&accounts).into_iter().map(|home| (home, 1));
        let beside = walk_all(host, furnished.chain(of_users), params.max_entries, &mut coverage).await?;
        let hidden: Vec<HostPath> = beside
            .values()
            .filter(|stat| stat.kind == FileKind::Directory)
            .filter(|stat| hidden_directory(&stat.path, &places).as_ref() == Some(&stat.path))
            .map(|stat| stat.path.clone())
            .collect();
        let inside = hidden.into_iter().map(|path| (path, HIDDEN_DEPTH));
        let inside = walk_all(host, inside, params.max_entries, &mut coverage).await?;
        let alone = beside.into_values().filter(|stat| is_strange(stat, &places));
        found.extend(alone.map(|stat| (stat.path.clone(), stat)));
        found.extend(inside);

        let heads = heads(host, &found, params.max_files, &mut coverage).await?;
        let mut rows: Vec<Drop> = found
            .values()
            .filter_map(|stat| drop_of(stat, heads.get(&stat.path), &places))
            .collect();
        if rows.len() > ROWS {
            rows.sort_by_key(|row| std::cmp::Reverse(row.mtime_ns));
            rows.truncate(ROWS);
            coverage.note("file", HostBytes::default(), GapReason::TooMany);
        }
        let files: Vec<HostPath> = rows
            .iter()
            .filter(|row| !matches!(row.what, What::Device | What::Directory))
            .map(|row| row.path.clone())
            .collect();
        let asked = files.len();
        let owners = questions::packages(host, files.clone()).await;
        let owners = questions::or_gap(owners, "packages", &mut coverage, || vec![Ownership::Unknown; asked])?;
        let owners: BTreeMap<HostPath, Ownership> = files.into_iter().zip(owners).collect();
        for row in &mut rows {
            row.package = owners.get(&row.path).cloned().unwrap_or(Ownership::Unowned);
        }
        rows.sort_by(|a, b| {
            let order = |row: &Drop| {
                (
                    row.package.is_package_content(),
                    std::cmp::Reverse(row.mtime_ns),
                    row.path.clone(),
                )
            };
            order(a).cmp(&order(b))
        });
        Ok(Outcome::of(Output { rows }).seen_with(coverage))
    }
}

/// Whether something counts where programs are at home: a hidden file that may run, or a strange name.
fn is_strange(stat: &FileStat, places: &Places) -> bool {
    let hidden = hidden_directory(&stat.path, places).is_some();
    let runs = stat.kind == FileKind::Regular && stat.mode & 0o111 != 0;
    hidden && runs || odd_name(stat.path.file_name()) == Some(OddName::DotsAndBlanks)
}

/// The first bytes of regular files; executable ones go first where there are more than the limit.
async fn heads(
    host: &dyn HostView,
    found: &BTreeMap<HostPath, FileStat>,
    max_files: u32,
    coverage: &mut Coverage,
) -> Result<BTreeMap<HostPath, Vec<u8>>, ModuleError> {
    let mut files: Vec<&FileStat> = found
        .values()
        .filter(|stat| stat.kind == FileKind::Regular && stat.size.0 > 0)
        .collect();
    files.sort_by_key(|stat| (stat.mode & 0o111 == 0, std::cmp::Reverse(stat.mtime_ns)));
    if files.len() > max_files as usize {
        let first = files[max_files as usize].path.clone();
        files.truncate(max_files as usize);
        coverage.note("file", first, GapReason::TooMany);
    }
    let mut heads = BTreeMap::new();
    for batch in files.chunks(BATCH) {
        let patterns: Vec<HostPath> = batch.iter().map(|stat| stat.path.clone()).collect();
        // A name with a star may match more than itself.
        let most = u32::try_from(batch.len().saturating_mul(4)).unwrap_or(u32::MAX);
        let seen = questions::read_tree(host, patterns, most, HEAD_BYTES).await;
        let texts = questions::or_gap(seen, "file", coverage, Vec::new)?;
        let heads_of = texts
            .into_iter()
            .map(|text| (text.stat.path, text.content.as_bytes().to_vec()));
        heads.extend(heads_of);
    }
    Ok(heads)
}

/// What something is; `None` where it is nothing remarkable.
fn drop_of(stat: &FileStat, head: Option<&Vec<u8>>, places: &Places) -> Option<Drop> {
    let odd = odd_name(stat.path.file_name());
    let executable = stat.kind == FileKind::Regular && stat.mode & 0o111 != 0;
    let is_own_device = stat.path.is_below(&HostPath::from("/dev")) && !stat.path.is_below(&HostPath::from("/dev/shm"));
    let what = match (stat.kind, head.map(Vec::as_slice)) {
        (FileKind::Regular, Some([0x7f, b'E', b'L', b'F', ..])) => What::Elf,
        (FileKind::Regular, Some([b'#', b'!', ..])) => What::Script,
        (FileKind::Regular, _) if executable => What::Executable,
        (FileKind::Regular, _) if odd.is_some() => What::File,
        (FileKind::CharacterDevice | FileKind::BlockDevice, _) if !is_own_device => What::Device,
        (FileKind::Directory, _) if odd == Some(OddName::DotsAndBlanks) || odd == Some(OddName::Unprintable) => {
            What::Directory
        }
        _ => return None,
    };
    Some(Drop {
        path: stat.path.clone(),
        what,
        executable,
        set_id: stat.kind == FileKind::Regular && stat.mode & 0o6000 != 0,
        hidden: hidden_directory(&stat.path, places),
        odd_name: odd,
        held_by_flags: stat.flags.is_some_and(|flags| flags & 0x30 != 0),
        uid: stat.uid,
        gid: stat.gid,
        mode: stat.mode,
        size: stat.size,
        id: stat.id,
        mtime_ns: stat.mtime_ns,
        ctime_ns: stat.ctime_ns,
        btime_ns: stat.btime_ns,
        package: Ownership::Unknown,
    })
}
