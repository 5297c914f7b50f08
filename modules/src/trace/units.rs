//! Units that serve the miner. A unit is condemned for its own bytes: when what it is for, all of its `ExecStart`, serves a
//! condemned path. A timer, socket or path unit belongs to what it triggers, an addition to what it adds. What also serves
//! another purpose, or what a package owns, is for a person.

use std::collections::{BTreeMap, BTreeSet};

use deminer_engine::finding::{Artifact, Bearing, Finding, UnitFile, UnitTarget};
use deminer_engine::module::ModuleError;
use deminer_worker::action::{LinkTarget, ServiceManager, StarterKind};
use deminer_worker::query::Ownership;
use deminer_worker::text::{HostBytes, HostPath};
use deminer_worker::unit_name::{OwnUnit, is_unit_name, unit_of_cgroup};

use super::case::{Case, is_vouched};
use super::components::pid_tie;
use super::generator;
use super::look::Look;
use super::speech::{Tenor, tenor};
use super::starters;
use crate::command_words::{simple_commands_at, started_files};
use crate::saying::said;
use crate::unit_places::{is_vendors, merged};
use crate::unit_row::{LinkRole, Part, UnitLink, UnitRow, Units, is_template, template_of};

/// Directories above a file that are tried as the one in which a command runs.
const CWD_DEPTH: usize = 8;

/// The rows that are condemned, by their place in the list, each with the condemned path that it serves.
pub(super) type Charges = BTreeMap<usize, HostPath>;

/// What a row comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Weight {
    /// It serves no condemned path.
    Nothing,
    /// It does, and something else too.
    Partly(HostPath),
    /// It serves nothing else.
    Wholly(HostPath),
}

/// One pass over all rows. `true` where something new was condemned.
pub(super) async fn search(case: &mut Case, look: &mut Look<'_>, units: &Units) -> Result<bool, ModuleError> {
    let own = |row: &&UnitRow| !is_vendors(&row.path);
    let started: BTreeSet<HostPath> = units
        .rows
        .iter()
        .filter(own)
        .flat_map(|row| row.starts.iter().cloned())
        .collect();
    look.learn_owners(started.iter().cloned()).await?;
    let mut new = false;
    for path in &started {
        if !case.paths.contains(path) && !is_vouched(&look.owner(path).await?, path) {
            if let Some(folder) = path.parent().filter(|folder| !case.started_in.contains(folder)) {
                case.started_in.push(folder);
            }
            new |= starters::script(case, look, path).await?;
        }
    }
    for (at, row) in units.rows.iter().enumerate() {
        if case.units.contains_key(&at) {
            continue;
        }
        let weight = match row.part {
            Part::Generator => generator::weigh(case, look, row).await?,
            _ => weigh(case, look, units, row).await?,
        };
        match weight {
            Weight::Nothing => {}
            Weight::Partly(served) => {
                let say = "{path} makes {unit} start {served}, which is condemned, and does other things too: edit it by hand";
                ask(case, row, &served, "unit_starts_condemned", say);
            }
            Weight::Wholly(served) if is_known(look, row).await? => {
                // As the package has it, it starts what the intruder put in the place of something else.
                if !matches!(look.owner(&row.file.path).await?, Ownership::Owned { .. }) {
                    let say =
                        "{path} makes {unit} start {served}, which is condemned, but a package knows it: restore it";
                    ask(case, row, &served, "unit_starts_condemned", say);
                }
            }
            Weight::Wholly(served) => {
                case.paths.insert(row.file.path.clone());
                case.paths.insert(row.path.clone());
                case.units.insert(at, served);
                new = true;
            }
        }
    }
    Ok(new)
}

/// Whether a package stands behind a file. Without a database the vendors' places count as packaged, those of the
/// administrator and of users do not: there a unit is judged by its text.
async fn is_known(look: &mut Look<'_>, row: &UnitRow) -> Result<bool, ModuleError> {
    Ok(match look.owner(&row.file.path).await? {
        Ownership::Unowned => false,
        Ownership::Unknown => is_vendors(&row.file.path),
        _ => true,
    })
}

/// What the settings of a file come to.
async fn weigh(case: &Case, look: &mut Look<'_>, units: &Units, row: &UnitRow) -> Result<Weight, ModuleError> {
    let mut bad: Option<HostPath> = None;
    let mut other = false;
    let mut beside = Vec::new();
    let main = |setting: &HostBytes| setting.as_bytes() == b"ExecStart";
    let has_main = row.part == Part::Unit && row.commands.iter().any(|command| main(&command.setting));
    let mut is_for = !has_main;
    for command in &row.commands {
        match command_tenor(case, command.command.as_bytes(), &row.starts) {
            Tenor::Condemned(path) => {
                bad.get_or_insert(path);
                is_for |= main(&command.setting);
            }
            Tenor::Mixed(path) => {
                bad.get_or_insert(path);
                other = true;
            }
            // What goes before and after the miner belongs to it, unless it is a program of somebody else's.
            Tenor::Unrelated if has_main && !main(&command.setting) => beside.push(&command.command),
            Tenor::Unrelated => other = true,
        }
    }
    for file in &row.loads {
        match case.paths.contains(file) {
            true => drop(bad.get_or_insert_with(|| file.clone())),
            false => other = true,
        }
    }
    // A library in what else is harmless: the unit is not for it.
    other |= has_main && !is_for;
    let asked: Vec<&HostBytes> = match row.part {
        Part::DropIn => row.triggers.iter().chain(&row.calls).collect(),
        _ if row.unit.as_bytes().ends_with(b".target") => row.calls.iter().collect(),
        _ => row.triggers.iter().collect(),
    };
    for name in asked {
        match charged(case, units, row, name) {
            Some(path) => drop(bad.get_or_insert(path)),
            None => other = true,
        }
    }
    match row.part {
        Part::DropIn => {
            if bad.is_none() && !survives(case, units, row) {
                // It can only add to a unit that goes.
                bad = charged(case, units, row, &row.unit);
            } else {
                other |= !row.others.is_empty();
            }
        }
        Part::Settings => other = true,
        Part::Unit | Part::Generator => {}
    }
    let Some(served) = bad else { return Ok(Weight::Nothing) };
    for command in beside {
        for file in started_files(&simple_commands_at(command.as_bytes(), None)) {
            let theirs = case.is_near(&file) || case.paths.contains(&file);
            other |= !theirs && !is_vouched(&look.owner(&file).await?, &file);
        }
    }
    Ok(match other {
        true => Weight::Partly(served),
        false => Weight::Wholly(served),
    })
}

/// What a command comes to. Where only its directory tells which file it starts, that is the one from which its words lead
/// to a file that the unit's reader found.
fn command_tenor(case: &Case, command: &[u8], starts: &[HostPath]) -> Tenor {
    let plain = tenor(command, None, &case.paths);
    let found = starts.iter().find(|path| case.paths.contains(*path));
    let (Tenor::Unrelated, Some(found)) = (&plain, found) else {
        return plain;
    };
    std::iter::successors(found.parent(), HostPath::parent)
        .take(CWD_DEPTH)
        .map(|cwd| tenor(command, Some(&cwd), &case.paths))
        .find(|tenor| *tenor != Tenor::Unrelated)
        .unwrap_or(plain)
}

fn share_manager(a: &[ServiceManager], b: &[ServiceManager]) -> bool {
    a.iter().any(|manager| b.contains(manager)) || (a.is_empty() && b.is_empty())
}

/// The file of a condemned unit of that name, or of its template, which a row's managers have.
fn charged(case: &Case, units: &Units, row: &UnitRow, name: &HostBytes) -> Option<HostPath> {
    let template = template_of(name.as_bytes());
    let is = |unit: &HostBytes| unit == name || template.as_deref() == Some(unit.as_bytes());
    let mut rows = case.units.keys().map(|at| &units.rows[*at]);
    let found = rows
        .find(|other| other.part == Part::Unit && is(&other.unit) && share_manager(&row.managers, &other.managers))?;
    // Where another file of that name is left, what asks for the name gets that one.
    (!survives(case, units, found)).then(|| found.file.path.clone())
}

/// Whether a unit of a row's name stays: another file of that name, which is not condemned, stands behind it.
fn survives(case: &Case, units: &Units, row: &UnitRow) -> bool {
    units.rows.iter().enumerate().any(|(at, other)| {
        other.part == Part::Unit
            && other.unit == row.unit
            && !case.units.contains_key(&at)
            && share_manager(&row.managers, &other.managers)
    })
}

/// Asks a person to look at a row's file.
fn ask(case: &mut Case, row: &UnitRow, served: &HostPath, signal: &str, say: &str) {
    let artifact = Artifact::File { file: row.file.clone() };
    let finding = Finding::new(artifact, signal, Bearing::Review, say)
        .field("path", said(row.path.as_bytes()))
        .field("unit", said(row.unit.as_bytes()))
        .field("served", said(served.as_bytes()))
        .rests_on(&row.file.path, Some(row.file.sha256));
    let ties = case.tie_to(served);
    case.account.ask(finding, &[], ties);
}

/// Whose a row is, for an act: what belongs to every user is the concern of whoever runs, and of root where nobody does.
fn managers(row: &UnitRow) -> Vec<ServiceManager> {
    match row.managers.is_empty() {
        true => vec![ServiceManager::User { uid: 0 }],
        false => row.managers.clone(),
    }
}

/// A unit as it is put together.
#[derive(Default)]
struct Draft {
    files: Vec<UnitFile>,
    links: Vec<LinkTarget>,
    served: Vec<HostPath>,
}

/// Puts the condemned units together, with the links that lead to them, when nothing more is found.
pub(super) async fn settle(case: &mut Case, look: &mut Look<'_>, units: &Units) -> Result<(), ModuleError> {
    let mut drafts: BTreeMap<(ServiceManager, HostBytes), Draft> = BTreeMap::new();
    for (at, served) in &case.units {
        let row = &units.rows[*at];
        let Some(starter) = row.part.starter() else { continue };
        let file = UnitFile {
            file: row.file.clone(),
            starter,
        };
        let links = links_of(case, units, row);
        for manager in managers(row) {
            let draft = drafts.entry((manager, owner_of(case, units, row))).or_default();
            // What lies outside of the manager's places is a file like any other; only its link starts it.
            if row.by.is_empty() && !draft.files.contains(&file) {
                draft.files.push(file.clone());
            }
            for link in &links {
                if !draft.links.contains(link) {
                    draft.links.push(link.clone());
                }
            }
            if !draft.served.contains(served) {
                draft.served.push(served.clone());
            }
        }
    }
    for ((manager, name), draft) in drafts {
        condemn(case, manager, name, draft);
    }
    for (at, served) in case.units.clone() {
        let row = &units.rows[at];
        if !row.by.is_empty() {
            linked(case, row, &served);
        }
        if row.part == Part::Unit && is_template(row.unit.as_bytes()) {
            instances(case, units, row, &served);
        }
        called(case, look, units, row).await?;
    }
    by_process(case, look, units).await
}

/// The unit that a file is told with: of a generator the condemned unit that its text names, else its own name.
fn owner_of(case: &Case, units: &Units, row: &UnitRow) -> HostBytes {
    let made = case.units.keys().map(|at| &units.rows[*at]);
    let mut made = made.filter(|other| other.part == Part::Unit && share_manager(&row.managers, &other.managers));
    match row.part {
        Part::Generator => made
            .find(|other| other.path.as_bytes().windows(10).any(|run| run == b"/generator"))
            .map_or_else(|| row.unit.clone(), |other| other.unit.clone()),
        _ => row.unit.clone(),
    }
}

/// The links that go with a row: those that lead to its file, and those that enable its unit where nothing is left of it.
fn links_of(case: &Case, units: &Units, row: &UnitRow) -> Vec<LinkTarget> {
    let stays = survives(case, units, row);
    let mut names: Vec<&[u8]> = vec![row.unit.as_bytes()];
    let ours = |link: &&UnitLink| share_manager(&link.managers, &row.managers);
    let leads_here = |link: &&UnitLink| {
        link.leads_to
            .as_ref()
            .is_some_and(|to| merged(to) == merged(&row.file.path))
    };
    let naming: Vec<&UnitLink> = units
        .links
        .iter()
        .filter(ours)
        .filter(|link| matches!(link.role, LinkRole::Names | LinkRole::Adds))
        .filter(leads_here)
        .collect();
    names.extend(naming.iter().map(|link| link.unit.as_bytes()));
    let enables = |link: &&UnitLink| {
        let template = template_of(link.unit.as_bytes());
        let named = |name: &&[u8]| *name == link.unit.as_bytes() || template.as_deref() == Some(*name);
        // A link of that name to another file that is there enables that one.
        let elsewhere = link.leads_to.as_ref().is_some_and(|to| {
            units
                .rows
                .iter()
                .enumerate()
                .any(|(at, other)| !case.units.contains_key(&at) && (other.file.path == *to || other.path == *to))
        });
        link.role == LinkRole::Enables && names.iter().any(named) && !elsewhere
    };
    let enabling = units
        .links
        .iter()
        .filter(ours)
        .filter(enables)
        .filter(|_| row.part == Part::Unit && !stays);
    let all = row.by.iter().chain(naming.iter().map(|link| &link.link));
    let mut links: Vec<LinkTarget> = all.chain(enabling.map(|link| &link.link)).cloned().collect();
    links.sort_by(|a, b| a.path.cmp(&b.path));
    links.dedup();
    links
}

fn condemn(case: &mut Case, manager: ServiceManager, name: HostBytes, draft: Draft) {
    let paths: Vec<String> = draft.files.iter().map(|part| said(part.file.path.as_bytes())).collect();
    let links: Vec<String> = draft.links.iter().map(|link| said(link.path.as_bytes())).collect();
    let first = draft.served.first().cloned().unwrap_or_default();
    let only = |kind| !draft.files.is_empty() && draft.files.iter().all(|part| part.starter == kind);
    let say = match (only(StarterKind::DropIn), only(StarterKind::Generator)) {
        (true, _) => "what is added to the {manager} manager's {unit} starts {served}, which is condemned: {files}",
        (_, true) => "the {manager} manager runs {unit} to make a unit of {served}, which is condemned: {files}",
        _ => "all that the {manager} manager's {unit} is for is {served}, which is condemned: {files}",
    };
    let unit = UnitTarget {
        manager,
        name: name.clone(),
        files: draft.files,
        links: draft.links,
    };
    let mut ties: Vec<String> = Vec::new();
    for path in draft.served.iter().chain(unit.files.iter().map(|part| &part.file.path)) {
        ties.extend(case.tie_to(path));
    }
    let evidence: Vec<_> = unit
        .files
        .iter()
        .map(|part| (part.file.path.clone(), part.file.sha256))
        .collect();
    let finding = Finding::new(Artifact::Unit { unit }, "unit_serves_condemned", Bearing::Condemns, say)
        .field("manager", manager)
        .field("unit", said(name.as_bytes()))
        .field("served", said(first.as_bytes()))
        .field("files", [paths, links].concat().join(", "));
    let finding = evidence
        .into_iter()
        .fold(finding, |finding, (path, sha256)| finding.rests_on(path, Some(sha256)));
    case.account.condemn(finding, &[], ties);
}

/// The file that a link gives to a manager from outside of its places.
fn linked(case: &mut Case, row: &UnitRow, served: &HostPath) {
    let finding = Finding::new(
        Artifact::File { file: row.file.clone() },
        "unit_serves_condemned",
        Bearing::Condemns,
        "all that the unit in it is for is {served}, which is condemned; {link} gives it to the service manager",
    )
    .field("served", said(served.as_bytes()))
    .field("link", said(row.path.as_bytes()))
    .rests_on(&row.file.path, Some(row.file.sha256));
    let mut ties = case.tie_to(served);
    ties.extend(case.tie_to(&row.file.path));
    case.account.condemn(finding, &[], ties);
}

/// Instances of a condemned template that a manager has in memory: they must be gone too.
fn instances(case: &mut Case, units: &Units, row: &UnitRow, served: &HostPath) {
    let managers = managers(row);
    let of_it = units.loaded.iter().filter(|unit| {
        managers.contains(&unit.manager) && template_of(unit.name.as_bytes()).as_deref() == Some(row.unit.as_bytes())
    });
    for unit in of_it {
        let target = UnitTarget {
            manager: unit.manager,
            name: unit.name.clone(),
            files: Vec::new(),
            links: Vec::new(),
        };
        let say = "{unit} is an instance of {template}, which is condemned";
        let finding = Finding::new(
            Artifact::Unit { unit: target },
            "instance_of_condemned",
            Bearing::Condemns,
            say,
        )
        .field("unit", said(unit.name.as_bytes()))
        .field("template", said(row.unit.as_bytes()))
        .rests_on(&row.file.path, Some(row.file.sha256));
        let mut ties = case.tie_to(served);
        ties.extend(case.tie_to(&row.file.path));
        case.account.condemn(finding, &[], ties);
    }
}

/// What a condemned unit asks for and hands on: a person looks, since its words are the intruder's.
async fn called(case: &mut Case, look: &mut Look<'_>, units: &Units, row: &UnitRow) -> Result<(), ModuleError> {
    for name in &row.calls {
        let others: Vec<&UnitRow> = units
            .rows
            .iter()
            .enumerate()
            .filter(|(at, other)| !case.units.contains_key(at) && other.part == Part::Unit && other.unit == *name)
            .filter(|(_, other)| share_manager(&other.managers, &row.managers))
            .map(|(_, other)| other)
            .collect();
        for other in others {
            if !is_known(look, other).await? {
                let say = "{served}, which is condemned, starts {unit} with it, as it fails or as it ends";
                ask(case, other, &row.file.path, "called_by_condemned", say);
            }
        }
    }
    for path in &row.reads {
        let stat = look.file(path).await?;
        if let Some(stat) = stat.filter(|_| !case.paths.contains(path)) {
            let words = super::case::Words {
                signal: "read_by_condemned",
                say: "{unit}, which is condemned, reads its settings from it",
                fields: &[("unit", row.unit.as_bytes())],
            };
            let ties = case.tie_to(&row.file.path);
            case.ask_file(&stat, &words, &ties);
        }
    }
    Ok(())
}

/// Units that condemned processes run in, whose own words do not tell: what is only in memory goes by a reload, what has a
/// file is for a person.
async fn by_process(case: &mut Case, look: &mut Look<'_>, units: &Units) -> Result<(), ModuleError> {
    let pids: Vec<u32> = case.pids.keys().copied().collect();
    for pid in pids {
        let Some(OwnUnit { manager, name }) = look
            .processes
            .get(&pid)
            .and_then(|p| unit_of_cgroup(p.cgroup.as_bytes()))
        else {
            continue;
        };
        let is_user_manager = name.as_bytes().starts_with(b"user@");
        if !name.as_bytes().ends_with(b".service") || is_user_manager {
            continue;
        }
        let template = template_of(name.as_bytes());
        let is = |unit: &HostBytes| *unit == name || template.as_deref() == Some(unit.as_bytes());
        let rows: Vec<(usize, &UnitRow)> = units
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.part == Part::Unit && is(&row.unit) && row.managers.contains(&manager))
            .collect();
        if rows.iter().any(|(at, _)| case.units.contains_key(at)) {
            continue;
        }
        let named = units
            .links
            .iter()
            .any(|link| link.role == LinkRole::Names && is(&link.unit));
        let from_memory = units
            .loaded
            .iter()
            .find(|unit| unit.manager == manager && unit.name == name);
        let gone = from_memory
            .and_then(|unit| unit.fragment.clone())
            .filter(|_| rows.is_empty() && !named);
        match gone {
            Some(fragment) if look.is_absent(&fragment).await? => {
                from_memory_alone(case, manager, &name, &fragment, pid)
            }
            _ => {
                for (_, row) in rows {
                    if !is_known(look, row).await? {
                        let say = "condemned pid {served} runs in {unit}, whose words do not tell it: a person decides";
                        let pid = HostPath::from(pid.to_string().as_str());
                        ask(case, row, &pid, "runs_in_unit", say);
                    }
                }
            }
        }
    }
    Ok(())
}

fn from_memory_alone(case: &mut Case, manager: ServiceManager, name: &HostBytes, fragment: &HostPath, pid: u32) {
    let unit = UnitTarget {
        manager,
        name: name.clone(),
        files: Vec::new(),
        links: Vec::new(),
    };
    let say = "condemned pid {pid} runs in {unit}, which the {manager} manager has only in memory: {path} is gone";
    let finding = Finding::new(Artifact::Unit { unit }, "unit_in_memory", Bearing::Condemns, say)
        .field("pid", pid)
        .field("unit", said(name.as_bytes()))
        .field("manager", manager)
        .field("path", said(fragment.as_bytes()))
        .rests_on(format!("/proc/{pid}/cgroup"), None);
    case.account.condemn(finding, &[], vec![pid_tie(pid)]);
}

/// The unit that a process is told with; `None` for sessions and for what is in none.
pub(super) fn told_of(cgroup: &HostBytes) -> Option<HostBytes> {
    let unit = unit_of_cgroup(cgroup.as_bytes())?;
    (unit.name.as_bytes().ends_with(b".service") && is_unit_name(unit.name.as_bytes())).then_some(unit.name)
}
