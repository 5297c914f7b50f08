//! In which container a process lives, by its cgroup.
//!
//! Container runtimes put the container's id into the cgroup path of each of its processes (runc, crun and systemd: scope
//! names; Kubernetes: `kubepods`). What monitors a container (conmon, `lxc.monitor`) is the host's and in none.

use deminer_worker::text::HostBytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One container, as a cgroup path names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Container {
    /// What runs it.
    pub runtime: Runtime,
    /// Its id, 64 hexadecimal digits for most; the name of an LXC or nspawn container.
    pub id: HostBytes,
    /// The UID of its Kubernetes pod; `None` outside of Kubernetes.
    pub pod: Option<HostBytes>,
}

/// What runs a container, as far as the path tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    /// Docker.
    Docker,
    /// containerd, by itself or under Kubernetes.
    Containerd,
    /// CRI-O.
    CriO,
    /// Podman.
    Podman,
    /// LXC or LXD.
    Lxc,
    /// systemd-nspawn, or a machine of systemd-machined.
    Nspawn,
    /// A container of Kubernetes whose runtime the path does not tell.
    Kubernetes,
    /// An id of a container, and nothing else.
    Unknown,
    /// No id at all: its namespaces of processes and of mounts are not the host's.
    Namespaces,
}

/// Beginnings of scope and directory names before an id.
const PREFIXES: [(&[u8], Runtime); 5] = [
    (b"docker-", Runtime::Docker),
    (b"cri-containerd-", Runtime::Containerd),
    (b"crio-", Runtime::CriO),
    (b"libpod-", Runtime::Podman),
    (b"nerdctl-", Runtime::Containerd),
];

/// Directories of runtimes that have ids right below them.
const DIRECTORIES: [(&[u8], Runtime); 6] = [
    (b"docker", Runtime::Docker),
    (b"libpod_parent", Runtime::Podman),
    (b"k8s.io", Runtime::Containerd),
    (b"moby", Runtime::Docker),
    (b"default", Runtime::Containerd),
    (b"nerdctl", Runtime::Containerd),
];

/// The container of a cgroup path, the innermost of nested ones; `None` for a process of the host.
pub(crate) fn of_cgroup(path: &[u8]) -> Option<Container> {
    let parts: Vec<&[u8]> = path
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty())
        .collect();
    let pod = parts.iter().find_map(|part| pod(part)).map(HostBytes::new);
    let found = (0..parts.len()).rev().find_map(|at| {
        let before = at.checked_sub(1).map(|at| parts[at]);
        runtime_and_id(parts[at], before)
    });
    let (runtime, id) = found?;
    let runtime = match (runtime, &pod) {
        (Runtime::Unknown, Some(_)) => Runtime::Kubernetes,
        (runtime, _) => runtime,
    };
    Some(Container {
        runtime,
        id: HostBytes::new(id),
        pod,
    })
}

/// What one part of a path names; `before` is the part before it.
fn runtime_and_id<'a>(part: &'a [u8], before: Option<&[u8]>) -> Option<(Runtime, &'a [u8])> {
    let scope = part.strip_suffix(b".scope").unwrap_or(part);
    for (prefix, runtime) in PREFIXES {
        if let Some(id) = scope.strip_prefix(prefix).filter(|id| is_id(id)) {
            return Some((runtime, id));
        }
    }
    if is_id(part) {
        let named = DIRECTORIES.iter().find(|(name, _)| Some(*name) == before);
        return Some((named.map_or(Runtime::Unknown, |(_, runtime)| *runtime), part));
    }
    if let Some(name) = part.strip_prefix(b"lxc.payload.").filter(|name| !name.is_empty()) {
        return Some((Runtime::Lxc, name));
    }
    if matches!(before, Some(b"lxc" | b"lxc.payload")) {
        return Some((Runtime::Lxc, part));
    }
    let machine = part
        .strip_prefix(b"machine-")
        .and_then(|name| name.strip_suffix(b".scope"))
        .or_else(|| {
            part.strip_prefix(b"systemd-nspawn@")
                .and_then(|name| name.strip_suffix(b".service"))
        });
    let name = machine.filter(|name| !name.is_empty() && !name.starts_with(b"qemu"))?;
    Some((Runtime::Nspawn, name))
}

/// Whether it is the id of a container: 64 hexadecimal digits.
fn is_id(text: &[u8]) -> bool {
    text.len() == 64
        && text
            .iter()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

/// The UID in `pod1234...` or `kubepods-besteffort-pod1234_..._.slice`.
fn pod(part: &[u8]) -> Option<Vec<u8>> {
    let slice = part.strip_suffix(b".slice");
    let uid = match slice {
        Some(slice) => {
            let at = slice.windows(4).rposition(|four| four == b"-pod")?;
            slice.starts_with(b"kubepods").then(|| &slice[at + 4..])?
        }
        None => part.strip_prefix(b"pod")?,
    };
    let fits = uid.len() >= 32 && uid.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b'-' | b'_'));
    // systemd takes no hyphen in the name of a slice.
    fits.then(|| uid.iter().map(|b| if *b == b'_' { b'-' } else { *b }).collect())
}

/// The unit of systemd that a cgroup path lies in, the innermost: `cron.service`, `session-3.scope`. `None` outside of any.
pub(crate) fn unit_of(path: &[u8]) -> Option<HostBytes> {
    let mut parts = path.split(|byte| *byte == b'/').rev();
    let is_unit = |part: &&[u8]| {
        [&b".service"[..], b".scope", b".mount", b".socket"]
            .iter()
            .any(|end| part.ends_with(end))
    };
    parts.find(is_unit).map(HostBytes::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "7be92808767a667f35c8505cbf40d14e931ef6db5b0210329cf193b15ba9d605";

    #[test]
    fn paths_of_each_runtime() {
        let pod = "2c48913c-b29f-11e7-9350-020968147796";
        type Row = (String, Option<(Runtime, &'static str, Option<&'static str>)>);
        let rows: [Row; 19] = [
            (format!("/docker/{ID}"), Some((Runtime::Docker, ID, None))),
            (
                format!("/system.slice/docker-{ID}.scope"),
                Some((Runtime::Docker, ID, None)),
            ),
            (
                format!("/system.slice/docker-{ID}.scope/init.scope"),
                Some((Runtime::Docker, ID, None)),
            ),
            (format!("/k8s.io/{ID}"), Some((Runtime::Containerd, ID, None))),
            (
                format!("/kubepods/besteffort/pod{pod}/{ID}"),
                Some((Runtime::Kubernetes, ID, Some(pod))),
            ),
            (
                format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice/cri-containerd-{ID}.scope",
                    pod.replace('-', "_")
                ),
                Some((Runtime::Containerd, ID, Some(pod))),
            ),
            (
                format!(
                    "/kubepods.slice/kubepods-pod{}.slice/crio-{ID}.scope/container",
                    pod.replace('-', "_")
                ),
                Some((Runtime::CriO, ID, Some(pod))),
            ),
            (
                format!("/machine.slice/libpod-{ID}.scope"),
                Some((Runtime::Podman, ID, None)),
            ),
            (
                format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container"),
                Some((Runtime::Podman, ID, None)),
            ),
            (format!("/machine.slice/libpod-conmon-{ID}.scope"), None),
            (format!("/system.slice/crio-conmon-{ID}.scope"), None),
            ("/lxc/web/init.scope".to_owned(), Some((Runtime::Lxc, "web", None))),
            (
                "/lxc.payload.web/system.slice/cron.service".to_owned(),
                Some((Runtime::Lxc, "web", None)),
            ),
            ("/lxc.monitor.web".to_owned(), None),
            (
                "/machine.slice/machine-deb.scope/payload".to_owned(),
                Some((Runtime::Nspawn, "deb", None)),
            ),
            (
                "/machine.slice/systemd-nspawn@deb.service/payload".to_owned(),
                Some((Runtime::Nspawn, "deb", None)),
            ),
            ("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope".to_owned(), None),
            ("/system.slice/docker.service".to_owned(), None),
            (
                format!("/docker/{ID}/docker/{}", ID.replace('7', "8")),
                Some((Runtime::Docker, "8", None)),
            ),
        ];
        for (path, expected) in rows {
            let told = of_cgroup(path.as_bytes());
            let Some((runtime, id, pod)) = expected else {
                assert_eq!(told, None, "{path}");
                continue;
            };
            let told = told.unwrap_or_else(|| panic!("{path}"));
            assert_eq!(told.runtime, runtime, "{path}");
            assert!(told.id.to_string().starts_with(id), "{path}: {}", told.id);
            assert_eq!(told.pod.map(|pod| pod.to_string()).as_deref(), pod, "{path}");
        }
    }

    #[test]
    fn units() {
        let rows = [
            ("/system.slice/cron.service", Some("cron.service")),
            ("/user.slice/user-0.slice/session-3.scope", Some("session-3.scope")),
            (
                "/user.slice/user-1.slice/user@1.service/app.slice/x.service",
                Some("x.service"),
            ),
            ("/system.slice/cron.service/sub", Some("cron.service")),
            ("/user.slice", None),
            ("", None),
        ];
        for (path, expected) in rows {
            assert_eq!(unit_of(path.as_bytes()), expected.map(HostBytes::from), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_panics(bytes: Vec<u8>, text in "(/(docker|lxc|kubepods|pod|machine|[-.a-f0-9_@]{0,70}|slice|scope)){0,6}") {
            for path in [&bytes[..], text.as_bytes()] {
                let _ = (of_cgroup(path), unit_of(path));
            }
        }
    }
}
