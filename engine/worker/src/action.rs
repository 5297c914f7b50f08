//! Everything that may be changed on a host: a closed set.
//!
//! An [`Action`] names its target by identity: a process by boot, pid, start time and executable; a file by where it was
//! seen, device, inode, size, ctime and content. No act takes a name, a glob or a bare pid.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::network::Net;
use crate::text::{Digest, HostBytes};

mod done;
mod id;
mod starter;
mod target;

pub use done::{Arming, Done, Undo};
pub use id::ActionId;
pub use starter::{ServiceManager, StarterKind, Syntax};
pub use target::{
    AccountTarget, FileTarget, LineTarget, LinkTarget, Object, ProcessTarget, Role, Scheduling, ThreadScheduling,
};

/// What a module or an action can do to a host, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Looks at a host.
    Read,
    /// Looks at findings, at no host.
    Judge,
    /// Takes a copy away as evidence.
    Preserve,
    /// Holds something still; taken back at once.
    Contain,
    /// Changes or ends something.
    Destroy,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Effect::Read => "read",
            Effect::Judge => "judge",
            Effect::Preserve => "preserve",
            Effect::Contain => "contain",
            Effect::Destroy => "destroy",
        })
    }
}

/// One change, or one copy to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// Its name; equal proposals have equal names.
    pub id: ActionId,
    /// The component it belongs to: drift in one component leaves the others alone.
    pub component: u32,
    /// What is done, to what.
    pub act: Act,
    /// The findings that justify it, by id, sorted; never empty.
    pub because: Vec<String>,
    /// The actions that must be done before it, by id, sorted.
    pub needs: Vec<ActionId>,
}

/// What is done, to what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Keeps a copy in the vault.
    Keep {
        /// Of what.
        object: Object,
    },
    /// Stops a process, to be thawed or killed.
    Freeze {
        /// Which.
        process: ProcessTarget,
    },
    /// Ends a process.
    Kill {
        /// Which.
        process: ProcessTarget,
    },
    /// Unlinks one name of a file.
    RemoveFile {
        /// Which.
        file: FileTarget,
    },
    /// Takes lines out of a text file; every other byte stays, and so do owner, mode, attributes and flags.
    EditLines {
        /// Which file; its inode may have changed since, its condemned lines may not.
        file: FileTarget,
        /// The lines, in the file's order.
        remove: Vec<LineTarget>,
        /// What the text must still be without them; `None` where any text will do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        syntax: Option<Syntax>,
    },
    /// Clears inode flags (immutable, append-only) of one file.
    ClearFlags {
        /// Which file.
        file: FileTarget,
        /// The bits of `FS_IOC_SETFLAGS` to clear.
        flags: u32,
    },
    /// Unlinks one name of a file that starts or loads something; before anything is killed.
    RemoveStarter {
        /// Which.
        file: FileTarget,
        /// What it is to whatever starts it.
        starter: StarterKind,
    },
    /// Unlinks one symbolic link that starts something; what it points to stays.
    RemoveLink {
        /// Which.
        link: LinkTarget,
    },
    /// Makes a service manager read its units anew, and looks that these are gone. Stops and starts nothing.
    ReloadUnits {
        /// Which manager.
        manager: ServiceManager,
        /// The units that must be gone, by name, sorted; none where only an addition to a unit was removed.
        units: Vec<HostBytes>,
    },
    /// Lets nobody log in to an account: its password fits no more and it is expired (shadow(5)).
    LockAccount {
        /// Which.
        account: AccountTarget,
    },
    /// Drops all packets from and to an address, in a table of our own, until the kernel's clock ends it.
    BlockAddress {
        /// A numeric IPv4 or IPv6 address; an IPv4 address inside IPv6 is written as IPv4.
        address: String,
        /// For so many seconds.
        for_s: u32,
    },
    /// Drops all packets but those of our own session, of new logins from its client, of loopback and of what keeps the
    /// host's address, in a table of our own, until the kernel's clock ends it.
    Isolate {
        /// For so many seconds.
        for_s: u32,
        /// Networks that stay reachable, both ways.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        keep: Vec<Net>,
    },
    /// Leaves a process next to no CPU time; it goes on to run.
    Throttle {
        /// Which.
        process: ProcessTarget,
    },
    /// Runs a program of the host with exactly these arguments: the reviewed way out for what has no kind of its own.
    RunArgv {
        /// The program: its file, not what leads to it; no script and no shell ([`crate::argv::fault`]).
        program: Box<FileTarget>,
        /// Its arguments, its own name first.
        argv: Vec<HostBytes>,
        /// It is ended after so many milliseconds.
        timeout_ms: u64,
        /// The arguments that take it back, for the same program; `None` where there is no way back.
        undo: Option<Vec<HostBytes>>,
    },
}

impl Act {
    /// What it can do to a host.
    pub fn effect(&self) -> Effect {
        match self {
            Act::Keep { .. } => Effect::Preserve,
            Act::Freeze { .. } | Act::Throttle { .. } | Act::BlockAddress { .. } | Act::Isolate { .. } => {
                Effect::Contain
            }
            Act::Kill { .. }
            | Act::RemoveFile { .. }
            | Act::EditLines { .. }
            | Act::ClearFlags { .. }
            | Act::RemoveStarter { .. }
            | Act::RemoveLink { .. }
            | Act::ReloadUnits { .. }
            | Act::LockAccount { .. }
            | Act::RunArgv { .. } => Effect::Destroy,
        }
    }

    /// Whether people count it as a change: a copy changes nothing, and what is frozen only serves the kill.
    pub fn is_change(&self) -> bool {
        !matches!(self, Act::Keep { .. } | Act::Freeze { .. })
    }

    /// Whether it holds back packets, in a table that ends by itself.
    pub fn is_of_network(&self) -> bool {
        matches!(self, Act::BlockAddress { .. } | Act::Isolate { .. })
    }

    /// The table of ours that it makes, as nft(8) names it, and the seconds after which that holds nothing back any more.
    pub fn table(&self) -> Option<(&'static str, u32)> {
        match self {
            Act::BlockAddress { for_s, .. } => Some(("inet deminer", *for_s)),
            Act::Isolate { for_s, .. } => Some(("inet deminer_isolation", *for_s)),
            _ => None,
        }
    }

    /// The names of all kinds, as [`Self::kind`] gives them.
    pub const KINDS: [&'static str; 15] = [
        "keep",
        "freeze",
        "kill",
        "remove_file",
        "edit_lines",
        "clear_flags",
        "remove_unit",
        "remove_starter",
        "remove_link",
        "reload_units",
        "lock_account",
        "block_address",
        "isolate",
        "throttle",
        "run_argv",
    ];

    /// The name of its kind, as in the plan.
    pub fn kind(&self) -> &'static str {
        match self {
            Act::Keep { .. } => "keep",
            Act::Freeze { .. } => "freeze",
            Act::Kill { .. } => "kill",
            Act::RemoveFile { .. } => "remove_file",
            Act::EditLines { .. } => "edit_lines",
            Act::ClearFlags { .. } => "clear_flags",
            Act::RemoveStarter { starter, .. } if starter.is_of_a_unit() => "remove_unit",
            Act::RemoveStarter { .. } => "remove_starter",
            Act::RemoveLink { .. } => "remove_link",
            Act::ReloadUnits { .. } => "reload_units",
            Act::LockAccount { .. } => "lock_account",
            Act::BlockAddress { .. } => "block_address",
            Act::Isolate { .. } => "isolate",
            Act::Throttle { .. } => "throttle",
            Act::RunArgv { .. } => "run_argv",
        }
    }

    /// The identity of its target, for its id: the object, not what is known of it.
    fn target_key(&self) -> String {
        let process = |p: &ProcessTarget| format!("process {} {} {}", p.boot_id, p.pid, p.start_ticks);
        let file = |f: &FileTarget| format!("file {} {} {}", f.id.dev, f.id.inode, f.path);
        match self {
            Act::Keep {
                object: Object::Process { process: p },
            }
            | Act::Freeze { process: p }
            | Act::Kill { process: p }
            | Act::Throttle { process: p } => process(p),
            Act::Keep {
                object: Object::File { file: f },
            }
            | Act::RemoveFile { file: f }
            | Act::EditLines { file: f, .. }
            | Act::ClearFlags { file: f, .. }
            | Act::RemoveStarter { file: f, .. } => file(f),
            Act::RemoveLink { link } => format!("link {} {} {}", link.id.dev, link.id.inode, link.path),
            Act::ReloadUnits { manager, .. } => format!("manager {manager}"),
            Act::LockAccount { account } => format!("account {} {}", account.uid, account.name),
            Act::BlockAddress { address, .. } => format!("address {address}"),
            Act::Isolate { .. } => "host".to_owned(),
            Act::RunArgv { program, argv, .. } => {
                let words: Vec<String> = argv.iter().map(|word| format!("`{word}`")).collect();
                format!("{} {}", file(program), words.join(" "))
            }
        }
    }

    /// The process it is about.
    pub fn process(&self) -> Option<&ProcessTarget> {
        match self {
            Act::Keep {
                object: Object::Process { process },
            }
            | Act::Freeze { process }
            | Act::Kill { process }
            | Act::Throttle { process } => Some(process),
            _ => None,
        }
    }

    /// The file it is about; a program that is only run is not.
    pub fn file(&self) -> Option<&FileTarget> {
        match self {
            Act::Keep {
                object: Object::File { file },
            }
            | Act::RemoveFile { file }
            | Act::EditLines { file, .. }
            | Act::ClearFlags { file, .. }
            | Act::RemoveStarter { file, .. } => Some(file),
            _ => None,
        }
    }

    /// The name of this act on this host.
    pub fn id(&self, host: &str) -> ActionId {
        let digest = Digest::of(format!("{host}\n{}\n{}", self.kind(), self.target_key()).as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&digest.0[..8]);
        ActionId(u64::from_be_bytes(first))
    }
}
