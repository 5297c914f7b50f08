//! Making a service manager read its units anew, and looking that these are gone. No unit is stopped, started or reset: what
//! a condemned unit runs as it ends would run.

use crate::action::{Done, ServiceManager, Undo};
use crate::platform::linux::systemd;
use crate::query::{HostError, LoadedUnit};
use crate::text::HostBytes;

/// Reloads once and looks. A user's manager that does not run has nothing in memory: there it is done.
///
/// # Errors
/// `Unsupported` where systemd does not run this host, `Failed` when a unit is still there; the reload was done then.
pub(super) fn reload(manager: ServiceManager, units: &[HostBytes]) -> Result<Done, HostError> {
    let doing = format!("reload the {manager} manager");
    match manager {
        ServiceManager::System {} if !systemd::is_booted() => {
            let why = "systemd does not run this host".to_owned();
            return Err(HostError::Unsupported { doing, why });
        }
        ServiceManager::User { .. } if !systemd::listens(manager) => return Ok(Done::Gone),
        _ => {}
    }
    // Whether it was done tells the look, not the answer: a manager that reads long lets the time pass.
    let told = systemd::reload(manager);
    for name in units {
        let unit = systemd::unit(manager, name).map_err(|error| told.clone().err().unwrap_or(error))?;
        if let Some(why) = unit.as_ref().and_then(remains) {
            return Err(told.err().unwrap_or(HostError::Failed {
                doing: format!("{doing}: look at {name}"),
                why,
            }));
        }
    }
    told.map(|()| Done::Changed { undo: Undo::None })
}

/// Why a unit is not gone; `None` where only its name is left, with a process that still runs or its last state.
fn remains(unit: &LoadedUnit) -> Option<String> {
    if unit.load_state.as_bytes() == b"masked" {
        return None;
    }
    if let Some(path) = &unit.fragment {
        return Some(format!("the manager has it from {path}"));
    }
    if let Some(path) = unit.drop_ins.first() {
        return Some(format!("the manager adds {path} to it"));
    }
    match unit.load_state.as_bytes() {
        b"not-found" | b"stub" => None,
        _ => Some(format!("the manager has it as {}", unit.load_state)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(load_state: &str, fragment: Option<&str>, drop_ins: &[&str]) -> LoadedUnit {
        LoadedUnit {
            manager: ServiceManager::System {},
            name: "a.service".into(),
            load_state: load_state.into(),
            active_state: "active".into(),
            sub_state: "running".into(),
            fragment: fragment.map(Into::into),
            source: None,
            drop_ins: drop_ins.iter().map(|path| (*path).into()).collect(),
            needs_reload: false,
        }
    }

    #[test]
    fn a_unit_is_gone_when_the_manager_has_no_file_of_it() {
        let rows = [
            ("only its name", unit("not-found", None, &[]), true),
            (
                "its file",
                unit("loaded", Some("/etc/systemd/system/a.service"), &[]),
                false,
            ),
            (
                "another file of that name",
                unit("loaded", Some("/lib/systemd/system/a.service"), &[]),
                false,
            ),
            (
                "an addition",
                unit("not-found", None, &["/etc/systemd/system/a.service.d/x.conf"]),
                false,
            ),
            (
                "masked",
                unit("masked", Some("/etc/systemd/system/a.service"), &[]),
                true,
            ),
            ("made in memory", unit("loaded", None, &[]), false),
            ("broken", unit("bad-setting", None, &[]), false),
        ];
        for (name, unit, gone) in rows {
            assert_eq!(remains(&unit).is_none(), gone, "{name}");
        }
    }

    #[test]
    fn a_user_without_a_manager_has_nothing_to_reload() {
        let manager = ServiceManager::User { uid: u32::MAX };
        assert_eq!(reload(manager, &["a.service".into()]), Ok(Done::Gone));
    }
}
