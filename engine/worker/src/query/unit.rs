//! Units, as service managers have them in memory.

use serde::{Deserialize, Serialize};

use crate::action::ServiceManager;
use crate::text::{HostBytes, HostPath};

/// A unit as a service manager has it in memory (org.freedesktop.systemd1(5)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LoadedUnit {
    /// Which manager.
    pub manager: ServiceManager,
    /// Its full name.
    pub name: HostBytes,
    /// `loaded`, `not-found` (only the name is left), `masked`, `bad-setting`, ...
    pub load_state: HostBytes,
    /// `active`, `inactive`, `failed`, `activating`, ...
    pub active_state: HostBytes,
    /// The finer state, of its kind of unit: `running`, `waiting`, `dead`, ...
    pub sub_state: HostBytes,
    /// The file that it was read from, which may be gone since; `None` where there is none.
    pub fragment: Option<HostPath>,
    /// What a generator made it from; `None` where none did.
    pub source: Option<HostPath>,
    /// The additions that were read with it.
    pub drop_ins: Vec<HostPath>,
    /// Whether its files have changed since they were read.
    pub needs_reload: bool,
}
