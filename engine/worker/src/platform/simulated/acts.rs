//! Acts: each on exactly its target, each looked at again.

use super::lines::{self, Edit};
use super::process::{Life, Running};
use super::state::State;
use super::tree::{Traits, plain};
use crate::action::{Act, Done, FileTarget, LineTarget, ProcessTarget, Syntax, Undo};
use crate::query::{FileKind, HostError};
use crate::text::HostPath;

/// How long a process is waited for that does not stop.
const STOP_WAIT_MS: u64 = 200;

/// As often is an edit planned anew because the file changed under it.
const EDITS: u32 = 8;

impl State {
    pub(super) fn act(&mut self, act: &Act) -> Result<Done, HostError> {
        match act {
            Act::Keep { .. } => Err(HostError::Unsupported {
                doing: "keep a copy".to_owned(),
                why: "a copy is captured, not acted".to_owned(),
            }),
            Act::Freeze { process } => self.freeze(process),
            Act::Kill { process } => self.kill(process),
            Act::RemoveFile { file } => self.remove_file(file),
            Act::EditLines { file, remove, syntax } => self.edit_lines(file, remove, *syntax),
            Act::ClearFlags { file, flags } => self.clear_flags(file, *flags),
            Act::RemoveStarter { file, .. } => self.remove_starter(file),
            Act::RemoveLink { link } => self.remove_link(link),
            Act::ReloadUnits { manager, units } => self.reload_units(*manager, units),
            Act::BlockAddress { address, for_s } => self.block(address, *for_s),
            Act::Isolate { for_s, keep } => self.isolate(*for_s, keep),
            Act::Throttle { process } => self.throttle(process),
            Act::LockAccount { account } => self.lock_account(account),
            Act::RunArgv {
                program,
                argv,
                timeout_ms,
                undo,
            } => self.run_argv(program, argv, *timeout_ms, undo.as_deref()),
        }
    }

    /// Whether the process that is meant still lives; another boot or another start time is another process.
    ///
    /// # Errors
    /// `Protected` for pid 1, kernel threads, the worker and its ancestors; `Changed` when it runs another executable.
    pub(super) fn is_there(&self, target: &ProcessTarget, doing: &str) -> Result<bool, HostError> {
        let protected = |why: &str| HostError::Protected {
            doing: doing.to_owned(),
            why: why.to_owned(),
        };
        if target.pid == 1 {
            return Err(protected("pid 1 is the host's init"));
        }
        let is_it = |process: &&Running| process.start_ticks() == target.start_ticks.0;
        let Some(process) = self.living(target.pid).filter(is_it) else {
            return Ok(false);
        };
        if target.boot_id != self.world.boot_id {
            return Ok(false);
        }
        if process.about.kernel_thread {
            return Err(protected("it is a thread of the kernel"));
        }
        if self.own_chain().contains(&target.pid) {
            return Err(protected("it is this worker or one of its ancestors"));
        }
        if self.unreadable_pids.contains(&target.pid) {
            return Err(denied(doing));
        }
        let Some(exe) = process.executable(&self.tree, true) else {
            return Err(changed(doing, &format!("`{}`", target.exe_path), "no executable"));
        };
        if exe.id != target.exe || exe.sha256 != Some(target.exe_sha256) {
            return Err(changed(
                doing,
                &format!("`{}` with inode {}", target.exe_path, target.exe.inode),
                &format!("`{}` with inode {}", exe.path, exe.id.inode),
            ));
        }
        Ok(true)
    }

    fn freeze(&mut self, target: &ProcessTarget) -> Result<Done, HostError> {
        let doing = format!("freeze process {}", target.pid);
        if !self.is_there(target, &doing)? {
            return Ok(Done::Gone);
        }
        let Some(keeper) = &mut self.keeper else {
            return Err(HostError::Failed {
                doing,
                why: "there is no keeper".to_owned(),
            });
        };
        keeper.hold(target.pid, target.start_ticks.0);
        if self.ignores_stop.contains(&target.pid) {
            self.advance(STOP_WAIT_MS);
            return Ok(Done::WouldNotStop);
        }
        self.set_life(target.pid, Life::Frozen);
        Ok(Done::Changed {
            undo: Undo::Thaw {
                process: target.clone(),
            },
        })
    }

    fn kill(&mut self, target: &ProcessTarget) -> Result<Done, HostError> {
        let doing = format!("kill process {}", target.pid);
        if !self.is_there(target, &doing)? {
            return Ok(Done::Gone);
        }
        self.end(target.pid);
        if let Some(keeper) = &mut self.keeper {
            keeper.release(target.pid);
        }
        Ok(Done::Changed { undo: Undo::None })
    }

    /// Lets a frozen process run again; whether there was one.
    pub(super) fn thaw(&mut self, target: &ProcessTarget) -> bool {
        let found = self
            .living(target.pid)
            .is_some_and(|process| process.start_ticks() == target.start_ticks.0);
        if found && target.boot_id == self.world.boot_id {
            self.set_life(target.pid, Life::Running);
            if let Some(keeper) = &mut self.keeper {
                keeper.release(target.pid);
            }
        }
        found
    }

    /// The number of the regular file at a target's place; `None` where there is nothing.
    ///
    /// # Errors
    /// `Changed` where the way there leads over a link or into another mount, or to something that is no regular file.
    pub(super) fn place_of(&self, file: &FileTarget, doing: &str) -> Result<Option<u64>, HostError> {
        let path = plain(&file.path);
        if self.hidden(&path).is_some() {
            return Err(denied(doing));
        }
        let Some(way) = self.tree.resolve(&path, false) else {
            return Ok(None);
        };
        if way != path || path != file.path {
            return Err(changed(doing, "no link on the way", &format!("a link to `{way}`")));
        }
        let mount = &self.tree.mount_of(&path).point;
        if *mount != file.mount {
            return Err(changed(
                doing,
                &format!("mount `{}`", file.mount),
                &format!("mount `{mount}`"),
            ));
        }
        match self.tree.lookup(&path) {
            None => Ok(None),
            Some(inode) if inode.kind == FileKind::Link => Err(changed(doing, "a regular file", "a link")),
            Some(inode) if inode.kind != FileKind::Regular => Err(HostError::Protected {
                doing: doing.to_owned(),
                why: "it is no regular file".to_owned(),
            }),
            Some(inode) => Ok(Some(inode.id.inode.0)),
        }
    }

    /// The same where it must be the very inode.
    ///
    /// # Errors
    /// `Changed` where it is another.
    pub(super) fn inode_at(&self, file: &FileTarget, doing: &str) -> Result<Option<u64>, HostError> {
        let Some(number) = self.place_of(file, doing)? else {
            return Ok(None);
        };
        match self.tree.inode(number) {
            Some(inode) if inode.id != file.id => Err(changed(
                doing,
                &format!("inode {} on device {}", file.id.inode, file.id.dev),
                &format!("inode {} on device {}", inode.id.inode, inode.id.dev),
            )),
            inode => Ok(inode.map(|_| number)),
        }
    }

    /// The same where the content must be that of the target too.
    fn object_at(&self, file: &FileTarget, doing: &str) -> Result<Option<u64>, HostError> {
        let Some(number) = self.inode_at(file, doing)? else {
            return Ok(None);
        };
        match self.tree.inode(number) {
            Some(inode) if inode.sha256 != file.sha256 => Err(changed(
                doing,
                &format!("content {}", file.sha256.short()),
                &format!("content {}", inode.sha256.short()),
            )),
            inode => Ok(inode.map(|_| number)),
        }
    }

    fn writable(&self, path: &HostPath, doing: &str) -> Result<(), HostError> {
        match self.tree.holds_fast(path) {
            None => Ok(()),
            Some("flags") => Err(denied(doing)),
            Some(why) => Err(HostError::Failed {
                doing: doing.to_owned(),
                why: why.to_owned(),
            }),
        }
    }

    fn remove_file(&mut self, file: &FileTarget) -> Result<Done, HostError> {
        let doing = format!("remove `{}`", file.path);
        if self.object_at(file, &doing)?.is_none() {
            return Ok(Done::Gone);
        }
        self.writable(&file.path, &doing)?;
        let now_ns = self.now_ns();
        self.tree.unlink(&file.path, now_ns);
        Ok(Done::Changed {
            undo: Undo::RestoreFile { file: file.clone() },
        })
    }

    fn remove_starter(&mut self, file: &FileTarget) -> Result<Done, HostError> {
        Ok(match self.remove_file(file)? {
            Done::Changed { .. } => Done::Changed {
                undo: Undo::RestoreStarter { file: file.clone() },
            },
            done => done,
        })
    }

    fn edit_lines(
        &mut self,
        file: &FileTarget,
        remove: &[LineTarget],
        syntax: Option<Syntax>,
    ) -> Result<Done, HostError> {
        let doing = format!("take lines out of `{}`", file.path);
        for _ in 0..EDITS {
            let Some(number) = self.place_of(file, &doing)? else {
                return Ok(Done::Gone);
            };
            let Some(before) = self.tree.inode(number).cloned() else {
                return Ok(Done::Gone);
            };
            let (text, taken) = match lines::without(&before.content, remove) {
                Edit::Gone => return Ok(Done::Gone),
                Edit::Changed { expected, found } => {
                    return Err(changed(&doing, &format!("`{expected}`"), &format!("`{found}`")));
                }
                Edit::Without { text, taken } => (text, taken),
            };
            if let Some(syntax) = syntax {
                let doing = doing.clone();
                syntax
                    .allows(&before.content, &text)
                    .map_err(|why| HostError::Failed { doing, why })?;
            }
            self.writable(&file.path, &doing)?;
            self.need_room(&doing)?;
            let Some(met) = self.target_of(&file.path) else {
                return Ok(Done::Gone);
            };
            // The new text is written beside the old one, which takes a moment; only an unchanged file is replaced.
            self.advance(1);
            let now = self.place_of(file, &doing)?;
            if now != Some(number)
                || self
                    .tree
                    .inode(number)
                    .is_none_or(|inode| inode.content != before.content)
            {
                continue;
            }
            let traits = Traits {
                kind: FileKind::Regular,
                mode: before.mode,
                uid: before.uid,
                gid: before.gid,
                mtime_ns: self.now_ns(),
                flags: before.flags,
                xattrs: before.xattrs,
                target: None,
            };
            let now_ns = self.now_ns();
            self.tree.put(&file.path, text, traits);
            self.tree.touch_parent(&file.path, now_ns);
            return Ok(Done::Changed {
                undo: Undo::RestoreLines {
                    file: met,
                    lines: taken,
                },
            });
        }
        Err(changed(&doing, "a file at rest", "one that changes all the time"))
    }

    /// The identity of the regular file at a path now.
    pub(super) fn target_of(&self, path: &HostPath) -> Option<FileTarget> {
        FileTarget::from_stat(&self.tree.stat(path, true)?)
    }

    fn clear_flags(&mut self, file: &FileTarget, flags: u32) -> Result<Done, HostError> {
        let doing = format!("clear flags of `{}`", file.path);
        let Some(number) = self.inode_at(file, &doing)? else {
            return Ok(Done::Gone);
        };
        let Some(had) = self.tree.stat(&file.path, false).and_then(|stat| stat.flags) else {
            return Err(HostError::Unsupported {
                doing,
                why: "the file system has no flags".to_owned(),
            });
        };
        if had & flags == 0 {
            return Ok(Done::Gone);
        }
        if self.tree.is_read_only(&file.path) {
            return self.writable(&file.path, &doing).map(|()| Done::Gone);
        }
        let met = self.target_of(&file.path).unwrap_or_else(|| file.clone());
        self.set_flags(number, had & !flags);
        Ok(Done::Changed {
            undo: Undo::SetFlags { file: met, flags: had },
        })
    }

    pub(super) fn set_flags(&mut self, number: u64, flags: u32) {
        let now_ns = self.now_ns();
        if let Some(inode) = self.tree.inode_mut(number) {
            inode.flags = flags;
            inode.ctime_ns = now_ns;
        }
    }
}

pub(super) fn changed(doing: &str, expected: &str, found: &str) -> HostError {
    HostError::Changed {
        doing: doing.to_owned(),
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}

pub(super) fn denied(doing: &str) -> HostError {
    HostError::Denied {
        doing: doing.to_owned(),
    }
}

pub(super) fn gone(doing: &str) -> HostError {
    HostError::Gone {
        doing: doing.to_owned(),
    }
}
