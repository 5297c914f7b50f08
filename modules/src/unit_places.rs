//! Where service managers look for what they run, in the order in which they prefer it.
//!
//! Source: systemd.unit(5), "Unit File Load Path"; systemd.generator(7); systemd-system.conf(5).

use deminer_worker::action::ServiceManager;
use deminer_worker::text::HostPath;

/// Whose a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whose {
    /// The system's manager.
    System,
    /// Every user's manager.
    AllUsers,
    /// One user's manager.
    User(u32),
}

/// A folder of units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) path: HostPath,
    pub(crate) whose: Whose,
}

const SYSTEM: [&str; 13] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
];

const ALL_USERS: [&str; 8] = [
    "/etc/xdg/systemd/user",
    "/etc/systemd/user",
    "/run/systemd/user",
    "/usr/local/share/systemd/user",
    "/usr/share/systemd/user",
    "/usr/local/lib/systemd/user",
    "/usr/lib/systemd/user",
    "/lib/systemd/user",
];

/// Below a user's home.
const HOME: [&str; 3] = [
    ".config/systemd/user.control",
    ".config/systemd/user",
    ".local/share/systemd/user",
];

/// Below a user's `/run/user/UID`.
const RUNTIME: [&str; 6] = [
    "systemd/user.control",
    "systemd/transient",
    "systemd/generator.early",
    "systemd/user",
    "systemd/generator",
    "systemd/generator.late",
];

/// Above folders of generators.
const ABOVE_GENERATORS: [&str; 5] = [
    "/etc/systemd",
    "/run/systemd",
    "/usr/local/lib/systemd",
    "/usr/lib/systemd",
    "/lib/systemd",
];

const GENERATORS: [(&str, Whose); 4] = [
    ("system-generators", Whose::System),
    ("system-environment-generators", Whose::System),
    ("user-generators", Whose::AllUsers),
    ("user-environment-generators", Whose::AllUsers),
];

/// Settings of the managers, as patterns.
pub(crate) const SETTINGS: [(&str, Whose); 12] = [
    ("/etc/systemd/system.conf", Whose::System),
    ("/etc/systemd/system.conf.d/*.conf", Whose::System),
    ("/run/systemd/system.conf.d/*.conf", Whose::System),
    ("/usr/local/lib/systemd/system.conf.d/*.conf", Whose::System),
    ("/usr/lib/systemd/system.conf", Whose::System),
    ("/usr/lib/systemd/system.conf.d/*.conf", Whose::System),
    ("/etc/systemd/user.conf", Whose::AllUsers),
    ("/etc/systemd/user.conf.d/*.conf", Whose::AllUsers),
    ("/run/systemd/user.conf.d/*.conf", Whose::AllUsers),
    ("/usr/local/lib/systemd/user.conf.d/*.conf", Whose::AllUsers),
    ("/usr/lib/systemd/user.conf", Whose::AllUsers),
    ("/usr/lib/systemd/user.conf.d/*.conf", Whose::AllUsers),
];

/// The folders of units that every host may have.
pub(crate) fn shared() -> Vec<Folder> {
    let folder = |whose| {
        move |path: &str| Folder {
            path: HostPath::from(path),
            whose,
        }
    };
    let system = SYSTEM.into_iter().map(folder(Whose::System));
    system
        .chain(ALL_USERS.into_iter().map(folder(Whose::AllUsers)))
        .collect()
}

/// The folders of units in a user's home.
pub(crate) fn in_home(uid: u32, home: &HostPath) -> Vec<Folder> {
    below(home, &HOME, uid)
}

/// The folders of units that a user has while the host runs.
pub(crate) fn at_run_time(uid: u32) -> Vec<Folder> {
    below(&HostPath::from(format!("/run/user/{uid}").as_str()), &RUNTIME, uid)
}

fn below(above: &HostPath, names: &[&str], uid: u32) -> Vec<Folder> {
    let folder = |name: &&str| Folder {
        path: above.join(name.as_bytes()),
        whose: Whose::User(uid),
    };
    names.iter().map(folder).collect()
}

/// The folders of generators, and whose they are.
pub(crate) fn generators() -> Vec<Folder> {
    let above = ABOVE_GENERATORS.iter();
    above
        .flat_map(|above| {
            GENERATORS.iter().map(|(name, whose)| Folder {
                path: HostPath::from(*above).join(name.as_bytes()),
                whose: *whose,
            })
        })
        .collect()
}

/// The folders of units of one manager; those in the home where it is known.
pub(crate) fn of_manager(manager: ServiceManager, home: Option<&HostPath>) -> Vec<HostPath> {
    let shared = shared().into_iter();
    let folders: Vec<Folder> = match manager {
        ServiceManager::System {} => shared.filter(|folder| folder.whose == Whose::System).collect(),
        ServiceManager::User { uid } => shared
            .filter(|folder| folder.whose == Whose::AllUsers)
            .chain(home.map(|home| in_home(uid, home)).unwrap_or_default())
            .chain(at_run_time(uid))
            .collect(),
    };
    folders.into_iter().map(|folder| folder.path).collect()
}

/// Whether packages put units there, and nobody else should.
pub(crate) fn is_vendors(path: &HostPath) -> bool {
    ["/usr/lib", "/lib", "/usr/share"]
        .iter()
        .any(|place| path.is_below(&HostPath::from(*place)))
}

/// Whether a manager looks for units, additions and links in this place, or in a folder `NAME.d`, `NAME.wants` of it.
/// A home is any folder.
pub(crate) fn has_units(path: &HostPath, manager: ServiceManager) -> bool {
    let above = [path.parent(), path.parent().and_then(|parent| parent.parent())];
    above.into_iter().flatten().any(|folder| match manager {
        ServiceManager::System {} => SYSTEM.iter().any(|known| folder == HostPath::from(*known)),
        ServiceManager::User { uid } => {
            let runtime = HostPath::from(format!("/run/user/{uid}").as_str());
            let is = |name: &&str| folder == runtime.join(name.as_bytes());
            let at_home = |name: &&str| {
                let end = [b"/", name.as_bytes()].concat();
                folder.as_bytes().ends_with(&end) && folder.as_bytes().len() > end.len()
            };
            ALL_USERS.iter().any(|known| folder == HostPath::from(*known))
                || RUNTIME.iter().any(is)
                || HOME.iter().any(at_home)
        }
    })
}

/// Whether a manager runs the programs of this file's folder to make units.
pub(crate) fn has_generators(path: &HostPath, manager: ServiceManager) -> bool {
    let system = matches!(manager, ServiceManager::System {});
    generators()
        .iter()
        .any(|folder| path.parent().as_ref() == Some(&folder.path) && (folder.whose == Whose::System) == system)
}

/// A path as a merged `/usr` has it: systemd tells `/lib` and `/usr/lib` of one file.
pub(crate) fn merged(path: &HostPath) -> HostPath {
    let bytes = path.as_bytes();
    match [&b"/lib/"[..], b"/lib64/", b"/bin/", b"/sbin/"]
        .iter()
        .any(|start| bytes.starts_with(start))
    {
        true => HostPath::new([b"/usr", bytes].concat()),
        false => path.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let system = ServiceManager::System {};
        let user = ServiceManager::User { uid: 1000 };
        let rows = [
            ("/etc/systemd/system/a.service", true, false),
            ("/etc/systemd/system/a.service.d/x.conf", true, false),
            ("/etc/systemd/system/x.target.wants/a.service", true, false),
            ("/etc/systemd/system/a/b/c", false, false),
            ("/run/systemd/transient/a.service", true, false),
            ("/home/u/.config/systemd/user/a.service", false, true),
            ("/.config/systemd/user/a.service", false, false),
            ("/run/user/1000/systemd/user/a.service", false, true),
            ("/run/user/1001/systemd/user/a.service", false, false),
            ("/etc/systemd/user/a.service", false, true),
            ("/etc/systemd/system.conf", false, false),
            ("/etc/cron.d/a", false, false),
            ("/tmp/a.service", false, false),
            ("a", false, false),
        ];
        for (path, of_system, of_user) in rows {
            let path = HostPath::from(path);
            assert_eq!(
                (has_units(&path, system), has_units(&path, user)),
                (of_system, of_user),
                "{path}"
            );
        }
        assert!(has_generators(&"/etc/systemd/system-generators/x".into(), system));
        assert!(!has_generators(&"/etc/systemd/system-generators/x".into(), user));
        assert!(has_generators(&"/etc/systemd/user-generators/x".into(), user));
        assert!(!has_generators(&"/etc/systemd/system-generators/x/y".into(), system));
    }

    #[test]
    fn merged_paths() {
        for (path, expected) in [
            ("/lib/a", "/usr/lib/a"),
            ("/usr/lib/a", "/usr/lib/a"),
            ("/libx/a", "/libx/a"),
        ] {
            assert_eq!(merged(&path.into()), expected.into(), "{path}");
        }
    }
}
