//! What sshd itself runs at our own login, before anything of ours: `/etc/ssh/sshrc`, and `~/.ssh/rc` of our accounts.
//!
//! Nothing that we send keeps it from running, and it is run again at each login. So it is said, whatever it holds; a site
//! may have one of its own. Source: sshd(8), `SSHRC`.

use std::collections::BTreeSet;

use deminer_engine::finding::{Artifact, Bearing, Finding};
use deminer_engine::host::HostView;
use deminer_engine::module::ModuleError;
use deminer_worker::query::Coverage;
use deminer_worker::text::{HostBytes, HostPath};

use crate::catalogue::Place;
use crate::questions;
use crate::starter::Starter;

/// Where it is everybody's.
const SSHRC: &str = "/etc/ssh/sshrc";

/// One finding for each file that sshd runs at our login; none where we did not come in over SSH.
pub(crate) async fn hooks(
    host: &dyn HostView,
    rows: &[Starter],
    coverage: &mut Coverage,
) -> Result<Vec<Finding>, ModuleError> {
    let hooks: Vec<&Starter> = rows.iter().filter(|row| row.place == Place::SshRc).collect();
    if hooks.is_empty() || host.arrival().is_none() {
        return Ok(Vec::new());
    }
    let facts = questions::facts(host).await?;
    coverage.unite(&facts.coverage);
    Ok(of_names(&hooks, &facts.value.own_names))
}

/// The files of these accounts, and everybody's, each once.
fn of_names(hooks: &[&Starter], names: &[HostBytes]) -> Vec<Finding> {
    let mut told = BTreeSet::new();
    let is_ours = |row: &&&Starter| *row.found_at() == HostPath::from(SSHRC) || names.contains(&row.user);
    let ours = hooks.iter().filter(is_ours);
    ours.filter(|row| told.insert(row.found_at().clone()))
        .map(|row| {
            Finding::new(
                Artifact::File { file: row.file.clone() },
                "runs_at_our_login",
                Bearing::Review,
                "sshd runs it at our login, at each one, before anything of ours",
            )
            .rests_on(&row.file.path, Some(row.file.sha256))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example_rows::starter;

    #[test]
    fn what_sshd_runs_as_we_come_in() {
        let of = |path: &str, user: &str| {
            let mut row = starter(
                Place::SshRc,
                path,
                "/usr/bin/xauth",
                "/usr/bin/xauth",
                &["/usr/bin/xauth"],
            );
            row.user = user.into();
            row
        };
        let rows = [
            of("/etc/ssh/sshrc", ""),
            of("/etc/ssh/sshrc", ""),
            of("/home/ops/.ssh/rc", "ops"),
            of("/home/shop/.ssh/rc", "shop"),
        ];
        let told = of_names(&rows.iter().collect::<Vec<_>>(), &["ops".into(), "root".into()]);
        let paths: Vec<String> = told
            .iter()
            .map(|finding| match &finding.artifact {
                Artifact::File { file } => file.path.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(paths, ["/etc/ssh/sshrc", "/home/ops/.ssh/rc"]);
    }
}
