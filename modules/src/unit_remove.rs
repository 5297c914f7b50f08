//! The removal of condemned units, by identity.
//!
//! Proposes to take away each file and link of a unit, and to let its manager read its units anew and look that it is gone.
//! Nothing is stopped, started, restarted or disabled by the manager: what a unit runs as it ends would run. What a package
//! owns, what lies outside of the managers' places and a mask are refused. Handbook: `systemctl disable`,
//! `/etc/systemd/system`.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Condemned, FindingId, UnitTarget};
use deminer_engine::host::HostView;
use deminer_engine::module::{About, ModuleError, Outcome, Proposal, Responder};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Act, Effect, LinkTarget, ServiceManager, StarterKind};
use deminer_worker::query::{Coverage, Entry, Ownership};
use deminer_worker::text::{HostBytes, HostPath};
use deminer_worker::unit_name::{UNIT_KINDS, is_unit_name};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::condemned_list::{self, Proposals, Proposed};
use crate::questions;
use crate::unit_places::{self, has_generators, has_units, is_vendors, merged};
use crate::unit_row::{is_template, template_of};

/// `unit.remove`.
pub struct UnitRemove;

/// Which.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The units to remove, as the trace lists them, each with its files, its links and the findings that condemn it.
    /// Anything but a unit is refused. Example: `units: "{{ steps.trace.units }}"`.
    pub units: Vec<Condemned>,
}

const LIST: &str = "units";

#[async_trait]
impl Responder for UnitRemove {
    const ABOUT: About = About {
        name: "unit.remove",
        summary: "Proposes to remove condemned units with their links, and that systemd forgets them; stops nothing.",
        effect: Effect::Destroy,
        phases: &[Phase::Eradicate],
        handbook: "2.1.3.5",
        not_seen: "processes of the unit, which `process.kill` ends; a unit that failed stays in the list by its name",
        example: "{id: disable, use: unit.remove, with: {units: \"{{ steps.trace.units }}\"}}",
    };
    type Params = Params;
    type Output = Proposed;

    async fn propose(
        &self,
        host: &dyn HostView,
        params: Params,
    ) -> Result<(Outcome<Proposed>, Vec<Proposal>), ModuleError> {
        let mut coverage = Coverage::whole();
        let mut units = Vec::new();
        for (index, condemned) in params.units.iter().enumerate() {
            condemned_list::cited(LIST, index, condemned)?;
            match &condemned.artifact {
                Artifact::Unit { unit } => {
                    fits(index, unit)?;
                    units.push((condemned, unit));
                }
                other => {
                    let why = format!("expected a unit, found a {}", condemned_list::kind(other));
                    return Err(condemned_list::refusal(LIST, index, why));
                }
            }
        }
        not_packaged(host, &units, &mut coverage).await?;
        let left = left_behind(host, &units, &mut coverage).await?;
        let mut proposals = Proposals::default();
        let mut reloads: BTreeMap<(u32, ServiceManager), (BTreeSet<HostBytes>, Vec<FindingId>)> = BTreeMap::new();
        for (condemned, unit) in &units {
            let (component, because) = (condemned.component, &condemned.because);
            for part in &unit.files {
                if let Some(clear) = condemned_list::clears_flags(&part.file) {
                    proposals.add(component, clear, because);
                }
                let act = Act::RemoveStarter {
                    file: part.file.clone(),
                    starter: part.starter,
                };
                proposals.add(component, act, because);
            }
            for link in &unit.links {
                proposals.add(component, Act::RemoveLink { link: link.clone() }, because);
            }
            let reload = reloads.entry((component, unit.manager)).or_default();
            if goes(unit) && !left.contains(&(unit.manager, unit.name.clone())) {
                reload.0.insert(unit.name.clone());
            }
            condemned_list::unite(&mut reload.1, because);
        }
        for ((component, manager), (names, because)) in reloads {
            let units = names.into_iter().collect();
            proposals.add(component, Act::ReloadUnits { manager, units }, &because);
        }
        let (output, proposals) = proposals.finish();
        Ok((Outcome::of(output).seen_with(coverage), proposals))
    }
}

/// Whether the manager should have nothing of that name afterwards: a template is never in memory, and where only an
/// addition goes the unit stays.
fn goes(unit: &UnitTarget) -> bool {
    let whole = unit.files.is_empty() || unit.files.iter().any(|part| part.starter == StarterKind::Unit);
    let by_link = !unit.links.is_empty() && unit.files.is_empty();
    is_unit_name(unit.name.as_bytes()) && !is_template(unit.name.as_bytes()) && (whole || by_link)
}

/// Refuses what is no unit of its manager's places.
fn fits(index: usize, unit: &UnitTarget) -> Result<(), ModuleError> {
    let refuse = |why: String| Err(condemned_list::refusal(LIST, index, why));
    let makes = unit.files.iter().all(|part| part.starter == StarterKind::Generator) && !unit.files.is_empty();
    let of_all = UNIT_KINDS.iter().any(|kind| kind.as_bytes() == unit.name.as_bytes());
    if !is_unit_name(unit.name.as_bytes()) && !makes && !of_all {
        return refuse(format!("`{}` is no name of a unit", unit.name));
    }
    for part in &unit.files {
        condemned_list::placed(LIST, index, &part.file)?;
        let path = &part.file.path;
        let manager = unit.manager;
        let why = match part.starter {
            StarterKind::Generator if !has_generators(path, manager) => "no folder of generators has it",
            StarterKind::Unit | StarterKind::DropIn if !has_units(path, manager) => "no folder of units has it",
            StarterKind::Unit if !is_named(path.file_name(), &unit.name) => "it is another unit's file",
            StarterKind::DropIn if !is_addition(path) => "it is no addition to a unit",
            kind if !kind.is_of_a_unit() => "it is not of a unit",
            _ => continue,
        };
        return refuse(format!("`{path}` for the {manager} manager: {why}"));
    }
    for link in &unit.links {
        let why = match &link.target {
            target if target.as_bytes() == b"/dev/null" => "it is a mask: it keeps a unit from being started",
            _ if !has_units(&link.path, unit.manager) => "no folder of units has it",
            _ if !is_link_of_units(link) => "it neither enables nor names a unit",
            _ => continue,
        };
        return refuse(format!("`{}` for the {} manager: {why}", link.path, unit.manager));
    }
    Ok(())
}

/// Whether a file is called as its unit, or as its template.
fn is_named(file: &[u8], unit: &HostBytes) -> bool {
    file == unit.as_bytes() || template_of(unit.as_bytes()).as_deref() == Some(file)
}

fn is_addition(path: &HostPath) -> bool {
    let folder = path.parent().unwrap_or_default();
    folder.file_name().ends_with(b".d") && path.file_name().ends_with(b".conf")
}

fn is_link_of_units(link: &LinkTarget) -> bool {
    let folder = link.path.parent().unwrap_or_default();
    let name = link.path.file_name();
    let below = [&b".wants"[..], b".requires", b".upholds"];
    is_unit_name(name)
        || name.ends_with(b".d")
        || folder.file_name().ends_with(b".d") && name.ends_with(b".conf")
        || below.iter().any(|end| folder.file_name().ends_with(end))
}

/// Refuses what a package owns or knows.
async fn not_packaged(
    host: &dyn HostView,
    units: &[(&Condemned, &UnitTarget)],
    coverage: &mut Coverage,
) -> Result<(), ModuleError> {
    let files: Vec<(usize, &HostPath)> = units
        .iter()
        .enumerate()
        .flat_map(|(index, (_, unit))| unit.files.iter().map(move |part| (index, &part.file.path)))
        .collect();
    let owners = questions::packages(host, files.iter().map(|(_, path)| (*path).clone()).collect()).await?;
    coverage.unite(&owners.coverage);
    for ((index, path), owner) in files.into_iter().zip(owners.value) {
        let package = match owner {
            Ownership::Unowned => continue,
            Ownership::Unknown if !is_vendors(path) => continue,
            Ownership::Unknown => "a package may own it, and no package database tells".to_owned(),
            Ownership::Owned { package }
            | Ownership::Modified { package }
            | Ownership::Listed { package }
            | Ownership::Copied { package, .. } => format!("package {package} owns it: it is to be restored"),
        };
        return Err(condemned_list::refusal(LIST, index, format!("`{path}`: {package}")));
    }
    Ok(())
}

/// The units of which another file of the same name is left: the manager will have that one.
async fn left_behind(
    host: &dyn HostView,
    units: &[(&Condemned, &UnitTarget)],
    coverage: &mut Coverage,
) -> Result<BTreeSet<(ServiceManager, HostBytes)>, ModuleError> {
    let accounts = questions::accounts(host).await;
    let accounts = questions::or_gap(accounts, "accounts", coverage, Vec::new)?;
    let removed: BTreeSet<HostPath> = units
        .iter()
        .flat_map(|(_, unit)| {
            let files = unit.files.iter().map(|part| &part.file.path);
            files.chain(unit.links.iter().map(|link| &link.path)).map(merged)
        })
        .collect();
    let mut asked: Vec<((ServiceManager, HostBytes), HostPath)> = Vec::new();
    for (_, unit) in units.iter().filter(|(_, unit)| goes(unit)) {
        let home = match unit.manager {
            ServiceManager::User { uid } => accounts
                .iter()
                .find(|account| account.uid == uid)
                .map(|account| &account.home),
            ServiceManager::System {} => None,
        };
        let names = [Some(unit.name.as_bytes().to_vec()), template_of(unit.name.as_bytes())];
        for folder in unit_places::of_manager(unit.manager, home) {
            for name in names.iter().flatten() {
                asked.push(((unit.manager, unit.name.clone()), folder.join(name)));
            }
        }
    }
    let seen = questions::stat(host, asked.iter().map(|(_, path)| path.clone()).collect(), false).await?;
    coverage.unite(&seen.coverage);
    let stays = |entry: &Entry| match entry {
        Entry::Present(stat) => !removed.contains(&merged(&stat.path)),
        Entry::Absent { .. } => false,
        Entry::Hidden { .. } => true,
    };
    let left = asked.into_iter().zip(seen.value).filter(|(_, entry)| stays(entry));
    Ok(left.map(|((unit, _), _)| unit).collect())
}
