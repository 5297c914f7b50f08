//! What service managers are made to run, as rows: one for each file, one for each link.

use deminer_worker::action::{FileTarget, LinkTarget, ServiceManager, StarterKind};
use deminer_worker::query::LoadedUnit;
use deminer_worker::text::{HostBytes, HostPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The units of a host: `unit.list` gives it, judge and trace take it whole.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Units {
    /// The files, by path: units, additions to units, generators, settings of the managers.
    pub rows: Vec<UnitRow>,
    /// The links in the managers' places, by path.
    pub links: Vec<UnitLink>,
    /// What the managers have in memory, by manager and name; what is not there was not told.
    pub loaded: Vec<LoadedUnit>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitRow {
    /// What it is.
    pub part: Part,
    /// Whose it is. A place of all users' managers belongs to each that runs, and to none where none does.
    pub managers: Vec<ServiceManager>,
    /// The unit: its full name, of an addition the name before `.d` (`cron.service`, `run-.mount`, `service` for all
    /// services); of a generator or a manager's settings the file's own name.
    pub unit: HostBytes,
    /// Where the manager finds it: the file's path, or that of a link to it.
    pub path: HostPath,
    /// The file, whole: identity and content digest.
    pub file: FileTarget,
    /// The links by which it is found, outermost first; empty where it lies in the manager's place itself.
    pub by: Vec<LinkTarget>,
    /// What its `Exec` settings run, in the file's order.
    pub commands: Vec<UnitCommand>,
    /// Files that it runs, as far as its own words tell: absolute paths, in order, each once.
    pub starts: Vec<HostPath>,
    /// Libraries and start files that its settings load into what it runs: `LD_PRELOAD=` of `Environment=`.
    pub loads: Vec<HostPath>,
    /// Files of settings and secrets that it hands on: `EnvironmentFile=`, `LoadCredential=`.
    pub reads: Vec<HostPath>,
    /// Units that it starts by time, by a path or by a connection, by full name.
    pub triggers: Vec<HostBytes>,
    /// Units that it asks for as it starts, fails or ends: `Wants=`, `OnFailure=`, ..., by full name.
    pub calls: Vec<HostBytes>,
    /// When a timer fires, in its own words; empty for anything else.
    pub schedule: HostBytes,
    /// Its other settings as `Section.Key`, each once; descriptions left out.
    pub others: Vec<HostBytes>,
}

/// What a file is to its manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A unit.
    Unit,
    /// An addition to a unit, or to all of a kind.
    DropIn,
    /// A program that makes units at each reload and each boot.
    Generator,
    /// Settings of a manager itself.
    Settings,
}

impl Part {
    /// What removing it is; `None` where no act removes such a file.
    pub fn starter(self) -> Option<StarterKind> {
        match self {
            Part::Unit => Some(StarterKind::Unit),
            Part::DropIn => Some(StarterKind::DropIn),
            Part::Generator => Some(StarterKind::Generator),
            Part::Settings => None,
        }
    }
}

/// One command of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitCommand {
    /// The setting: `ExecStart`, `ExecStopPost`, ...
    pub setting: HostBytes,
    /// The number of the line that it begins in, from 1.
    pub number: u32,
    /// The command as text for a shell, systemd's own marks and specifiers written out.
    pub command: HostBytes,
}

/// One link in a manager's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitLink {
    /// What it does.
    pub role: LinkRole,
    /// Whose it is, as of a file.
    pub managers: Vec<ServiceManager>,
    /// The unit that it is named after: `a.service` in `x.target.wants/a.service`.
    pub unit: HostBytes,
    /// The link.
    pub link: LinkTarget,
    /// Where it leads in the end; `None` where that is nothing, or was not told.
    pub leads_to: Option<HostPath>,
}

/// What a link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkRole {
    /// Another unit starts it: `NAME.wants/`, `NAME.requires/`, `NAME.upholds/`.
    Enables,
    /// It is a unit's file, or another name of one.
    Names,
    /// It is an addition to a unit.
    Adds,
    /// It leads to `/dev/null`: the unit cannot be started.
    Masks,
}

/// The name of the template of an instance: `a@1.service` is of `a@.service`; `None` for any other name.
pub(crate) fn template_of(name: &[u8]) -> Option<Vec<u8>> {
    let at = name.iter().position(|b| *b == b'@')?;
    let dot = name.iter().rposition(|b| *b == b'.').filter(|dot| *dot > at + 1)?;
    Some([&name[..=at], &name[dot..]].concat())
}

/// Whether a name is that of a template: `a@.service`.
pub(crate) fn is_template(name: &[u8]) -> bool {
    name.iter()
        .position(|b| *b == b'@')
        .is_some_and(|at| name.get(at + 1) == Some(&b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates() {
        let rows: [(&str, Option<&str>, bool); 5] = [
            ("a@1.service", Some("a@.service"), false),
            ("a@1.2.service", Some("a@.service"), false),
            ("a@.service", None, true),
            ("a.service", None, false),
            ("@", None, false),
        ];
        for (name, template, is) in rows {
            assert_eq!(
                template_of(name.as_bytes()).as_deref(),
                template.map(str::as_bytes),
                "{name}"
            );
            assert_eq!(is_template(name.as_bytes()), is, "{name}");
        }
    }
}
