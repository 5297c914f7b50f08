//! Taking acts back: files without the right to run, lines as comments, flags; never a process.

use super::acts::{changed, denied, gone};
use super::lines;
use super::state::State;
use super::tree::{Traits, plain};
use crate::action::{Arming, Done, FileTarget, LineTarget, Undo};
use crate::query::{FileKind, HostError, Xattr};
use crate::text::Digest;

impl State {
    pub(super) fn undo(&mut self, undo: &Undo, content: Option<&[u8]>, arming: Arming) -> Result<Done, HostError> {
        match undo {
            Undo::None => Ok(Done::Gone),
            Undo::Thaw { process } => match self.thaw(process) {
                true => Ok(taken_back()),
                false => Ok(Done::Gone),
            },
            Undo::RestoreFile { file } => self.restore_file(file, content, arming),
            Undo::RestoreLines { file, lines } => self.restore_lines(file, lines, arming),
            Undo::SetFlags { file, flags } => self.restore_flags(file, *flags),
            Undo::RestoreStarter { file } => self.restore_starter(file, content, arming),
            Undo::RestoreLink { link } => self.restore_link(link, arming),
            // An account starts nothing by itself: it comes back as it was.
            Undo::UnlockAccount { account, former } => self.unlock_account(account, former),
            Undo::Unblock { address, was_until_ms } => self.unblock(address, *was_until_ms),
            Undo::EndIsolation { was_until_ms } => self.end_isolation(*was_until_ms),
            Undo::Unthrottle { process, .. } => self.unthrottle(process),
            Undo::RunArgv {
                program,
                argv,
                timeout_ms,
            } => match self.run_argv(program, argv, *timeout_ms, None)? {
                Done::Ran { end, .. } if !end.is_success() => Err(HostError::Failed {
                    doing: format!("run `{}`", program.path),
                    why: end.to_string(),
                }),
                done => Ok(done),
            },
        }
    }

    pub(super) fn restore_file(
        &mut self,
        file: &FileTarget,
        content: Option<&[u8]>,
        arming: Arming,
    ) -> Result<Done, HostError> {
        let doing = format!("restore `{}`", file.path);
        match self.place_of(file, &doing) {
            Ok(None) => {}
            Ok(Some(number)) => {
                let same = self.tree.inode(number).is_some_and(|inode| inode.sha256 == file.sha256);
                let taken = changed(&doing, "a free name", "another file");
                return if same { Ok(Done::Gone) } else { Err(taken) };
            }
            Err(HostError::Protected { why, .. }) => return Err(changed(&doing, "a free name", &why)),
            Err(error) => return Err(error),
        }
        let parent = plain(&file.path).parent();
        let is_directory = |kind: FileKind| kind == FileKind::Directory;
        if !parent.is_some_and(|parent| self.tree.lookup(&parent).is_some_and(|inode| is_directory(inode.kind))) {
            return Err(gone(&format!("{doing}: its directory")));
        }
        let Some(content) = content else {
            return Err(HostError::Failed {
                doing,
                why: "the vault gave no content".to_owned(),
            });
        };
        let given = Digest::of(content);
        if given != file.sha256 {
            let (expected, found) = (file.sha256.short(), given.short());
            return Err(changed(
                &doing,
                &format!("content {expected}"),
                &format!("content {found}"),
            ));
        }
        if self.tree.holds_fast(&file.path).is_some() {
            return Err(denied(&doing));
        }
        self.need_room(&doing)?;
        let armed = arming == Arming::Armed;
        let harmless = |xattr: &&Xattr| armed || xattr.name.as_bytes() != b"security.capability";
        let traits = Traits {
            kind: FileKind::Regular,
            mode: if armed { file.mode } else { file.mode & 0o666 },
            uid: file.uid,
            gid: file.gid,
            mtime_ns: file.mtime_ns.0,
            flags: file.flags.unwrap_or_default(),
            xattrs: file.xattrs.iter().filter(harmless).cloned().collect(),
            target: None,
        };
        let now_ns = self.now_ns();
        let number = self.tree.put(&file.path, content.to_vec(), traits);
        self.tree.touch_parent(&file.path, now_ns);
        if let Some(inode) = self.tree.inode_mut(number) {
            inode.ctime_ns = now_ns;
            inode.btime_ns = now_ns;
        }
        Ok(taken_back())
    }

    fn restore_lines(&mut self, file: &FileTarget, lines: &[LineTarget], arming: Arming) -> Result<Done, HostError> {
        let doing = format!("put lines back into `{}`", file.path);
        let Some(number) = self.place_of(file, &doing)? else {
            return Err(gone(&doing));
        };
        let Some(inode) = self.tree.inode(number).cloned() else {
            return Err(gone(&doing));
        };
        let Some(text) = lines::with_again(&inode.content, lines, arming) else {
            return Ok(Done::Gone);
        };
        if self.tree.holds_fast(&file.path).is_some() {
            return Err(denied(&doing));
        }
        self.need_room(&doing)?;
        let now_ns = self.now_ns();
        let same = Digest::of(&text) == file.sha256;
        let traits = Traits {
            kind: FileKind::Regular,
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            mtime_ns: if same { file.mtime_ns.0 } else { now_ns },
            flags: inode.flags,
            xattrs: inode.xattrs,
            target: None,
        };
        self.tree.put(&file.path, text, traits);
        self.tree.touch_parent(&file.path, now_ns);
        Ok(taken_back())
    }

    /// Sets flags again on the object, or on one of the same owner: an edit or a restore put it there.
    fn restore_flags(&mut self, file: &FileTarget, flags: u32) -> Result<Done, HostError> {
        let doing = format!("set flags of `{}`", file.path);
        let Some(number) = self.place_of(file, &doing)? else {
            // Under another name it is to be harmless, not to hold fast.
            return match self.tree.lookup(&file.name_disarmed()) {
                Some(_) => Ok(Done::Gone),
                None => Err(gone(&doing)),
            };
        };
        let Some(inode) = self.tree.inode(number) else {
            return Err(gone(&doing));
        };
        let same_owner = (inode.uid, inode.gid, inode.id.dev) == (file.uid, file.gid, file.id.dev);
        if inode.id != file.id && !same_owner {
            return Err(changed(
                &doing,
                &format!("a file of {}:{}", file.uid, file.gid),
                &format!("one of {}:{}", inode.uid, inode.gid),
            ));
        }
        match self.tree.stat(&file.path, false).and_then(|stat| stat.flags) {
            None => Err(HostError::Unsupported {
                doing,
                why: "the file system has no flags".to_owned(),
            }),
            Some(now) if now == flags => Ok(Done::Gone),
            Some(_) => {
                self.set_flags(number, flags);
                Ok(taken_back())
            }
        }
    }
}

fn taken_back() -> Done {
    Done::Changed { undo: Undo::None }
}
