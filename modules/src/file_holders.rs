//! Who holds a file.
//!
//! Compares device and inode of the files that are named with what every process runs, has open, maps, works in or takes for
//! its root (proc(5)), so that another name of the file, or none, hides nobody. It cannot see processes that the kernel
//! hides, nor holders on another host of a shared file system. Handbook: `lsof FILE`.

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::Holder;
use deminer_worker::text::HostPath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::questions;

/// `file.holders`.
pub struct FileHolders;

/// Which files.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Absolute paths, at most 10000; a link is the link itself.
    pub files: Vec<HostPath>,
}

/// The holders.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// Whether anybody holds any of the files.
    pub held: bool,
    /// By file in the order given, then by pid.
    pub rows: Vec<Holder>,
}

#[async_trait]
impl Collector for FileHolders {
    const ABOUT: About = About {
        name: "file.holders",
        summary: "Tells which processes run, open, map or work in a file, by device and inode.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate, Phase::Eradicate, Phase::Verify],
        handbook: "2.1.3.5",
        not_seen: "processes that the kernel hides; holders on another host of a shared file system",
        example: "{id: held, use: file.holders, with: {files: [/tmp/.x/xmrig]}}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, params: Params) -> Result<Outcome<Output>, ModuleError> {
        let seen = questions::holders(host, params.files).await?;
        let output = Output {
            held: !seen.value.is_empty(),
            rows: seen.value,
        };
        Ok(Outcome::of(output).seen_with(seen.coverage))
    }
}
