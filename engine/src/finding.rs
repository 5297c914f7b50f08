//! What modules state about a host, and what hangs on it.

use std::collections::BTreeMap;
use std::fmt;

use deminer_worker::action::{
    AccountTarget, FileTarget, LineTarget, LinkTarget, ProcessTarget, ServiceManager, StarterKind,
};
use deminer_worker::query::Peer;
use deminer_worker::text::{Digest, HostBytes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a finding on its host: `f` and eight hexadecimal digits of what it states about what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct FindingId(String);

impl FindingId {
    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The field of a finding that names a way in of the intruder: an account's name, a key's or a rule's fingerprint. What
/// carries it and is neither harmless nor only a weight stands open until it is removed.
pub const DOOR: &str = "door";

/// A module's statement about one object of one host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Its name.
    pub id: FindingId,
    /// What it is about.
    pub artifact: Artifact,
    /// The code of what was recognised: `xmrig_options`, `deleted_executable`, `starts_condemned`, ...
    pub signal: String,
    /// What it means for the object.
    pub bearing: Bearing,
    /// Points for (positive) or against (negative) the object being a miner; 0 where it is no weight.
    pub points: i32,
    /// The sentence for people, with `{field}` where a field goes; what a host said stands in fields only.
    pub say: String,
    /// The fields of the sentence, escaped.
    pub fields: BTreeMap<String, String>,
    /// Where the rule stands, as `file:line`; `None` where the code itself is the rule.
    pub rule: Option<String>,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
}

/// What a finding rests on: what was read, when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// What was read: `/proc/4242/cmdline`, `/var/spool/cron/crontabs/deploy`.
    pub source: String,
    /// Of what was read, where it has one.
    pub sha256: Option<Digest>,
}

/// What a finding means for its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bearing {
    /// Speaks for the object being harmless.
    Benign,
    /// Speaks of the object, alone it decides nothing.
    Weighs,
    /// A person should look; nothing is proposed on it.
    Review,
    /// The object belongs to the intruder: an action may rest on it.
    Condemns,
    /// In `verify`: the object, or another of its kind, is there again.
    Returned,
    /// In `verify`: nothing was there for the whole window. Fields `window_ms` and `covered_ms`.
    Quiet,
}

/// A thing of the intruder on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "artifact", rename_all = "snake_case")]
pub enum Artifact {
    /// The host itself.
    Host {},
    /// A process.
    Process {
        /// Which.
        process: ProcessTarget,
    },
    /// A file.
    File {
        /// Which.
        file: FileTarget,
    },
    /// A line of a text file.
    Line {
        /// The file.
        file: FileTarget,
        /// The line.
        line: LineTarget,
    },
    /// A symbolic link that starts something.
    Link {
        /// Which.
        link: LinkTarget,
    },
    /// A unit of a service manager.
    Unit {
        /// Which.
        unit: UnitTarget,
    },
    /// An account.
    Account {
        /// Which.
        account: AccountTarget,
    },
    /// The other end of a connection.
    Remote {
        /// Which.
        peer: Peer,
    },
}

/// A unit with all that makes it: what goes when it is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitTarget {
    /// Whose unit it is.
    pub manager: ServiceManager,
    /// Its full name: `sysd.service`.
    pub name: HostBytes,
    /// Its files: of its own, drop-ins, generators that make it.
    pub files: Vec<UnitFile>,
    /// The links that enable it or give it other names.
    pub links: Vec<LinkTarget>,
}

/// One file of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitFile {
    /// The file.
    pub file: FileTarget,
    /// What it is to the unit.
    pub starter: StarterKind,
}

impl Artifact {
    /// What tells it from every other on the host.
    pub fn key(&self) -> String {
        match self {
            Artifact::Host {} => "host".to_owned(),
            Artifact::Process { process } => format!("process {} {}", process.pid, process.start_ticks),
            Artifact::File { file } => format!("file {} {} {}", file.id.dev, file.id.inode, file.path),
            Artifact::Line { file, line } => format!("line {} {} {}", file.path, line.number, line.line),
            Artifact::Link { link } => format!("link {} {} {}", link.id.dev, link.id.inode, link.path),
            Artifact::Unit { unit } => format!("unit {} {}", unit.manager, unit.name),
            Artifact::Account { account } => format!("account {} {}", account.uid, account.name),
            Artifact::Remote { peer } => format!("remote {} {}", peer.address, peer.port),
        }
    }
}

impl Finding {
    /// A statement with its name; points, rule and evidence are added with the methods below.
    pub fn new(artifact: Artifact, signal: &str, bearing: Bearing, say: &str) -> Finding {
        let digest = Digest::of(format!("{}\n{signal}\n{bearing:?}", artifact.key()).as_bytes());
        Finding {
            id: FindingId(format!("f{}", &digest.to_string()[..8])),
            artifact,
            signal: signal.to_owned(),
            bearing,
            points: 0,
            say: say.to_owned(),
            fields: BTreeMap::new(),
            rule: None,
            evidence: Vec::new(),
        }
    }

    /// With a field of its sentence. Bytes from a host are given as their written form.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.fields.insert(name.to_owned(), value.to_string());
        self
    }

    /// With a weight.
    #[must_use]
    pub fn weighs(mut self, points: i32) -> Self {
        self.points = points;
        self
    }

    /// With the place of its rule.
    #[must_use]
    pub fn by_rule(mut self, rule: impl Into<String>) -> Self {
        self.rule = Some(rule.into());
        self
    }

    /// With what it rests on.
    #[must_use]
    pub fn rests_on(mut self, source: impl fmt::Display, sha256: Option<Digest>) -> Self {
        self.evidence.push(Evidence {
            source: source.to_string(),
            sha256,
        });
        self
    }

    /// The sentence, its fields filled in.
    pub fn sentence(&self) -> String {
        self.fields.iter().fold(self.say.clone(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), value)
        })
    }
}

/// Findings that belong together: a miner, its guardian, their persistence and files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Component {
    /// Its number on the host, from 1.
    pub id: u32,
    /// What is condemned, each with the findings that condemn it.
    pub condemned: Vec<Condemned>,
    /// What a person should look at; nothing is proposed for it.
    pub review: Vec<Condemned>,
    /// Remote ends that its processes talked to.
    pub remotes: Vec<Peer>,
}

/// An artifact with the findings that speak of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Condemned {
    /// The component it belongs to.
    pub component: u32,
    /// What it is.
    pub artifact: Artifact,
    /// Why, by finding; never empty.
    pub because: Vec<FindingId>,
}

/// What a host is, by what its kernel showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HostVerdict {
    /// No process is a miner or suspect, and nothing that could hide one was unseen.
    Clean,
    /// Not enough was seen for a word.
    CannotSay,
    /// A process may be one.
    Suspected,
    /// A process is one.
    Infected,
}

/// What an analyzer says of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The word.
    pub host: HostVerdict,
    /// The findings it rests on.
    pub because: Vec<FindingId>,
}

impl fmt::Display for HostVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HostVerdict::Clean => "clean",
            HostVerdict::CannotSay => "cannot_say",
            HostVerdict::Suspected => "suspected",
            HostVerdict::Infected => "infected",
        })
    }
}
