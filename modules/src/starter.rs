//! What starts a program without anybody asking: the row that every persistence collector gives.

use deminer_worker::action::FileTarget;
use deminer_worker::text::{HostBytes, HostPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One line, or one whole file, that starts or loads something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Starter {
    /// The kind of place.
    pub place: Place,
    /// The file, whole: identity and content digest.
    pub file: FileTarget,
    /// The line's number from 1; `None` where the whole file is what starts (a script in `cron.daily`).
    pub number: Option<u32>,
    /// The line's bytes without the line feed, comments and settings left out; empty where the whole file starts.
    pub line: HostBytes,
    /// Who it runs as; empty where the place does not say (then the file's owner or root, as the place has it).
    pub user: HostBytes,
    /// When: the five fields, `@reboot`, `daily`, ...; empty where it is not a matter of time.
    pub schedule: HostBytes,
    /// The command or the library, as the place's own program would take it (of a crontab: up to the first bare `%`).
    pub command: HostBytes,
    /// Files that it runs or loads, as far as its own words tell: absolute paths, in order.
    pub starts: Vec<HostPath>,
    /// What stands above it and changes what it runs: `PATH=`, `SHELL=`, `BASH_ENV=`, `LD_PRELOAD=` lines.
    pub settings: Vec<HostBytes>,
}

/// The kinds of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A user's crontab in the spool.
    Crontab,
    /// `/etc/crontab` or a file of `/etc/cron.d`, with a user field.
    CronD,
    /// A file of `/etc/cron.hourly`, `cron.daily`, `cron.weekly`, `cron.monthly`.
    CronPeriodic,
    /// `/etc/ld.so.preload`.
    Preload,
}

impl Place {
    /// Whether it fires by the clock.
    pub fn is_timed(self) -> bool {
        matches!(self, Place::Crontab | Place::CronD | Place::CronPeriodic)
    }
}
