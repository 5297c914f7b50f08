//! The libraries that every program is made to load.
//!
//! Looks at `/etc/ld.so.preload` (ld.so(8)): names parted by blanks, tabs, line feeds or colons, `#` begins a comment.
//! Read by our own static program, which loads none of them. It cannot see `LD_PRELOAD` of single processes, a loader
//! that was changed, nor which file a name with `$LIB` or without a slash leads to. musl's loader does not read the file.

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::Coverage;
use deminer_worker::text::{HostBytes, HostPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalogue::Place;
use crate::starter::Starter;
use crate::starter_search;
use crate::starter_text::{Start, Starts};

/// `preload.list`.
pub struct PreloadList;

/// Takes none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

/// The lines of the file.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// In the file's order, comments and empty lines left out; none where there is no such file.
    pub rows: Vec<Starter>,
}

/// The most lines that are listed, and the most names of one line.
const LINES: usize = 1_000;
const NAMES: usize = 256;

#[async_trait]
impl Collector for PreloadList {
    const ABOUT: About = About {
        name: "preload.list",
        summary: "Lists the libraries of /etc/ld.so.preload, which every program loads; a healthy host has none.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate],
        handbook: "",
        not_seen: "LD_PRELOAD of single processes; a changed loader; where names with $LIB or without a slash lead",
        example: "{id: preload, use: preload.list}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, _: Params) -> Result<Outcome<Output>, ModuleError> {
        let mut coverage = Coverage::whole();
        let rows = starter_search::starters(host, &[Place::Preload], &mut coverage).await?;
        Ok(Outcome::of(Output { rows }).seen_with(coverage))
    }
}

/// The libraries that the text of the file names.
pub(crate) fn libraries(content: &[u8]) -> Starts {
    let mut starts = Starts::default();
    for (line, number) in content.split(|b| *b == b'\n').zip(1..) {
        let names = names(line);
        if names.is_empty() {
            continue;
        }
        if starts.rows.len() == LINES || names.len() > NAMES {
            starts.more = true;
            break;
        }
        let files = names
            .iter()
            .filter(|name| name[0] == b'/' && !name.contains(&b'$'))
            .map(|name| HostPath::new(*name));
        starts.rows.push(Start {
            number: Some(number),
            line: HostBytes::new(line),
            starts: files.collect(),
            command: HostBytes::new(names.join(&b' ')),
            ..Start::default()
        });
    }
    starts
}

/// The names of one line. glibc stops at a NUL; what stands behind one is listed all the same.
fn names(line: &[u8]) -> Vec<&[u8]> {
    let text = line.split(|b| *b == b'#').next().unwrap_or_default();
    text.split(|b| matches!(b, b' ' | b'\t' | b':' | b'\r' | 0))
        .filter(|name| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_a_line() {
        type Row = (&'static str, &'static [u8], &'static [&'static [u8]]);
        let rows: [Row; 8] = [
            ("one", b"/lib/a.so", &[b"/lib/a.so"]),
            (
                "blank, tab, colon",
                b" /a.so\t/b.so:/c.so ",
                &[b"/a.so", b"/b.so", b"/c.so"],
            ),
            ("no comma", b"/a.so,/b.so", &[b"/a.so,/b.so"]),
            ("comment", b"/a.so # /b.so", &[b"/a.so"]),
            ("only a comment", b"# /a.so", &[]),
            ("carriage return", b"/a.so\r", &[b"/a.so"]),
            ("behind a NUL", b"/a.so\0/b.so", &[b"/a.so", b"/b.so"]),
            ("searched", b"libx.so", &[b"libx.so"]),
        ];
        for (name, line, expected) in rows {
            assert_eq!(names(line), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn names_are_of_the_line(line: Vec<u8>) {
            for name in names(&line) {
                prop_assert!(!name.is_empty() && line.windows(name.len()).any(|part| part == name));
            }
        }
    }
}
