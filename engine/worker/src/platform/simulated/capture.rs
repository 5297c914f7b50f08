//! What is kept of a file or a process.

use std::fmt::Write as _;

use super::acts::{denied, gone};
use super::process::joined;
use super::state::State;
use crate::action::{FileTarget, Object, ProcessTarget};
use crate::frame::Part;
use crate::query::HostError;

/// The parts of an object with their bytes, or why there are none.
pub(super) type Parts = Vec<(Part, Result<Vec<u8>, HostError>)>;

impl State {
    pub(super) fn parts(&self, object: &Object, parts: &[Part]) -> Result<Parts, HostError> {
        match object {
            Object::File { file } => Ok(vec![(Part::Content, Ok(self.content_of(file)?))]),
            Object::Process { process } => self.parts_of(process, parts),
        }
    }

    /// What the very inode holds now; whoever hands it on holds it against the digest.
    fn content_of(&self, file: &FileTarget) -> Result<Vec<u8>, HostError> {
        let doing = format!("keep `{}`", file.path);
        let number = self.inode_at(file, &doing)?.ok_or_else(|| gone(&doing))?;
        let inode = self.tree.inode(number).ok_or_else(|| gone(&doing))?;
        Ok(inode.content.clone())
    }

    fn parts_of(&self, target: &ProcessTarget, parts: &[Part]) -> Result<Parts, HostError> {
        let doing = format!("keep process {}", target.pid);
        if self.unreadable_pids.contains(&target.pid) && self.living(target.pid).is_some() {
            return Ok(parts.iter().map(|part| (*part, Err(denied(&doing)))).collect());
        }
        if !self.is_there(target, &doing)? {
            return Err(gone(&doing));
        }
        let process = self.living(target.pid).ok_or_else(|| gone(&doing))?;
        let bytes = |part: &Part| match part {
            Part::Content => Err(HostError::Unsupported {
                doing: doing.clone(),
                why: "a process has no content".to_owned(),
            }),
            Part::Exe => {
                let inode = process.exe.as_ref().and_then(|(_, number)| self.tree.inode(*number));
                inode.map(|inode| inode.content.clone()).ok_or_else(|| gone(&doing))
            }
            Part::Argv => Ok(process.cmdline()),
            Part::Environ => Ok(joined(&process.about.environ)),
            Part::Maps => {
                let mut text = String::new();
                for file in self.mapped_files(process) {
                    let rights = if file.executable { "r-xp" } else { "r--p" };
                    let mark = if file.deleted { " (deleted)" } else { "" };
                    // Writing to a string cannot fail.
                    let _ = writeln!(text, "{rights} {} {} {}{mark}", file.id.dev, file.id.inode, file.path);
                }
                Ok(text.into_bytes())
            }
            Part::Fds => {
                let mut text = String::new();
                for open in self.open_files(process) {
                    let _ = writeln!(text, "{} {}", open.fd, open.link);
                }
                Ok(text.into_bytes())
            }
        };
        Ok(parts.iter().map(|part| (*part, bytes(part))).collect())
    }
}
