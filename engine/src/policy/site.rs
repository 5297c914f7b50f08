//! What a site or an environment decides about every plan: one form, in a file of its own (`--policy`) or under `policy:`
//! of an environment. Of several the stricter counts; none adds power.
//!
//! ```yaml
//! approvals: {needed: 2, signers: allowed_signers}   # see deminer_engine::approval::Approvals
//! effects: contain               # what an action may do at most: preserve, contain or destroy
//! leaves: [command.read]         # what `--allow` may allow at most; left out, anything
//! protect: [/srv/shop, 192.0.2.0/24]
//! windows: [mon-fri 22:00-05:00 +02:00]              # when something may be removed
//! max_actions: 60                # on one host
//! ```

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

use deminer_worker::action::Effect;
use deminer_worker::network::Net;
use deminer_worker::text::HostPath;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::{BadWindow, Leave, Limits, Window};
use crate::approval::{Approvals, PolicyError, WrittenApprovals};

/// The keys of a policy.
pub(crate) const KEYS: [&str; 6] = ["approvals", "effects", "leaves", "protect", "windows", "max_actions"];

/// The words of `effects`.
pub(crate) const EFFECTS: [&str; 3] = ["preserve", "contain", "destroy"];

/// What a site decides about every plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SitePolicy {
    /// What it wants of approvals.
    pub approvals: Approvals,
    /// How far a plan may go, and when.
    pub limits: Limits,
    /// What may be allowed at most; `None`: anything.
    pub leaves: Option<BTreeSet<Leave>>,
    /// Paths that are never touched, with all below them.
    pub protect: Vec<HostPath>,
    /// Networks that are never blocked.
    pub spare: Vec<Net>,
}

/// As it is written; the comments of the fields are what editors show.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    /// How many people must have approved, and who may.
    approvals: Option<WrittenApprovals>,
    /// What an action may do at most.
    effects: Option<Most>,
    /// What `--allow` may allow at most; left out, anything.
    #[schemars(with = "Option<Vec<Leave>>")]
    leaves: Option<Vec<String>>,
    /// Paths that are never touched, with all below them, and networks that are never blocked: `[/srv/shop, 192.0.2.0/24]`.
    #[schemars(with = "Option<Vec<Protected>>")]
    protect: Option<Vec<String>>,
    /// When something may be removed: `[mon-fri 22:00-05:00 +02:00]`.
    #[schemars(with = "Option<Vec<Window>>", length(min = 1))]
    windows: Option<Vec<String>>,
    /// How many actions one host may have.
    max_actions: Option<u32>,
}

/// Whether a file is an environment.
#[derive(Default, Deserialize)]
struct Probed {
    environment: Option<String>,
}

/// What of an environment is its policy.
#[derive(Deserialize)]
struct OfEnvironment {
    environment: Option<String>,
    policy: Option<Written>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Most {
    /// Evidence is kept.
    Preserve,
    /// Addresses are blocked, processes are held.
    Contain,
    /// Processes are ended, files and lines are removed.
    Destroy,
}

/// The written form of what [`protected`] reads.
struct Protected;

impl JsonSchema for Protected {
    fn schema_name() -> Cow<'static, str> {
        "protected".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "pattern": "^(/|[0-9A-Fa-f:.]+(/[0-9]{1,3})?$)",
            "patternErrorMessage": "write an absolute path, or a network: `/srv/shop`, `192.0.2.0/24`",
        })
    }
}

impl SitePolicy {
    /// The first that it protects and that is not among what a plan protects, as it is written; `None` where all of it is.
    pub fn unprotected_by(&self, protect: &[HostPath], spare: &[Net]) -> Option<String> {
        let is_kept = |path: &&HostPath| protect.iter().any(|kept| path.is_below(kept));
        let path = self.protect.iter().find(|path| !is_kept(path)).map(ToString::to_string);
        path.or_else(|| {
            self.spare
                .iter()
                .find(|net| !spare.contains(net))
                .map(ToString::to_string)
        })
    }

    /// Reads a policy, or that of an environment, and the lists that it names.
    ///
    /// # Errors
    /// When one of them cannot be read, or what it says cannot hold together.
    pub fn read(file: &Path) -> Result<SitePolicy, PolicyError> {
        let name = file.display().to_string();
        let text = crate::approval::read_list(file, file)?;
        let malformed = |why: String| PolicyError::Malformed {
            policy: name.clone(),
            why,
        };
        let text = String::from_utf8(text).map_err(|_| malformed("it is not UTF-8".to_owned()))?;
        let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
        let wrong = |error: serde_saphyr::Error| malformed(error.without_snippet().to_string());
        // The policy of an environment is one too: who applies a plan names the file that it was made under.
        let probed: Probed = serde_saphyr::from_str_with_options(&text, options.clone()).unwrap_or_default();
        let written: Written = match probed.environment {
            Some(_) => {
                let of: OfEnvironment = serde_saphyr::from_str_with_options(&text, options).map_err(wrong)?;
                of.policy.unwrap_or_default()
            }
            None => serde_saphyr::from_str_with_options(&text, options).map_err(wrong)?,
        };
        if written.is_empty() {
            return Err(malformed(format!("it says nothing: there are `{}`", KEYS.join("`, `"))));
        }
        SitePolicy::of(written, file)
    }

    /// The policy of an environment of this name by its text alone, and whether it names who may sign: the lists that it names
    /// are not at hand.
    ///
    /// # Errors
    /// When it is no text of that environment, or what it says cannot hold together.
    pub(crate) fn of_environment(name: &str, text: &[u8]) -> Result<(SitePolicy, bool), String> {
        let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
        let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
        let of: OfEnvironment =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| error.without_snippet().to_string())?;
        if of.environment.as_deref() != Some(name) {
            return Err(format!("it is not that of `{}`", name.escape_debug()));
        }
        let mut written = of.policy.unwrap_or_default();
        let approvals = written.approvals.take();
        let mut policy = SitePolicy::of(written, Path::new(name)).map_err(|error| error.to_string())?;
        let lists_signers = approvals.as_ref().is_some_and(WrittenApprovals::lists_signers);
        policy.approvals = approvals.map(Approvals::unlisted).unwrap_or_default();
        Ok((policy, lists_signers))
    }

    /// Of what is written in a file; the lists that it names lie beside that.
    ///
    /// # Errors
    /// As [`SitePolicy::read`].
    pub(crate) fn of(written: Written, file: &Path) -> Result<SitePolicy, PolicyError> {
        let malformed = |why: String| PolicyError::Malformed {
            policy: file.display().to_string(),
            why,
        };
        let mut policy = SitePolicy::default();
        if let Some(approvals) = written.approvals {
            policy.approvals = Approvals::of(approvals, file)?;
        }
        if let Some(names) = written.leaves {
            let leaves: Result<_, _> = names.iter().map(|name| name.parse::<Leave>()).collect();
            policy.leaves = Some(leaves.map_err(|error| malformed(error.to_string()))?);
        }
        for named in written.protect.unwrap_or_default() {
            let (path, net) = protected(&named).map_err(malformed)?;
            policy.protect.extend(path);
            policy.spare.extend(net);
        }
        let windows: Result<Vec<Window>, BadWindow> =
            written.windows.iter().flatten().map(|text| text.parse()).collect();
        let windows = windows.map_err(|error| malformed(format!("{error}; {}", BadWindow::HINT)))?;
        if written.windows.is_some() && windows.is_empty() {
            return Err(malformed(
                "`windows` is empty: nothing could ever be removed".to_owned(),
            ));
        }
        policy.limits = Limits {
            effects: written.effects.map(|most| match most {
                Most::Preserve => Effect::Preserve,
                Most::Contain => Effect::Contain,
                Most::Destroy => Effect::Destroy,
            }),
            windows: written.windows.map(|_| windows).into_iter().collect(),
            max_actions: written.max_actions,
        };
        Ok(policy)
    }

    /// The stricter of both.
    ///
    /// # Errors
    /// When both name lists of keys, and these are not the same.
    pub fn and(self, other: SitePolicy) -> Result<SitePolicy, PolicyError> {
        let leaves = match (self.leaves, other.leaves) {
            (Some(a), Some(b)) => Some(&a & &b),
            (a, b) => a.or(b),
        };
        let mut both = SitePolicy {
            approvals: self.approvals.and(other.approvals)?,
            limits: self.limits.and(other.limits),
            leaves,
            protect: self.protect,
            spare: self.spare,
        };
        for path in other.protect {
            if !both.protect.contains(&path) {
                both.protect.push(path);
            }
        }
        for net in other.spare {
            if !both.spare.contains(&net) {
                both.spare.push(net);
            }
        }
        Ok(both)
    }

    /// Whether this may be allowed.
    pub fn may_allow(&self, leave: Leave) -> bool {
        self.leaves.as_ref().is_none_or(|leaves| leaves.contains(&leave))
    }
}

impl Written {
    fn is_empty(&self) -> bool {
        self.approvals.is_none()
            && self.effects.is_none()
            && self.leaves.is_none()
            && self.protect.is_none()
            && self.windows.is_none()
            && self.max_actions.is_none()
    }
}

/// What a word protects: a path, or a network.
///
/// # Errors
/// When it is neither.
pub fn protected(named: &str) -> Result<(Option<HostPath>, Option<Net>), String> {
    match (named.starts_with('/'), named.parse()) {
        (true, _) => Ok((Some(HostPath::from(named)), None)),
        (false, Ok(net)) => Ok((None, Some(net))),
        (false, Err(_)) => Err(format!(
            "`{}` is neither an absolute path nor a network",
            named.escape_default()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::Needed;

    fn policy(text: &str) -> Result<SitePolicy, String> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("one"), "ada ssh-ed25519 AAAA\n").expect("written");
        std::fs::write(folder.path().join("two"), "bob ssh-ed25519 AAAA\n").expect("written");
        let file = folder.path().join("policy.yml");
        std::fs::write(&file, text).expect("written");
        SitePolicy::read(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn texts() {
        let rows = [
            (
                "all",
                "effects: contain\nleaves: [command.read]\nprotect: [/srv, 192.0.2.0/24]\nmax_actions: 3",
                "",
            ),
            ("no leaves", "leaves: []", ""),
            ("a window", "windows: [mon-fri 22:00-05:00 +02:00]", ""),
            ("no effect", "effects: everything", "everything"),
            ("an effect below all", "effects: read", "read"),
            ("no leave", "leaves: [command]", "no leave is called"),
            (
                "nothing protected",
                "protect: [srv]",
                "neither an absolute path nor a network",
            ),
            ("no window", "windows: [always]", "no window"),
            ("never", "windows: []", "nothing could ever"),
            ("less than none", "max_actions: -1", "u32"),
        ];
        for (name, text, expected) in rows {
            match policy(text) {
                Ok(_) => assert_eq!(expected, "", "{name}"),
                Err(said) => assert!(!expected.is_empty() && said.contains(expected), "{name}: {said}"),
            }
        }
    }

    #[test]
    fn an_environment_is_read_for_its_policy() {
        let text = "environment: prod\nvars: {watch: 20m}\npolicy: {effects: contain, protect: [/srv]}";
        let read = policy(text).expect("a policy");
        assert_eq!(read, policy("effects: contain\nprotect: [/srv]").expect("a policy"));
        assert!(policy("environment: prod\nvars: {watch: 20m}").is_err_and(|why| why.contains("it says nothing")));
        assert!(policy("environment: prod\npolicy: {effect: contain}").is_err());
    }

    #[test]
    fn the_stricter_counts() {
        let a = policy("leaves: [command.read, command.run]\nprotect: [/srv]\neffects: destroy").expect("a policy");
        let b = policy("leaves: [command.read]\nprotect: [/srv, /opt]\neffects: contain").expect("a policy");
        let both = a.and(b).expect("they hold together");
        assert!(both.may_allow(Leave::CommandRead) && !both.may_allow(Leave::CommandRun));
        assert_eq!(both.protect, [HostPath::from("/srv"), HostPath::from("/opt")]);
        assert_eq!(both.limits.effects, Some(Effect::Contain));
        let two = policy("approvals: {needed: 2, signers: one}").expect("a policy");
        let one = policy("approvals: {signers: one}").expect("a policy");
        let other = policy("approvals: {signers: two}").expect("a policy");
        let stated = one
            .clone()
            .and(two)
            .expect("they hold together")
            .approvals
            .stated()
            .expect("more than nothing");
        assert_eq!((stated.needed, stated.unsigned), (Needed::all(2), false));
        assert!(one.and(other).is_err(), "nobody could tell who may sign");
    }
}
