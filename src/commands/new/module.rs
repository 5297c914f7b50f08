//! The lines of a file. Say here what is looked at, on which systems, what cannot be seen, and from which source you know.
//!
//! A collector: it gets a host that it can only look at. `modules/src/questions.rs` has every question that can be asked,
//! CONTRIBUTING.md the way from here to a test, `deminer modules starter.lines` what the texts below become.

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::GapReason;
use deminer_worker::text::{HostBytes, HostPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::questions;

/// `starter.lines`.
pub struct StarterLines;

/// What `with` of a step may say. The comments are the manual; `#[serde(default)]` makes a field one that may be left out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The file, by its whole path.
    pub path: HostPath,
}

/// What the step gives, as `steps.ID.rows`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// In the file's order; empty lines and comments are left out.
    pub rows: Vec<Line>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Line {
    /// From 1.
    pub number: u32,
    /// As it is written. Text from a host is bytes: it need not be UTF-8.
    pub text: HostBytes,
}

/// More of the file is not read, and is told as a gap.
const FILE_BYTES: u32 = 1 << 20;

#[async_trait]
impl Collector for StarterLines {
    const ABOUT: About = About {
        name: "starter.lines",
        summary: "Lists the lines of a file.",
        effect: Effect::Read,
        phases: &[Phase::Gather],
        handbook: "",
        not_seen: "lines behind the first MiB",
        example: "{id: lines, use: starter.lines, with: {path: /etc/hosts}}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, params: Params) -> Result<Outcome<Output>, ModuleError> {
        let mut seen = questions::read(host, params.path.clone(), FILE_BYTES).await?;
        // No value: the file is not there. What could not be read is in the coverage already, and goes on with it.
        let mut rows = Vec::new();
        if let Some(file) = seen.value {
            rows = lines(file.content.as_bytes());
            if file.cut {
                seen.coverage.note("file", &params.path, GapReason::Cut);
            }
        }
        Ok(Outcome::of(Output { rows }).seen_with(seen.coverage))
    }
}

/// Pure: bytes in, rows out. Any bytes at all must do; give it a property test and a fuzz target.
fn lines(content: &[u8]) -> Vec<Line> {
    let numbered = content.split(|b| *b == b'\n').zip(1..);
    let row = |(line, number): (&[u8], u32)| {
        let text = line.trim_ascii();
        (!text.is_empty() && !text.starts_with(b"#")).then(|| Line {
            number,
            text: HostBytes::new(text),
        })
    };
    numbered.filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_found_and_what_only_looks_like_it() {
        let rows = [
            ("a line", "a b\n", vec![(1, "a b")]),
            ("comment and empty line", "# a\n\n b\n", vec![(3, "b")]),
            ("nothing", "", vec![]),
        ];
        for (name, content, expected) in rows {
            let found: Vec<_> = lines(content.as_bytes())
                .into_iter()
                .map(|row| (row.number, row.text))
                .collect();
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(n, text)| (n, HostBytes::from(text)))
                .collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(content: Vec<u8>) {
            let most = content.split(|b| *b == b'\n').count();
            prop_assert!(lines(&content).len() <= most);
        }
    }
}
