//! The service managers of a Linux host, asked and told over their own private sockets.
//!
//! No program of the host and no bus daemon stands between. Looking never loads a unit: only units that the manager has
//! in memory already are asked about. Source: org.freedesktop.systemd1(5).

#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod link;
mod wire;

use crate::action::ServiceManager;
use crate::query::{HostError, LoadedUnit};
use crate::text::{HostBytes, HostPath};

use link::{Link, words};
use wire::{Call, Kind, Message, Reader, WireError};

/// How long the system's manager may take to tell its units.
pub(super) const LOOK_MS: u64 = 10_000;
/// How long a manager may take to reload.
const RELOAD_MS: u64 = 20_000;
/// How long it may take to tell of one watchdog: a host that mines is busy, and others stand still meanwhile.
const WATCHDOG_MS: u64 = 1_000;
/// The units of one answer.
const UNITS: usize = 20_000;
/// Calls that are on their way at one time: a socket takes so many without an answer.
const AHEAD: usize = 32;

const MANAGER: &[u8] = b"/org/freedesktop/systemd1";
const MANAGER_INTERFACE: &str = "org.freedesktop.systemd1.Manager";
const UNIT_INTERFACE: &[u8] = b"org.freedesktop.systemd1.Unit";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Whether systemd started this host (sd_booted(3)).
pub(super) fn is_booted() -> bool {
    std::fs::symlink_metadata("/run/systemd/system").is_ok_and(|meta| meta.is_dir())
}

/// Whether a manager has its socket; who is behind it shows when it is asked.
pub(super) fn listens(manager: ServiceManager) -> bool {
    std::fs::symlink_metadata(link::socket_of(manager)).is_ok()
}

/// The managers of users that have a socket, by user.
pub(super) fn of_users() -> Vec<ServiceManager> {
    let Ok(entries) = std::fs::read_dir("/run/user") else {
        return Vec::new();
    };
    let uids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut uids: Vec<u32> = uids.collect();
    uids.sort_unstable();
    let managers = uids.into_iter().map(|uid| ServiceManager::User { uid });
    managers.filter(|manager| listens(*manager)).collect()
}

/// A unit in the manager's list.
struct Listed {
    name: HostBytes,
    load_state: HostBytes,
    active_state: HostBytes,
    sub_state: HostBytes,
    object: Vec<u8>,
}

/// The units that a manager has in memory, by name, and whether that is all of them.
///
/// # Errors
/// `Gone` when it does not listen, `Denied` when we may not ask; anything else when it does not answer as it should.
pub(super) fn units(manager: ServiceManager, limit_ms: u64) -> Result<(Vec<LoadedUnit>, bool), HostError> {
    let doing = format!("ask the {manager} manager for its units");
    let mut link = Link::open(manager, limit_ms, &doing)?;
    let answer = link.ask(&Call {
        path: MANAGER,
        interface: MANAGER_INTERFACE,
        member: "ListUnits",
        arguments: &[],
    })?;
    let (listed, whole) = list(&answer).map_err(|error| link.broken(error))?;
    let mut units = Vec::new();
    for some in listed.chunks(AHEAD / PROPERTIES_ASKED.len()) {
        let mut serials = Vec::new();
        for unit in some {
            for property in PROPERTIES_ASKED {
                serials.push(link.call(&get(&unit.object, property))?);
            }
        }
        let mut serials = serials.into_iter();
        for unit in some {
            let mut about = About::default();
            for property in PROPERTIES_ASKED {
                let Some(serial) = serials.next() else { break };
                let answer = link.answer(serial)?;
                // A unit that was dropped meanwhile has no properties.
                if answer.kind == Kind::Return {
                    about.take_in(property, &answer).map_err(|error| link.broken(error))?;
                }
            }
            units.push(about.of(manager, unit));
        }
    }
    units.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((units, whole))
}

/// Lets a manager read all unit files again, and waits until it has.
///
/// # Errors
/// `Gone` when it does not listen. When it refuses or takes too long nobody knows: ask again.
pub(super) fn reload(manager: ServiceManager) -> Result<(), HostError> {
    let doing = format!("reload the {manager} manager");
    let mut link = Link::open(manager, RELOAD_MS, &doing)?;
    link.ask(&Call {
        path: MANAGER,
        interface: MANAGER_INTERFACE,
        member: "Reload",
        arguments: &[],
    })
    .map(drop)
}

/// What a manager has of one unit; `None` where it has none of that name. It is not loaded for that.
///
/// # Errors
/// As [`units`].
pub(super) fn unit(manager: ServiceManager, name: &HostBytes) -> Result<Option<LoadedUnit>, HostError> {
    let doing = format!("ask the {manager} manager for {name}");
    let mut link = Link::open(manager, LOOK_MS, &doing)?;
    let serial = link.call(&Call {
        path: MANAGER,
        interface: MANAGER_INTERFACE,
        member: "GetUnit",
        arguments: &[name.as_bytes()],
    })?;
    let answer = link.answer(serial)?;
    if answer.kind == Kind::Error {
        return match &answer.error[..] {
            b"org.freedesktop.systemd1.NoSuchUnit" => Ok(None),
            _ => Err(HostError::Failed {
                doing,
                why: words(&answer),
            }),
        };
    }
    let object = Reader::new(&answer.body).string().map_err(|error| link.broken(error))?;
    let mut listed = Listed {
        name: name.clone(),
        load_state: HostBytes::default(),
        active_state: HostBytes::default(),
        sub_state: HostBytes::default(),
        object: object.to_vec(),
    };
    let mut about = About::default();
    for property in ["LoadState", "ActiveState", "SubState"]
        .into_iter()
        .chain(PROPERTIES_ASKED)
    {
        let serial = link.call(&get(&listed.object, property))?;
        let answer = link.answer(serial)?;
        let answer = link.granted(answer)?;
        let text = || variant(&answer, b"s").and_then(|mut reader| Ok(HostBytes::new(reader.string()?)));
        match property {
            "LoadState" => listed.load_state = text().map_err(|error| link.broken(error))?,
            "ActiveState" => listed.active_state = text().map_err(|error| link.broken(error))?,
            "SubState" => listed.sub_state = text().map_err(|error| link.broken(error))?,
            _ => about.take_in(property, &answer).map_err(|error| link.broken(error))?,
        }
    }
    Ok(Some(about.of(manager, &listed)))
}

/// The watchdog that a manager holds over a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Watchdog {
    /// The service is ended and started again when it was not heard of for so long.
    pub(super) limit: std::time::Duration,
    /// The only process that is listened to; `None` where others are too.
    pub(super) only: Option<u32>,
}

/// The watchdog over a service; `None` where there is none, or the manager does not tell at once.
pub(super) fn watchdog(manager: ServiceManager, name: &HostBytes) -> Option<Watchdog> {
    let mut link = Link::open(manager, WATCHDOG_MS, "ask for a watchdog").ok()?;
    let answer = link
        .ask(&Call {
            path: MANAGER,
            interface: MANAGER_INTERFACE,
            member: "GetUnit",
            arguments: &[name.as_bytes()],
        })
        .ok()?;
    let object = Reader::new(&answer.body).string().ok()?.to_vec();
    let mut ask = |property: &[u8]| {
        link.ask(&Call {
            path: &object,
            interface: PROPERTIES,
            member: "Get",
            arguments: &[b"org.freedesktop.systemd1.Service", property],
        })
        .ok()
    };
    let limit = variant(&ask(b"WatchdogUSec")?, b"t").ok()?.u64().ok()?;
    if limit == 0 || limit == u64::MAX {
        return None;
    }
    let main = variant(&ask(b"MainPID")?, b"u").ok()?.u32().ok()?;
    let access = ask(b"NotifyAccess")?;
    let access = variant(&access, b"s").ok()?.string().ok()?.to_vec();
    Some(Watchdog {
        limit: std::time::Duration::from_micros(limit),
        only: (access != b"all").then_some(main),
    })
}

const PROPERTIES_ASKED: [&str; 4] = ["FragmentPath", "SourcePath", "DropInPaths", "NeedDaemonReload"];

/// The call for one property of a unit. The manager loads a unit that it does not have when its object is asked for, so
/// only objects that it named itself are.
fn get<'a>(object: &'a [u8], property: &'static str) -> Call<'a> {
    let arguments: &'static [&'static [u8]] = match property {
        "FragmentPath" => &[UNIT_INTERFACE, b"FragmentPath"],
        "SourcePath" => &[UNIT_INTERFACE, b"SourcePath"],
        "DropInPaths" => &[UNIT_INTERFACE, b"DropInPaths"],
        "NeedDaemonReload" => &[UNIT_INTERFACE, b"NeedDaemonReload"],
        "LoadState" => &[UNIT_INTERFACE, b"LoadState"],
        "ActiveState" => &[UNIT_INTERFACE, b"ActiveState"],
        _ => &[UNIT_INTERFACE, b"SubState"],
    };
    Call {
        path: object,
        interface: PROPERTIES,
        member: "Get",
        arguments,
    }
}

/// The value inside an answer's variant, which must be of that type.
fn variant<'a>(answer: &'a Message, kind: &[u8]) -> Result<Reader<'a>, WireError> {
    let mut reader = Reader::new(&answer.body);
    match answer.signature == b"v" && reader.signature()? == kind {
        true => Ok(reader),
        false => Err(WireError::Form),
    }
}

/// The list of `ListUnits`: structures of a name, a description, three states, a unit to follow, an object, and a job.
fn list(answer: &Message) -> Result<(Vec<Listed>, bool), WireError> {
    if answer.signature != b"a(ssssssouso)" {
        return Err(WireError::Form);
    }
    let mut reader = Reader::new(&answer.body);
    let end = reader.array_end(8)?;
    let mut listed = Vec::new();
    while reader.is_before(end) {
        if listed.len() == UNITS {
            return Ok((listed, false));
        }
        reader.align(8)?;
        let name = HostBytes::new(reader.string()?);
        reader.string()?;
        let [load_state, active_state, sub_state] = [
            HostBytes::new(reader.string()?),
            HostBytes::new(reader.string()?),
            HostBytes::new(reader.string()?),
        ];
        reader.string()?;
        let object = reader.string()?.to_vec();
        reader.u32()?;
        reader.string()?;
        reader.string()?;
        listed.push(Listed {
            name,
            load_state,
            active_state,
            sub_state,
            object,
        });
    }
    Ok((listed, true))
}

/// What the properties of a unit say.
#[derive(Default)]
struct About {
    fragment: Option<HostPath>,
    source: Option<HostPath>,
    drop_ins: Vec<HostPath>,
    needs_reload: bool,
}

impl About {
    fn take_in(&mut self, property: &str, answer: &Message) -> Result<(), WireError> {
        let path = |bytes: &[u8]| (!bytes.is_empty()).then(|| HostPath::new(bytes));
        match property {
            "FragmentPath" => self.fragment = path(variant(answer, b"s")?.string()?),
            "SourcePath" => self.source = path(variant(answer, b"s")?.string()?),
            "DropInPaths" => {
                let paths = variant(answer, b"as")?.strings()?;
                self.drop_ins = paths.into_iter().map(HostPath::new).collect();
            }
            _ => self.needs_reload = variant(answer, b"b")?.bool()?,
        }
        Ok(())
    }

    fn of(self, manager: ServiceManager, unit: &Listed) -> LoadedUnit {
        LoadedUnit {
            manager,
            name: unit.name.clone(),
            load_state: unit.load_state.clone(),
            active_state: unit.active_state.clone(),
            sub_state: unit.sub_state.clone(),
            fragment: self.fragment,
            source: self.source,
            drop_ins: self.drop_ins,
            needs_reload: self.needs_reload,
        }
    }
}
