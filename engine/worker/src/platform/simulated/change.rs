//! What changes on the host by somebody else's hand, between two looks of ours.

use super::Simulated;
use super::tree::{Traits, plain};
use crate::text::{HostBytes, HostPath};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A file has this content from now on: written into it, or made.
    Write {
        /// The file.
        path: HostPath,
        /// All of it.
        content: HostBytes,
    },
    /// A name is gone.
    Remove(HostPath),
    /// A process has ended.
    End(u32),
}

impl Simulated {
    /// Lets it happen. What is not there does not change.
    pub fn change(&self, change: &Change) {
        let mut state = self.state();
        let now_ns = state.now_ns();
        match change {
            Change::Write { path, content } => {
                let path = plain(path);
                let content = content.as_bytes().to_vec();
                match state.tree.regular(&path).map(|inode| inode.id.inode.0) {
                    Some(number) => state.tree.write(number, content, now_ns),
                    None => {
                        if let Some(parent) = path.parent() {
                            state.tree.make_directories(&parent, now_ns);
                        }
                        state.tree.put(&path, content, Traits::regular(0o644, 0, now_ns));
                        state.tree.touch_parent(&path, now_ns);
                    }
                }
            }
            Change::Remove(path) => state.tree.unlink(&plain(path), now_ns),
            Change::End(pid) => state.end(*pid),
        }
    }

    /// Whether a worker holds the host's lock.
    pub fn is_at_work(&self) -> bool {
        self.state().lock.is_some()
    }
}
