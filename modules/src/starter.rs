//! What starts a program without anybody asking: the row that every persistence collector gives.

use deminer_worker::action::{FileTarget, LinkTarget};
use deminer_worker::text::{HostBytes, HostPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::catalogue::Place;

/// One line, one whole file or one link that starts or loads something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Starter {
    /// The kind of place.
    pub place: Place,
    /// The file, whole: identity and content digest. Of a link that leads nowhere, or stands for itself, the link: its
    /// content is what it points to.
    pub file: FileTarget,
    /// The line's number from 1; `None` where the whole file is what starts (a script in `cron.daily`).
    pub number: Option<u32>,
    /// The line's bytes without the line feed, comments and settings left out; empty where the whole file starts.
    pub line: HostBytes,
    /// The first and the last line of what it is a part of (`if` to `fi`, a function, a text for another command, a line
    /// that goes on): without it the others would mean something else. `None` where it stands for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<[u32; 2]>,
    /// Who it runs as; empty where the place does not say (then the file's owner or root, as the place has it).
    pub user: HostBytes,
    /// When: the five fields, `@reboot`, `daily`, ...; empty where it is not a matter of time.
    pub schedule: HostBytes,
    /// The command or the library, as the place's own program would take it (of a crontab: up to the first bare `%`).
    pub command: HostBytes,
    /// Files that it runs or loads, as far as its own words tell: absolute paths, in order.
    pub starts: Vec<HostPath>,
    /// What stands above it and changes what it runs: `PATH=`, `SHELL=`, `BASH_ENV=`, `LD_PRELOAD=` lines; of a line that
    /// is such a setting, itself too.
    pub settings: Vec<HostBytes>,
    /// The link by which the place has the file; `None` where the file lies in the place itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkTarget>,
}

impl Starter {
    /// Where its place has it: the link's path, or the file's.
    pub fn found_at(&self) -> &HostPath {
        self.link.as_ref().map_or(&self.file.path, |link| &link.path)
    }
}
