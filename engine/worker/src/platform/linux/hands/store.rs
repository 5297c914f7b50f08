//! The host's own journal and its spool: a directory that only we can enter, made exclusively under the random name that
//! the plan states.
//!
//! Spooled evidence is sealed: a header, then every byte turned over, so that it can neither run nor match a scanner that
//! would take it away.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, fsync, mkdirat, openat, statat, unlinkat};
use rustix::io::Errno;

use super::{changed, failed, protected, refused};
use crate::journal::{self, Store};
use crate::query::HostError;
use crate::text::{Digest, HostPath};

/// What sealed evidence begins with.
const SEAL: &[u8] = b"DEMINER-SEALED-1\n";

/// What every sealed byte is combined with.
const TURN: u8 = 0xA5;

/// The longest content of the spool that is read back: as long as a part of evidence that is sealed may be.
const SEALED_BYTES: u64 = 64 << 20;

/// The longest journal that is read back.
const RECALL_BYTES: u64 = 16 << 20;

/// A journal that we write.
pub(super) struct Journal {
    path: HostPath,
    parent: OwnedFd,
    directory: OwnedFd,
    file: File,
    spool_left: u64,
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens the directory that holds a journal's directory: root's or ours, and where others may write, they may not rename
/// what is ours.
fn open_parent(path: &HostPath, doing: &str) -> Result<Option<OwnedFd>, HostError> {
    let Some(parent) = path.parent().filter(|_| journal::is_journal_path(path)) else {
        return Err(protected(doing, "no journal of ours has such a path"));
    };
    let Some(rest) = parent.as_bytes().strip_prefix(b"/") else {
        return Err(protected(doing, "its path is not absolute"));
    };
    let mut dir = openat(CWD, "/", DIRECTORY, Mode::empty()).map_err(|errno| refused(doing, errno))?;
    for component in rest.split(|b| *b == b'/').filter(|component| !component.is_empty()) {
        if component == b"." || component == b".." {
            return Err(protected(doing, "its path is not plain"));
        }
        dir = match openat(&dir, component, DIRECTORY, Mode::empty()) {
            Ok(next) => next,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(protected(doing, "a link lies on the way to it")),
            Err(errno) => return Err(refused(doing, errno)),
        };
    }
    let stat = fstat(&dir).map_err(|errno| refused(doing, errno))?;
    let ours = stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw();
    let others_write = stat.st_mode & 0o022 != 0;
    let sticky = stat.st_mode & 0o1000 != 0;
    if !ours || (others_write && !sticky) {
        return Err(protected(doing, "others may rename what lies in its directory"));
    }
    Ok(Some(dir))
}

/// Opens a journal's directory, which must be ours alone; `None` where there is none.
fn open_own(path: &HostPath, doing: &str) -> Result<Option<(OwnedFd, OwnedFd)>, HostError> {
    let Some(parent) = open_parent(path, doing)? else {
        return Ok(None);
    };
    let directory = match openat(&parent, path.file_name(), DIRECTORY, Mode::empty()) {
        Ok(directory) => directory,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::NOTDIR | Errno::LOOP) => return Err(changed(doing, "a directory of ours", "something else")),
        Err(errno) => return Err(refused(doing, errno)),
    };
    let stat = fstat(&directory).map_err(|errno| refused(doing, errno))?;
    let us = rustix::process::geteuid().as_raw();
    if stat.st_uid != us || stat.st_mode & 0o7777 != 0o700 {
        return Err(changed(
            doing,
            format_args!("a directory of user {us} with mode 0700"),
            format_args!("one of user {} with mode {:04o}", stat.st_uid, stat.st_mode & 0o7777),
        ));
    }
    Ok(Some((parent, directory)))
}

/// Whether we make files of this name in such a directory: the journal, and sealed evidence by its digest.
fn is_our_name(name: &[u8]) -> bool {
    let is_digest = || std::str::from_utf8(name).is_ok_and(|name| name.parse::<Digest>().is_ok());
    name == journal::FILE_NAME.as_bytes() || is_digest()
}

fn create(directory: &OwnedFd, name: &[u8], mode: Mode, doing: &str) -> Result<File, HostError> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(directory, name, flags, mode)
        .map(File::from)
        .map_err(|errno| refused(doing, errno))
}

impl Journal {
    /// Makes the directory and an empty journal in it.
    pub(super) fn make(path: &HostPath, spool_bytes: u64) -> Result<Self, HostError> {
        let doing = format!("make the journal `{path}`");
        let parent = open_parent(path, &doing)?.ok_or_else(|| HostError::Gone {
            doing: format!("{doing}: find its directory"),
        })?;
        match mkdirat(&parent, path.file_name(), Mode::RWXU) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(changed(&doing, "a free name", "something that lies there already")),
            Err(errno) => return Err(refused(&doing, errno)),
        }
        let made = || {
            let directory =
                openat(&parent, path.file_name(), DIRECTORY, Mode::empty()).map_err(|errno| refused(&doing, errno))?;
            let stat = fstat(&directory).map_err(|errno| refused(&doing, errno))?;
            if stat.st_uid != rustix::process::geteuid().as_raw() {
                return Err(changed(&doing, "a directory of ours", "one of somebody else"));
            }
            let file = create(
                &directory,
                journal::FILE_NAME.as_bytes(),
                Mode::RUSR | Mode::WUSR,
                &doing,
            )?;
            fsync(&directory)
                .and_then(|()| fsync(&parent))
                .map_err(|errno| refused(&doing, errno))?;
            Ok((directory, file))
        };
        match made() {
            Ok((directory, file)) => Ok(Self {
                path: path.clone(),
                parent,
                directory,
                file,
                spool_left: spool_bytes,
            }),
            Err(error) => forget(path).and(Err(error)),
        }
    }
}

impl Store for Journal {
    fn append(&mut self, bytes: &[u8]) -> Result<(), HostError> {
        self.file
            .write_all(bytes)
            .and_then(|()| self.file.sync_data())
            .map_err(|error| failed(format_args!("write the journal `{}`", self.path), &error))
    }

    fn spool(&mut self, sha256: Digest, bytes: &[u8]) -> Result<(), HostError> {
        let doing = format!("spool evidence into `{}`", self.path);
        let found = Digest::of(bytes);
        if found != sha256 {
            return Err(changed(&doing, sha256.short(), found.short()));
        }
        let name = sha256.to_string();
        let size = (SEAL.len() + bytes.len()) as u64;
        match statat(&self.directory, &name[..], AtFlags::SYMLINK_NOFOLLOW) {
            // Only we write here, and what could not be written whole was removed again.
            Ok(_) => return Ok(()),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(refused(&doing, errno)),
        }
        if size > self.spool_left {
            return Err(HostError::TooLarge {
                doing,
                limit: self.spool_left,
            });
        }
        let mut file = create(&self.directory, name.as_bytes(), Mode::RUSR, &doing)?;
        let sealed = seal(&mut file, bytes)
            .and_then(|()| file.sync_all())
            .map_err(|error| failed(&doing, &error))
            .and_then(|()| fsync(&self.directory).map_err(|errno| refused(&doing, errno)));
        match sealed {
            Ok(()) => {
                self.spool_left -= size;
                Ok(())
            }
            Err(error) => {
                unlinkat(&self.directory, &name[..], AtFlags::empty()).map_err(|errno| refused(&doing, errno))?;
                Err(error)
            }
        }
    }

    fn remove(self: Box<Self>) -> Result<(), HostError> {
        let doing = format!("remove the journal `{}`", self.path);
        clear(&self.parent, &self.directory, &self.path, &doing)
    }
}

/// Writes bytes in their sealed form.
fn seal(out: &mut impl Write, bytes: &[u8]) -> std::io::Result<()> {
    out.write_all(SEAL)?;
    for piece in bytes.chunks(64 << 10) {
        let turned: Vec<u8> = piece.iter().map(|byte| byte ^ TURN).collect();
        out.write_all(&turned)?;
    }
    Ok(())
}

/// Removes what we make from a journal's directory, then the directory.
fn clear(parent: &OwnedFd, directory: &OwnedFd, path: &HostPath, doing: &str) -> Result<(), HostError> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory).map_err(|errno| refused(doing, errno))? {
        let entry = entry.map_err(|errno| refused(doing, errno))?;
        let name = entry.file_name().to_bytes().to_vec();
        if is_our_name(&name) {
            names.push(name);
        }
    }
    for name in names {
        match unlinkat(directory, &name[..], AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(refused(doing, errno)),
        }
    }
    match unlinkat(parent, path.file_name(), AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(Errno::NOTEMPTY) => return Err(changed(doing, "nothing but files of ours in it", "other names too")),
        Err(errno) => return Err(refused(doing, errno)),
    }
    // That it is gone is seen; that this lasts over a power cut is the file system's.
    let _ = fsync(parent);
    Ok(())
}

/// The bytes of a journal that an earlier worker left; `None` where there is none, empty where it came no further than
/// the directory.
pub(super) fn recall(path: &HostPath) -> Result<Option<Vec<u8>>, HostError> {
    let doing = format!("recall the journal `{path}`");
    let Some((_, directory)) = open_own(path, &doing)? else {
        return Ok(None);
    };
    match read_own(&directory, journal::FILE_NAME.as_bytes(), RECALL_BYTES, &doing)? {
        Some(bytes) => Ok(Some(bytes)),
        None => Ok(Some(Vec::new())),
    }
}

/// Gives what an earlier worker left sealed, unsealed again.
pub(super) fn recall_spool(path: &HostPath, take: &mut dyn FnMut(Digest, &[u8])) -> Result<(), HostError> {
    let doing = format!("recall the spool of `{path}`");
    let Some((_, directory)) = open_own(path, &doing)? else {
        return Ok(());
    };
    let mut sealed = Vec::new();
    for entry in Dir::read_from(&directory).map_err(|errno| refused(&doing, errno))? {
        let entry = entry.map_err(|errno| refused(&doing, errno))?;
        sealed.extend(
            entry
                .file_name()
                .to_str()
                .ok()
                .and_then(|name| name.parse::<Digest>().ok()),
        );
    }
    sealed.sort();
    for digest in sealed {
        let doing = format!("{doing}: read `{digest}`");
        let limit = SEALED_BYTES + SEAL.len() as u64;
        let Some(mut bytes) = read_own(&directory, digest.to_string().as_bytes(), limit, &doing)? else {
            continue;
        };
        // A worker that died while it sealed left less than the whole header.
        let header = if bytes.starts_with(SEAL) {
            SEAL.len()
        } else {
            bytes.len()
        };
        bytes.drain(..header);
        for byte in &mut bytes {
            *byte ^= TURN;
        }
        take(digest, &bytes);
    }
    Ok(())
}

/// The bytes of one of our files in a journal's directory; `None` where there is none.
fn read_own(directory: &OwnedFd, name: &[u8], limit: u64, doing: &str) -> Result<Option<Vec<u8>>, HostError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(directory, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(changed(doing, "a file of ours", "a link")),
        Err(errno) => return Err(refused(doing, errno)),
    };
    let stat = fstat(&file).map_err(|errno| refused(doing, errno))?;
    let ours = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && stat.st_uid == rustix::process::geteuid().as_raw()
        && stat.st_mode & 0o077 == 0
        && stat.st_nlink == 1;
    if !ours {
        return Err(changed(doing, "a file of ours alone", "something else"));
    }
    let mut bytes = Vec::new();
    File::from(file)
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(doing, &error))?;
    if bytes.len() as u64 > limit {
        return Err(HostError::TooLarge {
            doing: doing.to_owned(),
            limit,
        });
    }
    Ok(Some(bytes))
}

/// Removes a journal and its spool that an earlier worker left.
pub(super) fn forget(path: &HostPath) -> Result<(), HostError> {
    let doing = format!("remove the journal `{path}`");
    match open_own(path, &doing)? {
        Some((parent, directory)) => clear(&parent, &directory, path, &doing),
        None => Ok(()),
    }
}

#[cfg(test)]
#[expect(clippy::type_complexity, reason = "rows of tables")]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::platform::linux::hands::bench;

    const NAME: &str = ".deminer-0123456789abcdef0123456789abcdef";

    fn at(home: &Path) -> (PathBuf, HostPath) {
        (home.join(NAME), bench::host_path(&home.join(NAME)))
    }

    #[test]
    fn a_journal_from_making_to_forgetting() {
        let home = bench::home();
        let (dir, path) = at(home.path());
        assert_eq!(recall(&path), Ok(None));
        let mut journal = Journal::make(&path, 100).expect("free");
        assert_eq!(fs::metadata(&dir).expect("ours").mode() & 0o7777, 0o700);
        assert_eq!(fs::metadata(dir.join("journal")).expect("ours").mode() & 0o7777, 0o600);
        journal.append(b"one\n").expect("ours");
        journal.append(b"two\n").expect("ours");
        let digest = Digest::of(b"#!/bin/sh\n");
        journal.spool(digest, b"#!/bin/sh\n").expect("it fits");
        journal.spool(digest, b"#!/bin/sh\n").expect("it is there already");
        let sealed = fs::read(dir.join(digest.to_string())).expect("ours");
        let body = sealed.strip_prefix(SEAL).expect("its header");
        assert_eq!(body.iter().map(|b| b ^ TURN).collect::<Vec<u8>>(), b"#!/bin/sh\n");
        assert_eq!(
            fs::metadata(dir.join(digest.to_string())).expect("ours").mode() & 0o7777,
            0o400
        );
        let big = vec![1; 100];
        assert!(matches!(
            journal.spool(Digest::of(&big), &big),
            Err(HostError::TooLarge { .. })
        ));
        assert!(matches!(
            journal.spool(Digest::of(&big), b"other"),
            Err(HostError::Changed { .. })
        ));
        drop(journal);
        assert_eq!(recall(&path), Ok(Some(b"one\ntwo\n".to_vec())));
        let mut spool = Vec::new();
        recall_spool(&path, &mut |digest, bytes| spool.push((digest, bytes.to_vec()))).expect("ours");
        assert_eq!(spool, [(digest, b"#!/bin/sh\n".to_vec())]);
        forget(&path).expect("ours");
        assert!(!dir.exists());
        assert_eq!(forget(&path), Ok(()), "none there is no error");
        let journal: Box<dyn Store> = Box::new(Journal::make(&path, 100).expect("free"));
        journal.remove().expect("ours");
        assert!(!dir.exists());
    }

    #[test]
    fn what_was_prepared_for_us_is_not_taken() {
        let rows: [(&str, fn(&Path)); 3] = [
            ("a directory", |dir| fs::create_dir(dir).expect("a folder")),
            ("a file", |dir| fs::write(dir, "x").expect("a file")),
            ("a link", |dir| symlink("/tmp", dir).expect("a link")),
        ];
        for (name, prepare) in rows {
            let home = bench::home();
            let (dir, path) = at(home.path());
            prepare(&dir);
            let made = Journal::make(&path, 0).map(|_| ());
            assert!(matches!(made, Err(HostError::Changed { .. })), "{name}: {made:?}");
            assert!(fs::symlink_metadata(&dir).is_ok(), "{name} is left alone");
            for result in [recall(&path).map(|_| ()), forget(&path)] {
                // A fresh folder has not our mode, unless the umask gives it; then it counts as an empty journal of ours.
                let ours = name == "a directory" && fs::metadata(&dir).is_ok_and(|m| m.mode() & 0o7777 == 0o700);
                assert!(
                    ours || matches!(result, Err(HostError::Changed { .. })),
                    "{name}: {result:?}"
                );
            }
        }
    }

    #[test]
    fn foreign_names_stay() {
        let home = bench::home();
        let (dir, path) = at(home.path());
        drop(Journal::make(&path, 0).expect("free"));
        fs::write(dir.join("keep.txt"), "x").expect("a file");
        assert!(matches!(forget(&path), Err(HostError::Changed { .. })));
        assert!(dir.join("keep.txt").exists());
        fs::remove_file(dir.join("keep.txt")).expect("ours");
        symlink("/etc/hostname", dir.join("journal")).expect("a link");
        assert!(matches!(recall(&path), Err(HostError::Changed { .. })));
        forget(&path).expect("the link goes, not what it points to");
        assert!(Path::new("/etc/hostname").exists() || !dir.exists());
    }

    #[test]
    fn other_paths_are_refused() {
        let home = bench::home();
        let other = bench::host_path(&home.path().join("journal"));
        let dots = HostPath::new([home.path().as_os_str().as_encoded_bytes(), b"/../", NAME.as_bytes()].concat());
        let relative = HostPath::from(NAME);
        for path in [other, dots, relative] {
            let results = [
                Journal::make(&path, 0).map(|_| ()),
                recall(&path).map(|_| ()),
                forget(&path),
            ];
            for result in results {
                assert!(matches!(result, Err(HostError::Protected { .. })), "{path}: {result:?}");
            }
        }
        fs::set_permissions(home.path(), PermissionsExt::from_mode(0o777)).expect("ours");
        let (_, path) = at(home.path());
        let made = Journal::make(&path, 0).map(|_| ());
        assert!(
            matches!(made, Err(HostError::Protected { .. })),
            "anybody may rename there: {made:?}"
        );
    }
}
