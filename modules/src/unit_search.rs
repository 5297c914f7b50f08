//! Reads the places of service managers and gives what each file and each link there is.

use std::collections::{BTreeMap, BTreeSet};

use deminer_engine::host::HostView;
use deminer_engine::module::ModuleError;
use deminer_worker::action::{FileTarget, LinkTarget, ServiceManager};
use deminer_worker::query::{Account, Coverage, Entry, FileKind, FileText, GapReason, LoadedUnit};
use deminer_worker::text::{HostBytes, HostPath};
use deminer_worker::unit_name::{UNIT_KINDS, is_unit_name};

use crate::command_words::{simple_commands_at, started_files};
use crate::linked_files::leads_to;
use crate::questions;
use crate::unit_exec::{Scope, bare_programs};
use crate::unit_file::parse_unit_file;
use crate::unit_places::{self, Folder, Whose};
use crate::unit_row::{LinkRole, Part, UnitLink, UnitRow, Units};
use crate::unit_settings;

/// The files of one look, and the bytes of each; longer ones are cut, and say so.
const FILES: u32 = 30_000;
const FILE_BYTES: u32 = 256 << 10;
/// The homes and the users with a session that are looked at.
const USERS: usize = 1_000;
/// The links that lead out of the managers' places and are followed, and how many of them one behind the other.
const LINKS: usize = 1_000;
const STEPS: usize = 4;
/// Where a program without a folder is looked for, first match first (systemd.service(5)).
const PROGRAM_FOLDERS: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// Everything that the service managers of this host are made to run.
pub(crate) async fn units(host: &dyn HostView, coverage: &mut Coverage) -> Result<Units, ModuleError> {
    let accounts = questions::accounts(host).await;
    let accounts = questions::or_gap(accounts, "accounts", coverage, Vec::new)?;
    let loaded = loaded(host, coverage).await?;
    let users = Users::of(&accounts, run_time_users(host, coverage).await?, coverage);
    let places = Places::of(&users);
    let seen = questions::read_tree(host, places.patterns(), FILES, FILE_BYTES).await?;
    coverage.unite(&seen.coverage);
    let mut found: BTreeMap<HostPath, FileText> = BTreeMap::new();
    for file in seen.value {
        found.insert(file.stat.path.clone(), file);
    }
    let inside: Vec<HostPath> = found.keys().cloned().collect();
    follow(host, &places, &inside, &mut found, coverage).await?;
    hash_long(host, &places, &mut found, coverage).await?;
    let programs = programs(host, &found, coverage).await?;
    let reader = Reader {
        places: &places,
        users: &users,
        found: &found,
        programs: &programs,
    };
    let mut units = Units {
        loaded,
        ..Units::default()
    };
    let mut known = BTreeSet::new();
    for path in &inside {
        reader.take_in(path, &mut units, &mut known, coverage);
    }
    for (path, inner) in reader.linked_folders() {
        reader.take_in_linked(&path, &inner, &mut units, coverage);
    }
    Ok(units)
}

/// What the managers have in memory.
pub(crate) async fn loaded(host: &dyn HostView, coverage: &mut Coverage) -> Result<Vec<LoadedUnit>, ModuleError> {
    let loaded = questions::units(host).await;
    questions::or_gap(loaded, "units", coverage, Vec::new)
}

/// The users that have a folder of their own while the host runs.
async fn run_time_users(host: &dyn HostView, coverage: &mut Coverage) -> Result<Vec<u32>, ModuleError> {
    let entries = match questions::list(host, HostPath::from("/run/user")).await {
        Ok(seen) => {
            coverage.unite(&seen.coverage);
            seen.value
        }
        Err(error) => {
            // An absent folder is ordinary: then nobody has a manager.
            match questions::gap_of(error)? {
                GapReason::Gone | GapReason::Unsupported => {}
                why => coverage.note("directory", HostBytes::from("/run/user"), why),
            }
            Vec::new()
        }
    };
    let uid = |entry: Entry| match entry {
        Entry::Present(stat) => std::str::from_utf8(stat.path.file_name()).ok()?.parse().ok(),
        Entry::Absent { .. } | Entry::Hidden { .. } => None,
    };
    Ok(entries.into_iter().filter_map(uid).collect())
}

/// Whose homes are where, and who has a manager.
struct Users {
    homes: BTreeMap<u32, HostPath>,
    running: Vec<u32>,
}

impl Users {
    fn of(accounts: &[Account], mut running: Vec<u32>, coverage: &mut Coverage) -> Users {
        let mut homes: BTreeMap<u32, HostPath> = BTreeMap::new();
        for account in accounts {
            let home = account.home.as_bytes();
            if home.len() > 1 && home[0] == b'/' && !home.iter().any(|b| matches!(b, b'*' | b'?' | 0)) {
                homes.entry(account.uid).or_insert_with(|| account.home.clone());
            }
        }
        running.sort_unstable();
        running.dedup();
        if homes.len() > USERS || running.len() > USERS {
            coverage.note("units", HostBytes::from("homes"), GapReason::TooMany);
        }
        running.truncate(USERS);
        Users {
            homes: homes.into_iter().take(USERS).collect(),
            running,
        }
    }

    fn managers(&self, whose: Whose) -> Vec<ServiceManager> {
        match whose {
            Whose::System => vec![ServiceManager::System {}],
            Whose::User(uid) => vec![ServiceManager::User { uid }],
            Whose::AllUsers => self
                .running
                .iter()
                .map(|uid| ServiceManager::User { uid: *uid })
                .collect(),
        }
    }
}

/// The folders of this host.
struct Places {
    units: Vec<Folder>,
    generators: Vec<Folder>,
}

/// Where a path stands in them.
enum Stands<'a> {
    /// Directly in a folder of units.
    Unit(&'a Folder),
    /// In a folder of that name in one.
    Below(&'a Folder, Vec<u8>),
    Generator(&'a Folder),
    Settings(Whose),
}

impl Places {
    fn of(users: &Users) -> Places {
        let mut units = unit_places::shared();
        for (uid, home) in &users.homes {
            units.extend(unit_places::in_home(*uid, home));
        }
        for uid in &users.running {
            units.extend(unit_places::at_run_time(*uid));
        }
        Places {
            units,
            generators: unit_places::generators(),
        }
    }

    fn patterns(&self) -> Vec<HostPath> {
        let units = self.units.iter().map(|folder| &folder.path);
        let mut patterns: Vec<HostPath> = units
            .flat_map(|path| [path.join(b"*"), path.join(b"*").join(b"*")])
            .collect();
        patterns.extend(self.generators.iter().map(|folder| folder.path.join(b"*")));
        patterns.extend(
            unit_places::SETTINGS
                .iter()
                .map(|(pattern, _)| HostPath::from(*pattern)),
        );
        patterns
    }

    fn stands(&self, path: &HostPath) -> Option<Stands<'_>> {
        let parent = path.parent()?;
        if let Some(folder) = self.units.iter().find(|folder| folder.path == parent) {
            return Some(Stands::Unit(folder));
        }
        if let Some(folder) = self.generators.iter().find(|folder| folder.path == parent) {
            return Some(Stands::Generator(folder));
        }
        let above = parent.parent()?;
        if let Some(folder) = self.units.iter().find(|folder| folder.path == above) {
            return Some(Stands::Below(folder, parent.file_name().to_vec()));
        }
        let settings = unit_places::SETTINGS.iter().find(|(pattern, _)| {
            let pattern = HostPath::from(*pattern);
            pattern == *path || pattern.file_name() == b"*.conf" && pattern.parent().as_ref() == Some(&parent)
        });
        settings.map(|(_, whose)| Stands::Settings(*whose))
    }
}

fn is_null(path: &HostPath) -> bool {
    path.as_bytes() == b"/dev/null"
}

/// Reads what links lead to outside of the managers' places: files, and folders of additions.
async fn follow(
    host: &dyn HostView,
    places: &Places,
    inside: &[HostPath],
    found: &mut BTreeMap<HostPath, FileText>,
    coverage: &mut Coverage,
) -> Result<(), ModuleError> {
    let mut open: Vec<HostPath> = inside.to_vec();
    let mut followed = 0;
    for _ in 0..STEPS {
        let mut wanted = BTreeSet::new();
        for path in &open {
            let Some(leads) = found.get(path).and_then(|file| leads_to(&file.stat)) else {
                continue;
            };
            let plain = !leads.as_bytes().iter().any(|b| matches!(b, b'*' | b'?' | 0));
            // What only enables a unit is known by its name.
            let enables = matches!(places.stands(path), Some(Stands::Below(_, folder)) if role_below(&folder) == Some(LinkRole::Enables));
            if !plain || enables || is_null(&leads) || found.contains_key(&leads) {
                continue;
            }
            followed += 1;
            if followed > LINKS {
                coverage.note("units", HostBytes::from("links"), GapReason::TooMany);
                break;
            }
            if matches!(places.stands(path), Some(Stands::Unit(_))) && role_below(path.file_name()).is_some() {
                wanted.insert(leads.join(b"*"));
            } else {
                wanted.insert(leads);
            }
        }
        if wanted.is_empty() {
            break;
        }
        let seen = match questions::read_tree(host, wanted.into_iter().collect(), FILES, FILE_BYTES).await {
            Ok(seen) => seen,
            Err(error) => {
                let why = questions::gap_of(error)?;
                coverage.note("units", HostBytes::from("links"), why);
                break;
            }
        };
        coverage.unite(&seen.coverage);
        open = seen.value.iter().map(|file| file.stat.path.clone()).collect();
        found.extend(seen.value.into_iter().map(|file| (file.stat.path.clone(), file)));
    }
    Ok(())
}

/// Hashes generators that are longer than a text would be: they are programs.
async fn hash_long(
    host: &dyn HostView,
    places: &Places,
    found: &mut BTreeMap<HostPath, FileText>,
    coverage: &mut Coverage,
) -> Result<(), ModuleError> {
    let is_one = |path: &HostPath| matches!(places.stands(path), Some(Stands::Generator(_)));
    let cut = found.iter().filter(|(path, file)| file.cut && is_one(path));
    let long: Vec<HostPath> = cut.map(|(path, _)| path.clone()).collect();
    let seen = questions::stat(host, long.clone(), true).await?;
    coverage.unite(&seen.coverage);
    for (path, entry) in long.iter().zip(seen.value) {
        if let (Entry::Present(stat), Some(file)) = (entry, found.get_mut(path))
            && stat.id == file.stat.id
            && stat.sha256.is_some()
        {
            file.stat = stat;
            file.content = HostBytes::new([0]);
            file.cut = false;
        }
    }
    Ok(())
}

/// What entries of a folder of that name are for a unit; `None` for a folder that no manager reads.
fn role_below(folder: &[u8]) -> Option<LinkRole> {
    let is = |end: &[u8]| folder.strip_suffix(end);
    let enabling = [&b".wants"[..], b".requires", b".upholds"];
    if enabling.iter().any(|end| is(end).is_some_and(is_unit_name)) {
        return Some(LinkRole::Enables);
    }
    let of = is(b".d")?;
    let of_kind = UNIT_KINDS.iter().any(|kind| kind.as_bytes() == of);
    (of_kind || is_unit_name(of)).then_some(LinkRole::Adds)
}

/// Where the programs without a folder lie that units name.
async fn programs(
    host: &dyn HostView,
    found: &BTreeMap<HostPath, FileText>,
    coverage: &mut Coverage,
) -> Result<BTreeMap<Vec<u8>, HostPath>, ModuleError> {
    let mut names: BTreeSet<Vec<u8>> = BTreeSet::new();
    for file in found.values() {
        let parsed = parse_unit_file(file.content.as_bytes());
        let values = parsed.settings.iter().filter(|setting| setting.is_command());
        names.extend(values.flat_map(|setting| bare_programs(setting.value.as_bytes())));
    }
    let paths: Vec<(Vec<u8>, HostPath)> = names
        .iter()
        .flat_map(|name| PROGRAM_FOLDERS.map(|folder| (name.clone(), HostPath::from(folder).join(name))))
        .collect();
    let asked = paths.iter().map(|(_, path)| path.clone()).collect();
    let seen = questions::stat(host, asked, false).await;
    let entries = questions::or_gap(seen, "units", coverage, Vec::new)?;
    let mut programs = BTreeMap::new();
    for ((name, path), entry) in paths.into_iter().zip(entries) {
        if matches!(entry, Entry::Present(_)) {
            programs.entry(name).or_insert(path);
        }
    }
    Ok(programs)
}

/// Makes rows of what was found.
struct Reader<'a> {
    places: &'a Places,
    users: &'a Users,
    found: &'a BTreeMap<HostPath, FileText>,
    programs: &'a BTreeMap<Vec<u8>, HostPath>,
}

/// What tells one file of a manager from a second sight of it: a folder that is a link shows its files twice.
type Once = BTreeSet<(deminer_worker::query::FileId, Vec<u8>, Vec<u8>)>;

impl Reader<'_> {
    fn take_in(&self, path: &HostPath, units: &mut Units, known: &mut Once, coverage: &mut Coverage) {
        let (Some(file), Some(stands)) = (self.found.get(path), self.places.stands(path)) else {
            return;
        };
        let below = match &stands {
            Stands::Below(_, folder) => folder.clone(),
            _ => Vec::new(),
        };
        if !known.insert((file.stat.id, below, path.file_name().to_vec())) {
            return;
        }
        match stands {
            Stands::Unit(folder) if is_unit_name(path.file_name()) => {
                let unit = HostBytes::new(path.file_name());
                self.unit_or_link(Part::Unit, folder.whose, unit, path, units, coverage);
            }
            Stands::Below(folder, name) => self.below(folder.whose, &name, path, units, coverage),
            Stands::Generator(folder) => {
                let unit = HostBytes::new(path.file_name());
                self.unit_or_link(Part::Generator, folder.whose, unit, path, units, coverage);
            }
            Stands::Settings(whose) => {
                let unit = HostBytes::new(path.file_name());
                self.unit_or_link(Part::Settings, whose, unit, path, units, coverage);
            }
            Stands::Unit(_) => {}
        }
    }

    fn below(&self, whose: Whose, folder: &[u8], path: &HostPath, units: &mut Units, coverage: &mut Coverage) {
        match role_below(folder) {
            Some(LinkRole::Enables) => {
                let Some(link) = self.found.get(path).and_then(|file| LinkTarget::from_stat(&file.stat)) else {
                    return;
                };
                units.links.push(UnitLink {
                    role: LinkRole::Enables,
                    managers: self.users.managers(whose),
                    unit: HostBytes::new(path.file_name()),
                    leads_to: leads_to(&self.found[path].stat).map(|leads| self.end(&leads).1),
                    link,
                });
            }
            Some(_) if path.file_name().ends_with(b".conf") => {
                let unit = HostBytes::new(folder.strip_suffix(b".d").unwrap_or(folder));
                self.unit_or_link(Part::DropIn, whose, unit, path, units, coverage);
            }
            _ => {}
        }
    }

    /// The links from a path on, and the path where they end.
    fn end(&self, path: &HostPath) -> (Vec<LinkTarget>, HostPath) {
        let mut at = path.clone();
        let mut by = Vec::new();
        for _ in 0..2 * STEPS {
            let Some(stat) = self.found.get(&at).map(|file| &file.stat) else {
                break;
            };
            let (Some(leads), Some(link)) = (leads_to(stat), LinkTarget::from_stat(stat)) else {
                break;
            };
            by.push(link);
            at = leads;
        }
        (by, at)
    }

    fn unit_or_link(
        &self,
        part: Part,
        whose: Whose,
        unit: HostBytes,
        path: &HostPath,
        units: &mut Units,
        coverage: &mut Coverage,
    ) {
        let (by, end) = self.end(path);
        if let Some(link) = by.first() {
            let role = match part {
                _ if is_null(&end) => LinkRole::Masks,
                Part::DropIn => LinkRole::Adds,
                _ => LinkRole::Names,
            };
            units.links.push(UnitLink {
                role,
                managers: self.users.managers(whose),
                unit: unit.clone(),
                link: link.clone(),
                leads_to: Some(end.clone()),
            });
            // Another name of a unit that stands in a manager's place has its row there.
            let inside = matches!(self.places.stands(&end), Some(Stands::Unit(_)));
            if role == LinkRole::Masks || inside {
                return;
            }
        }
        let Some(file) = self.found.get(&end).filter(|file| file.stat.kind == FileKind::Regular) else {
            return;
        };
        let managers = self.users.managers(whose);
        units
            .rows
            .extend(self.row(part, whose, managers, unit, path, file, by, coverage));
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one row")]
    fn row(
        &self,
        part: Part,
        whose: Whose,
        managers: Vec<ServiceManager>,
        unit: HostBytes,
        path: &HostPath,
        file: &FileText,
        by: Vec<LinkTarget>,
        coverage: &mut Coverage,
    ) -> Option<UnitRow> {
        let program = part == Part::Generator;
        if file.cut {
            coverage.note("file", path, GapReason::Cut);
        }
        let Some(target) = FileTarget::from_stat(&file.stat) else {
            if !file.cut {
                coverage.note("file", path, GapReason::Denied);
            }
            return None;
        };
        let mut row = UnitRow {
            part,
            managers,
            unit,
            path: path.clone(),
            file: target,
            by,
            commands: Vec::new(),
            starts: Vec::new(),
            loads: Vec::new(),
            reads: Vec::new(),
            triggers: Vec::new(),
            calls: Vec::new(),
            schedule: HostBytes::default(),
            others: Vec::new(),
        };
        let content = file.content.as_bytes();
        if program {
            row.starts = vec![path.clone()];
            if !content.contains(&0) {
                let started = started_files(&simple_commands_at(content, None));
                let new: Vec<HostPath> = started.into_iter().filter(|file| *file != *path).collect();
                row.starts.extend(new);
            }
            return Some(row);
        }
        let (manager, home) = match whose {
            Whose::System => (Some(ServiceManager::System {}), Some(HostPath::from("/root"))),
            Whose::User(uid) => (Some(ServiceManager::User { uid }), self.users.homes.get(&uid).cloned()),
            Whose::AllUsers => (None, None),
        };
        let scope = Scope {
            manager,
            name: row.unit.clone(),
            home,
            environment: BTreeMap::new(),
            programs: self.programs.clone(),
        };
        let parsed = parse_unit_file(content);
        if parsed.more {
            coverage.note("file", path, GapReason::TooMany);
        }
        unit_settings::take_in(&parsed, scope, &mut row);
        Some(row)
    }

    /// Folders of additions that are links, each with where it leads.
    fn linked_folders(&self) -> Vec<(HostPath, HostPath)> {
        let is_one = |path: &&HostPath| {
            matches!(self.places.stands(path), Some(Stands::Unit(_)))
                && role_below(path.file_name()) == Some(LinkRole::Adds)
                && self.found[*path].stat.kind == FileKind::Link
        };
        let links = self.found.keys().filter(is_one);
        links.map(|path| (path.clone(), self.end(path).1)).collect()
    }

    /// The additions of a folder that is a link.
    fn take_in_linked(&self, folder: &HostPath, inner: &HostPath, units: &mut Units, coverage: &mut Coverage) {
        let Some(Stands::Unit(place)) = self.places.stands(folder) else {
            return;
        };
        let name = folder.file_name();
        let unit = HostBytes::new(name.strip_suffix(b".d").unwrap_or(name));
        let (by, _) = self.end(folder);
        let is_inside =
            |path: &&HostPath| path.parent().as_ref() == Some(inner) && path.file_name().ends_with(b".conf");
        let files: Vec<&HostPath> = self.found.keys().filter(is_inside).collect();
        for path in files {
            let (_, end) = self.end(path);
            let Some(file) = self.found.get(&end).filter(|file| file.stat.kind == FileKind::Regular) else {
                continue;
            };
            let (whose, managers) = (place.whose, self.users.managers(place.whose));
            let at = folder.join(path.file_name());
            units.rows.extend(self.row(
                Part::DropIn,
                whose,
                managers,
                unit.clone(),
                &at,
                file,
                by.clone(),
                coverage,
            ));
        }
    }
}
