//! What may start a condemned process's container again once it has ended.
//!
//! The runtime, or who gives it orders, keeps that for itself; of Docker it stands in the container's `hostconfig.json`,
//! which is read as it lies there: the runtime is not asked. It is a person who stops or removes a container. Source:
//! docker-run(1), `--restart`; Kubernetes, `restartPolicy`.

use std::collections::BTreeMap;

use deminer_engine::finding::{Artifact, Bearing, Finding};
use deminer_engine::module::ModuleError;
use deminer_worker::action::ProcessTarget;
use deminer_worker::text::HostPath;
use serde::Deserialize;

use super::look::Look;
use crate::container::{Container, Runtime, of_cgroup};
use crate::saying::said;

/// Where Docker keeps a directory for each container.
const DOCKER: &str = "/var/lib/docker/containers";

/// The parts of `hostconfig.json` that are read here.
#[derive(Debug, Deserialize)]
struct HostConfig {
    #[serde(rename = "RestartPolicy")]
    restart: Option<RestartPolicy>,
}

#[derive(Debug, Deserialize)]
struct RestartPolicy {
    #[serde(rename = "Name")]
    name: Option<String>,
}

/// What is known of a container's restart policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Policy {
    /// Its runtime does not start it again by itself.
    Never,
    /// Its runtime does, by this policy.
    Restarts(String),
    /// Nobody can say from here.
    Unknown,
}

impl Policy {
    pub(super) fn parse(content: &[u8]) -> Policy {
        let Ok(config) = serde_json::from_slice::<HostConfig>(content) else {
            return Policy::Unknown;
        };
        match config.restart.and_then(|policy| policy.name).as_deref() {
            None | Some("" | "no") => Policy::Never,
            Some(name) => Policy::Restarts(name.to_owned()),
        }
    }
}

/// One finding for each container in which condemned processes live and that may be started again.
pub(super) async fn of(condemned: Vec<ProcessTarget>, look: &mut Look<'_>) -> Result<Vec<Finding>, ModuleError> {
    let mut containers: BTreeMap<Container, ProcessTarget> = BTreeMap::new();
    for target in condemned {
        let process = look.processes.get(&target.pid);
        let process = process.filter(|process| process.start_ticks == target.start_ticks);
        if let Some(container) = process.and_then(|process| of_cgroup(process.cgroup.as_bytes())) {
            containers.entry(container).or_insert(target);
        }
    }
    let mut findings = Vec::new();
    for (container, target) in containers {
        let policy = match (container.runtime, &container.pod) {
            // Who starts these again is a unit, or nobody.
            (Runtime::Lxc | Runtime::Nspawn | Runtime::Namespaces, _) => continue,
            (Runtime::Docker | Runtime::Unknown, None) => docker(&container, look).await?,
            _ => Policy::Unknown,
        };
        findings.extend(finding(&container, target, &policy));
    }
    Ok(findings)
}

async fn docker(container: &Container, look: &mut Look<'_>) -> Result<Policy, ModuleError> {
    let directory = HostPath::from(DOCKER).join(container.id.as_bytes());
    let text = look.text(&directory.join(b"hostconfig.json")).await?;
    Ok(text.map_or(Policy::Unknown, |text| Policy::parse(text.content.as_bytes())))
}

fn finding(container: &Container, process: ProcessTarget, policy: &Policy) -> Option<Finding> {
    let (say, name) = match policy {
        Policy::Never => return None,
        Policy::Restarts(name) => (
            "it lives in container {container}, whose restart policy is `{policy}`: when it is killed, the container may be \
             started again, and the miner with it; a person stops the container",
            name.as_str(),
        ),
        Policy::Unknown if container.pod.is_some() => (
            "it lives in container {container} of a Kubernetes pod, which is started again as the pod's restart policy says: \
             the miner may come back with it; a person removes what made the pod",
            "",
        ),
        Policy::Unknown => (
            "it lives in container {container}, whose restart policy could not be read: the container may be started again, \
             and the miner with it; a person asks its runtime",
            "",
        ),
    };
    let finding = Finding::new(
        Artifact::Process { process },
        "container_restarts",
        Bearing::Review,
        say,
    )
    .field("container", said(container.id.as_bytes()));
    Some(match name {
        "" => finding,
        name => finding.field("policy", said(name.as_bytes())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn policies() {
        let rows = [
            (
                r#"{"RestartPolicy":{"Name":"no","MaximumRetryCount":0}}"#,
                Policy::Never,
            ),
            (r#"{"RestartPolicy":{"Name":""}}"#, Policy::Never),
            (r#"{"Binds":null}"#, Policy::Never),
            (
                r#"{"RestartPolicy":{"Name":"unless-stopped"}}"#,
                Policy::Restarts("unless-stopped".to_owned()),
            ),
            (r#"{"RestartPolicy":{"Name":7}}"#, Policy::Unknown),
            ("", Policy::Unknown),
        ];
        for (content, expected) in rows {
            assert_eq!(Policy::parse(content.as_bytes()), expected, "{content}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Policy::parse(&bytes);
        }
    }
}
