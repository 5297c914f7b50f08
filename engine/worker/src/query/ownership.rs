//! What the package database says of files.

use serde::{Deserialize, Serialize};

use crate::text::HostPath;

/// What the package database says of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "owner", rename_all = "snake_case")]
pub enum Ownership {
    /// A package lists this path, and the content is the package's.
    Owned {
        /// The package.
        package: String,
    },
    /// A package lists this path, but the content is another.
    Modified {
        /// The package.
        package: String,
    },
    /// No package lists this path, but the content is that of a packaged file: a copy.
    Copied {
        /// The package.
        package: String,
        /// The packaged path.
        original: HostPath,
    },
    /// A package lists this path and keeps no digest of it (a configuration file).
    Listed {
        /// The package.
        package: String,
    },
    /// No package knows it.
    Unowned,
    /// There is no package database that we read, or it could not be read.
    Unknown,
}

impl Ownership {
    /// Whether the content is that of a package: then the file is protected, wherever it lies.
    pub fn is_package_content(&self) -> bool {
        matches!(self, Ownership::Owned { .. } | Ownership::Copied { .. })
    }
}
