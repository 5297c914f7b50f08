//! What a site wants of approvals: how many people, who, and what is taken back. A part of
//! [`SitePolicy`](crate::policy::SitePolicy); where there is none, one yes does, signed or not.
//!
//! ```yaml
//! approvals:
//!   needed: {contain: 1, destroy: 2}   # so many different people, by effect; one number is for all
//!   signers: allowed_signers           # ssh-keygen(1), ALLOWED SIGNERS
//!   revoked: revoked_keys              # ssh-keygen(1), KEY REVOCATION LISTS, or a public key a line
//!   revoked_approvals: withdrawn       # the sha256 of an approval file a line
//!   unsigned: false                    # whether --approve and a typed yes do
//! ```

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use deminer_worker::text::Digest;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Needed, SignedError};

/// The most people that a policy may ask for.
pub(super) const MOST_NEEDED: u32 = 16;

/// The bytes of a policy, and of each list that it names.
const BYTES: u64 = 16 << 20;

/// What a plan needs before it is applied, as its header states it and its reviewers read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// So many different people must have signed for an action.
    pub needed: Needed,
    /// Whether the unsigned yes of whoever applies the plan does.
    pub unsigned: bool,
    /// The digest of the list of allowed signers; `None` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signers: Option<Digest>,
}

impl Default for Requirement {
    fn default() -> Self {
        Self {
            needed: Needed::all(1),
            unsigned: true,
            signers: None,
        }
    }
}

/// A list of keys, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyList {
    /// Where it was read.
    pub path: PathBuf,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// What a site wants of approvals, with the lists that say who may give them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approvals {
    requirement: Requirement,
    signers: Option<KeyList>,
    revoked: Option<KeyList>,
    withdrawn: BTreeSet<Digest>,
}

/// Why a policy is none.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file, or a list that it names, cannot be read.
    #[error("the policy {policy}: cannot read {path}")]
    Unreadable {
        /// The policy.
        policy: String,
        /// Which file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It is not in the form.
    #[error("the policy {policy}: {why}")]
    Malformed {
        /// The policy.
        policy: String,
        /// What is wrong.
        why: String,
    },
    /// What it says cannot hold together.
    #[error("the policy {policy}: {why}")]
    Contradiction {
        /// The policy.
        policy: String,
        /// What does not.
        why: &'static str,
    },
}

impl PolicyError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            PolicyError::Unreadable { .. } => {
                "paths in a policy begin where the policy lies; a list of signers has a line `NAME KEY` for each person, as \
                 ssh-keygen(1), ALLOWED SIGNERS, has it"
            }
            PolicyError::Malformed { .. } => {
                "as in `approvals: {needed: 2, signers: allowed_signers, revoked: revoked_keys, unsigned: false}`, \
                 `effects: contain`, `protect: [/srv/shop, 192.0.2.0/24]`, `windows: [mon-fri 22:00-05:00 +02:00]`"
            }
            PolicyError::Contradiction { .. } => "correct the policy: nothing could be approved by it as it is meant",
        };
        Some(hint.to_owned())
    }
}

/// The keys of [`WrittenApprovals`].
pub(crate) const APPROVAL_KEYS: [&str; 5] = ["needed", "signers", "revoked", "revoked_approvals", "unsigned"];

/// As it is written; the comments of the fields are what editors show.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = signed_by_whom)]
pub(crate) struct WrittenApprovals {
    /// So many different people must have signed: a number, or `{contain: 1, destroy: 2}`.
    #[serde(default = "one")]
    needed: Needed,
    /// The list of who may sign, of ssh-keygen(1), ALLOWED SIGNERS; beside this file.
    signers: Option<PathBuf>,
    /// Keys that count no more, of ssh-keygen(1), KEY REVOCATION LISTS, or a public key a line; beside this file.
    revoked: Option<PathBuf>,
    /// Approvals that were taken back: the sha256 of an approval file a line; beside this file.
    revoked_approvals: Option<PathBuf>,
    /// Whether the unsigned yes of whoever applies the plan does.
    #[serde(default)]
    unsigned: bool,
}

/// What [`Approvals::of`] asks of `unsigned` and the others together.
fn signed_by_whom(schema: &mut Schema) {
    let unsigned = json!({"required": ["unsigned"], "properties": {"unsigned": {"const": true}}});
    let one = json!({"not": {"type": "integer", "minimum": 2}});
    let by_effect = json!({"additionalProperties": one, "allOf": [one]});
    let listed = json!({"required": ["signers"], "properties": {"signers": {"type": "string"}}});
    schema.insert("if".to_owned(), unsigned);
    schema.insert("then".to_owned(), json!({"properties": {"needed": by_effect}}));
    schema.insert("else".to_owned(), listed);
}

impl WrittenApprovals {
    /// Whether it names a list of who may sign.
    pub(crate) fn lists_signers(&self) -> bool {
        self.signers.is_some()
    }
}

fn one() -> Needed {
    Needed::all(1)
}

impl Approvals {
    /// Of what is written in a file; the lists that it names lie beside that.
    ///
    /// # Errors
    /// When one of them cannot be read, or what it says cannot hold together.
    pub(crate) fn of(approvals: WrittenApprovals, file: &Path) -> Result<Approvals, PolicyError> {
        let policy = file.display().to_string();
        let malformed = |why: String| PolicyError::Malformed {
            policy: policy.clone(),
            why,
        };
        let contradiction = |why| PolicyError::Contradiction {
            policy: policy.clone(),
            why,
        };
        let needed = approvals.needed;
        if needed.least() < 1 || needed.most() > MOST_NEEDED {
            return Err(contradiction("`needed` is 1 to 16"));
        }
        if !needed.rises() {
            return Err(contradiction(
                "`needed`: who destroys also contains and keeps, so `destroy` needs no fewer people than `contain`, and \
                 that no fewer than `preserve`",
            ));
        }
        if approvals.unsigned && needed.most() > 1 {
            return Err(contradiction(
                "`unsigned: true` lets one person alone, and `needed` asks for more",
            ));
        }
        if !approvals.unsigned && approvals.signers.is_none() {
            return Err(contradiction(
                "a signature is needed, and `signers` names no list of who may sign",
            ));
        }
        let listed = |path: &Option<PathBuf>| -> Result<Option<KeyList>, PolicyError> {
            let Some(path) = path else { return Ok(None) };
            let path = file.parent().unwrap_or(Path::new(".")).join(path);
            let bytes = read_list(file, &path)?;
            Ok(Some(KeyList { path, bytes }))
        };
        let signers = listed(&approvals.signers)?;
        let withdrawn = match listed(&approvals.revoked_approvals)? {
            Some(list) => withdrawn(&list.bytes)
                .map_err(|line| malformed(format!("{}: line {line} is no sha256", list.path.display())))?,
            None => BTreeSet::new(),
        };
        Ok(Approvals {
            requirement: Requirement {
                needed,
                unsigned: approvals.unsigned,
                signers: signers.as_ref().map(KeyList::digest),
            },
            revoked: listed(&approvals.revoked)?,
            signers,
            withdrawn,
        })
    }

    /// Of what is written where the lists that it names are not at hand.
    pub(crate) fn unlisted(written: WrittenApprovals) -> Approvals {
        Approvals {
            requirement: Requirement {
                needed: written.needed,
                unsigned: written.unsigned,
                signers: None,
            },
            ..Approvals::default()
        }
    }

    /// The stricter of both.
    ///
    /// # Errors
    /// When both name lists of keys, and these are not the same.
    pub fn and(self, other: Approvals) -> Result<Approvals, PolicyError> {
        let contradiction = |why| PolicyError::Contradiction {
            policy: "two policies together".to_owned(),
            why,
        };
        let same = |a: Option<KeyList>, b: Option<KeyList>, why: &'static str| match (a, b) {
            (Some(a), Some(b)) if a.bytes != b.bytes => Err(contradiction(why)),
            (a, b) => Ok(a.or(b)),
        };
        let mut requirement = self.over(&other.requirement);
        let signers = same(self.signers, other.signers, "they name different `signers`")?;
        let revoked = same(
            self.revoked,
            other.revoked,
            "they name different lists of `revoked` keys",
        )?;
        requirement.signers = signers.as_ref().map(KeyList::digest);
        Ok(Approvals {
            requirement,
            signers,
            revoked,
            withdrawn: &self.withdrawn | &other.withdrawn,
        })
    }

    /// The same with a list of signers, where it names none.
    #[must_use]
    pub fn or_signers(mut self, list: Option<KeyList>) -> Approvals {
        if self.signers.is_none() {
            self.requirement.signers = list.as_ref().map(KeyList::digest);
            self.signers = list;
        }
        self
    }

    /// What a plan that is made now states; `None` where anything does.
    pub fn stated(&self) -> Option<Requirement> {
        (self.requirement != Requirement::default()).then(|| self.requirement.clone())
    }

    /// The stricter of what a plan states and what is wanted here.
    pub fn over(&self, plan: &Requirement) -> Requirement {
        let needed = plan.needed.or_more(self.requirement.needed).or_more(Needed::all(1));
        Requirement {
            needed,
            unsigned: plan.unsigned && self.requirement.unsigned && needed.most() == 1,
            signers: plan.signers.or(self.requirement.signers),
        }
    }

    /// The list of who may sign for this plan.
    ///
    /// # Errors
    /// When there is none, or the plan was made under another.
    pub fn signers(&self, plan: &Requirement) -> Result<&KeyList, SignedError> {
        let list = self.signers.as_ref().ok_or(SignedError::NoSigners)?;
        match plan.signers {
            Some(stated) if stated != list.digest() => Err(SignedError::OtherSigners {
                path: list.path.display().to_string(),
                found: list.digest(),
                stated,
            }),
            _ => Ok(list),
        }
    }

    /// The list of who may sign, whatever a plan says.
    pub fn listed(&self) -> Option<&KeyList> {
        self.signers.as_ref()
    }

    /// The keys that count no more.
    pub fn revoked(&self) -> Option<&KeyList> {
        self.revoked.as_ref()
    }

    /// Whether the approval file with this sha256 was taken back.
    pub fn is_withdrawn(&self, sha256: Digest) -> bool {
        self.withdrawn.contains(&sha256)
    }
}

impl KeyList {
    /// The digest of its bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

/// The bytes of a policy, or of a list that it names.
///
/// # Errors
/// When they cannot be read, or are too many.
pub(crate) fn read_list(policy: &Path, path: &Path) -> Result<Vec<u8>, PolicyError> {
    let unreadable = |source| PolicyError::Unreadable {
        policy: policy.display().to_string(),
        path: path.display().to_string(),
        source,
    };
    let bytes = super::bounded(path, BYTES).map_err(unreadable)?;
    bytes.ok_or_else(|| unreadable(io::ErrorKind::FileTooLarge.into()))
}

/// The digests of a list, one a line, as `sha256sum` writes them; the number of the first line that is none otherwise.
fn withdrawn(list: &[u8]) -> Result<BTreeSet<Digest>, usize> {
    let mut digests = BTreeSet::new();
    for (line, number) in list.split(|byte| *byte == b'\n').zip(1_usize..) {
        let line = std::str::from_utf8(line).map_err(|_| number)?.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let word = line.split_ascii_whitespace().next().unwrap_or_default();
        digests.insert(word.parse().map_err(|_| number)?);
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::SitePolicy;

    fn policy(text: &str) -> Result<Approvals, PolicyError> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("signers"), "ada ssh-ed25519 AAAA\n").expect("written");
        std::fs::write(
            folder.path().join("gone"),
            format!("# two\n{}  a.json\n\n", Digest::of(b"a")),
        )
        .expect("written");
        std::fs::write(folder.path().join("odd"), "\nnone\n").expect("written");
        let file = folder.path().join("policy.yml");
        std::fs::write(&file, text).expect("written");
        SitePolicy::read(&file).map(|policy| policy.approvals)
    }

    #[test]
    fn texts() {
        let rows = [
            ("unsigned", "approvals: {unsigned: true}", ""),
            ("signers", "approvals: {signers: signers}", ""),
            (
                "all",
                "approvals:\n  needed: 2\n  signers: signers\n  revoked: signers\n  revoked_approvals: gone\n  unsigned: false\n",
                "",
            ),
            ("nothing", "", "it says nothing"),
            ("no approvals", "{}", "approvals"),
            ("no map", "approvals: 2", "2"),
            ("an unknown key", "approvals: {signers: signers, quorum: 2}", "quorum"),
            ("an unknown part", "approvals: {unsigned: true}\nplans: {}", "plans"),
            (
                "a key twice",
                "approvals: {signers: signers, signers: odd}",
                "duplicate",
            ),
            ("none needed", "approvals: {needed: 0, signers: signers}", "1 to 16"),
            (
                "more for what destroys",
                "approvals: {needed: {destroy: 2}, signers: signers}",
                "",
            ),
            (
                "no such effect",
                "approvals: {needed: {kill: 2}, signers: signers}",
                "kill",
            ),
            (
                "less for what destroys",
                "approvals: {needed: {contain: 2}, signers: signers}",
                "no fewer",
            ),
            (
                "two to destroy and nobody",
                "approvals: {needed: {destroy: 2}, signers: signers, unsigned: true}",
                "asks for more",
            ),
            ("a crowd", "approvals: {needed: 17, signers: signers}", "1 to 16"),
            ("less than none", "approvals: {needed: -1, signers: signers}", "people"),
            (
                "two and nobody",
                "approvals: {needed: 2, signers: signers, unsigned: true}",
                "asks for more",
            ),
            ("nobody may sign", "approvals: {needed: 1}", "names no list"),
            ("no such list", "approvals: {signers: others}", "others"),
            (
                "no such revocations",
                "approvals: {signers: signers, revoked: others}",
                "others",
            ),
            (
                "no digest",
                "approvals: {signers: signers, revoked_approvals: odd}",
                "line 2",
            ),
            ("no truth", "approvals: {signers: signers, unsigned: maybe}", "boolean"),
        ];
        for (name, text, expected) in rows {
            match policy(text) {
                Ok(_) => assert_eq!(expected, "", "{name}"),
                Err(error) => {
                    let said = match std::error::Error::source(&error) {
                        Some(source) => format!("{error}: {source}"),
                        None => error.to_string(),
                    };
                    assert!(!expected.is_empty() && said.contains(expected), "{name}: {said}");
                    assert!(error.hint().is_some(), "{name}");
                }
            }
        }
    }

    #[test]
    fn the_stricter_counts() {
        let of = |needed, unsigned| Requirement {
            needed: Needed::all(needed),
            unsigned,
            signers: None,
        };
        let rows = [
            (of(1, true), of(1, true), of(1, true)),
            (of(1, true), of(1, false), of(1, false)),
            (of(1, false), of(1, true), of(1, false)),
            (of(2, false), of(1, true), of(2, false)),
            (of(1, true), of(3, false), of(3, false)),
            // Not as a policy is written, but a plan's header is anybody's text.
            (of(2, true), of(1, true), of(2, false)),
            (of(0, true), of(1, true), of(1, true)),
        ];
        for (plan, own, expected) in rows {
            let approvals = Approvals {
                requirement: own.clone(),
                ..Approvals::default()
            };
            assert_eq!(approvals.over(&plan), expected, "{plan:?} and {own:?}");
        }
        assert_eq!(Approvals::default().stated(), None);
        let two = policy("approvals: {needed: 2, signers: signers}").expect("a policy");
        let stated = two.stated().expect("it says more than nothing");
        assert_eq!((stated.needed, stated.unsigned), (Needed::all(2), false));
        assert!(two.signers(&stated).is_ok());
        let other = Requirement {
            signers: Some(Digest::of(b"another")),
            ..stated
        };
        assert!(matches!(two.signers(&other), Err(SignedError::OtherSigners { .. })));
        assert!(matches!(
            Approvals::default().signers(&other),
            Err(SignedError::NoSigners)
        ));
    }

    #[test]
    fn digests_that_were_taken_back() {
        let approvals = policy("approvals: {signers: signers, revoked_approvals: gone}").expect("a policy");
        assert!(approvals.is_withdrawn(Digest::of(b"a")));
        assert!(!approvals.is_withdrawn(Digest::of(b"b")));
    }
}
