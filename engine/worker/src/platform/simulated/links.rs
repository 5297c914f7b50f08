//! Symbolic links, and files that start something: taken away, and given back where nothing reads them.

use super::acts::{changed, denied, gone};
use super::state::State;
use super::tree::{Inode, Traits, plain};
use crate::action::{Arming, Done, FileTarget, LinkTarget, Undo};
use crate::query::{FileKind, HostError};
use crate::text::{Digest, HostPath};

impl State {
    pub(super) fn remove_link(&mut self, link: &LinkTarget) -> Result<Done, HostError> {
        let doing = format!("remove `{}`", link.path);
        let path = plain(&link.path);
        if self.hidden(&path).is_some() {
            return Err(denied(&doing));
        }
        let Some(inode) = self.link_place(link, &doing)? else {
            return Ok(Done::Gone);
        };
        if inode.id != link.id || inode.target.as_ref() != Some(&link.target) {
            return Err(changed(
                &doing,
                &format!("a link to `{}`, inode {}", link.target, link.id.inode),
                &format!("inode {}", inode.id.inode),
            ));
        }
        let met = LinkTarget {
            uid: inode.uid,
            gid: inode.gid,
            mtime_ns: crate::text::Wide(inode.mtime_ns),
            ..link.clone()
        };
        if self.tree.holds_fast(&path).is_some() {
            return Err(denied(&doing));
        }
        let now_ns = self.now_ns();
        self.tree.unlink(&path, now_ns);
        Ok(Done::Changed {
            undo: Undo::RestoreLink { link: met },
        })
    }

    /// What stands at a link's place; `None` where nothing does.
    fn link_place(&self, link: &LinkTarget, doing: &str) -> Result<Option<&Inode>, HostError> {
        let path = plain(&link.path);
        let Some(way) = self.tree.resolve(&path, false) else {
            return Ok(None);
        };
        let mount = &self.tree.mount_of(&path).point;
        if way != link.path || *mount != link.mount {
            return Err(changed(
                doing,
                "the place of the plan",
                &format!("`{way}` of mount `{mount}`"),
            ));
        }
        Ok(self.tree.lookup(&path))
    }

    pub(super) fn restore_link(&mut self, link: &LinkTarget, arming: Arming) -> Result<Done, HostError> {
        let doing = format!("restore `{}`", link.path);
        let place = match arming {
            Arming::Disarmed => link.name_disarmed(),
            Arming::Armed => link.path.clone(),
        };
        let points_there = |path: &HostPath| {
            self.tree
                .lookup(path)
                .is_some_and(|inode| inode.target.as_ref() == Some(&link.target))
        };
        if points_there(&link.path) || points_there(&place) {
            return Ok(Done::Gone);
        }
        if self.tree.lookup(&place).is_some() {
            return Err(changed(&doing, "a free name", "something that stands there"));
        }
        if place.parent().is_none_or(|parent| self.tree.lookup(&parent).is_none()) {
            return Err(gone(&format!("{doing}: its directory")));
        }
        if self.tree.holds_fast(&place).is_some() {
            return Err(denied(&doing));
        }
        self.need_room(&doing)?;
        let traits = Traits {
            kind: FileKind::Link,
            target: Some(link.target.clone()),
            gid: link.gid,
            ..Traits::regular(0o777, link.uid, link.mtime_ns.0)
        };
        let now_ns = self.now_ns();
        self.tree.put(&place, Vec::new(), traits);
        if arming == Arming::Armed {
            self.take_away(&link.name_disarmed(), now_ns);
        }
        self.tree.touch_parent(&place, now_ns);
        Ok(Done::Changed { undo: Undo::None })
    }

    pub(super) fn restore_starter(
        &mut self,
        file: &FileTarget,
        content: Option<&[u8]>,
        arming: Arming,
    ) -> Result<Done, HostError> {
        let beside = FileTarget {
            path: file.name_disarmed(),
            ..file.clone()
        };
        let holds = |state: &State, path: &HostPath| -> Option<Digest> { Some(state.tree.regular(path)?.sha256) };
        match arming {
            Arming::Disarmed if holds(self, &file.path) == Some(file.sha256) => Ok(Done::Gone),
            Arming::Disarmed => self.restore_file(&beside, content, arming),
            Arming::Armed => {
                let done = self.restore_file(file, content, arming)?;
                if holds(self, &beside.path) == Some(file.sha256) {
                    let now_ns = self.now_ns();
                    self.take_away(&beside.path, now_ns);
                }
                Ok(done)
            }
        }
    }

    fn take_away(&mut self, path: &HostPath, now_ns: u64) {
        if self.tree.lookup(path).is_some() {
            self.tree.unlink(path, now_ns);
        }
    }
}
