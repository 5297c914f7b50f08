//! Unlinking one symbolic link, and making it again.
//!
//! A link is what it points to: it is compared by device, inode and target, never followed.

use rustix::fs::{
    AtFlags, FileType, Gid, Stat, Timespec, Timestamps, Uid, chownat, readlinkat, statat, symlinkat, utimensat,
};
use rustix::io::Errno;

use super::files::{self, Place};
use super::remove::{put_back, random_name, rename_free};
use super::{changed, protected, refused};
use crate::action::{Arming, Done, LinkTarget, Undo};
use crate::query::HostError;
use crate::text::{HostPath, Wide};

/// A link as it stands under some name.
struct Met {
    stat: Stat,
    target: HostPath,
}

/// Moves the link to a name of our own, checks there that it is the one meant, and unlinks it.
pub(super) fn remove(link: &LinkTarget) -> Result<Done, HostError> {
    let doing = format!("remove the link `{}`", link.path);
    let Some(place) = files::place(&link.mount, &link.path, &doing)? else {
        return Ok(Done::Gone);
    };
    let Some(own) = take_name(&place, link, &doing)? else {
        return Ok(Done::Gone);
    };
    let met = match check(&place, &own, link, &doing).and_then(|met| place.unlink(&own, &doing).map(|()| met)) {
        Ok(met) => met,
        Err(error) => return Err(put_back(&place, &own, error, &doing)),
    };
    place.sync();
    match statat(&place.dir, &own[..], AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(Done::Changed {
            undo: Undo::RestoreLink { link: met },
        }),
        Ok(_) => Err(changed(&doing, "nothing under the name that was unlinked", "a file")),
        Err(errno) => Err(refused(&doing, errno)),
    }
}

/// Gives the link its name back that a removal held under ours when its worker died.
///
/// # Errors
/// When the system refuses.
pub(super) fn tidy(link: &LinkTarget) -> Result<(), HostError> {
    let doing = format!("give the link `{}` its name back", link.path);
    // A place that is not reached the plain way was never written to.
    let Ok(Some(place)) = files::place(&link.mount, &link.path, &doing) else {
        return Ok(());
    };
    let own = link.name_in_removal().file_name().to_vec();
    if is_rest(&place, &own, link, &doing)? {
        rename_free(&place, &own, &place.name).map_err(|errno| refused(&doing, errno))?;
        place.sync();
    }
    Ok(())
}

/// Makes a link again, never over another name; disarmed under a name that nothing reads. One that stands there with the
/// same target is found done.
pub(super) fn restore(link: &LinkTarget, arming: Arming) -> Result<Done, HostError> {
    let doing = format!("make the link `{}` again", link.path);
    let path = match arming {
        Arming::Armed => link.path.clone(),
        Arming::Disarmed => link.name_disarmed(),
    };
    let Some(place) = files::place(&link.mount, &path, &doing)? else {
        return Err(HostError::Gone {
            doing: format!("{doing}: find its directory"),
        });
    };
    match meet(&place, &place.name, &doing) {
        Ok(None) => {}
        Ok(Some(met)) if met.target == link.target => return Ok(Done::Gone),
        Ok(Some(met)) => {
            return Err(changed(
                &doing,
                "a free name",
                format_args!("a link to `{}`", met.target),
            ));
        }
        Err(HostError::Changed { found, .. }) => return Err(changed(&doing, "a free name", found)),
        Err(error) => return Err(error),
    }
    let temp = random_name();
    symlinkat(link.target.as_bytes(), &place.dir, &temp[..]).map_err(|errno| refused(&doing, errno))?;
    let made = dress(&place, &temp, link, &doing).and_then(|()| {
        rename_free(&place, &temp, &place.name).map_err(|errno| match errno {
            Errno::EXIST => changed(&doing, "a free name", "a file that came meanwhile"),
            errno => refused(&doing, errno),
        })
    });
    if made.is_err() {
        place.unlink(&temp, &doing)?;
    }
    place.sync();
    made.map(|()| Done::Changed { undo: Undo::None })
}

/// Gives a link its owner and its time.
fn dress(place: &Place, name: &[u8], link: &LinkTarget, doing: &str) -> Result<(), HostError> {
    let (uid, gid) = (Uid::from_raw(link.uid), Gid::from_raw(link.gid));
    chownat(&place.dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|errno| refused(doing, errno))?;
    let time = Timespec {
        tv_sec: i64::try_from(link.mtime_ns.0 / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(link.mtime_ns.0 % 1_000_000_000).unwrap_or(0),
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(&place.dir, name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(|errno| refused(doing, errno))
}

/// The link of that name; `None` where there is nothing.
///
/// # Errors
/// `Changed` for a regular file, `Protected` for everything else that is no link.
fn meet(place: &Place, name: &[u8], doing: &str) -> Result<Option<Met>, HostError> {
    let stat = match statat(&place.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(refused(doing, errno)),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => {}
        FileType::RegularFile => return Err(changed(doing, "a symbolic link", "a regular file")),
        FileType::Directory => return Err(protected(doing, "it is a directory")),
        _ => return Err(protected(doing, "it is a device, a FIFO or a socket")),
    }
    match readlinkat(&place.dir, name, Vec::new()) {
        Ok(target) => Ok(Some(Met {
            stat,
            target: HostPath::new(target.into_bytes()),
        })),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(refused(doing, errno)),
    }
}

impl Met {
    fn is(&self, link: &LinkTarget) -> bool {
        (self.stat.st_dev, self.stat.st_ino) == (link.id.dev.0, link.id.inode.0) && self.target == link.target
    }

    /// # Errors
    /// `Changed` when it is another link.
    fn must_be(&self, link: &LinkTarget, doing: &str) -> Result<(), HostError> {
        if self.is(link) {
            return Ok(());
        }
        Err(changed(
            doing,
            format_args!("a link to `{}`, inode {}", link.target, link.id.inode),
            format_args!("a link to `{}`, inode {}", self.target, self.stat.st_ino),
        ))
    }
}

/// Gives the link a name of our own, if it is the one meant; `None` when there is none.
fn take_name(place: &Place, link: &LinkTarget, doing: &str) -> Result<Option<Vec<u8>>, HostError> {
    let own = link.name_in_removal().file_name().to_vec();
    if is_rest(place, &own, link, doing)? {
        return Ok(Some(own));
    }
    let Some(met) = meet(place, &place.name, doing)? else {
        return Ok(None);
    };
    met.must_be(link, doing)?;
    // Somebody may have planted the name that we would have after a crash.
    for own in [own, random_name()] {
        match rename_free(place, &place.name, &own) {
            Ok(()) => return Ok(Some(own)),
            Err(Errno::EXIST) => {}
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(refused(doing, errno)),
        }
    }
    Err(refused(doing, Errno::EXIST))
}

/// Checks what now has our own name, and gives it as it is met.
fn check(place: &Place, own: &[u8], link: &LinkTarget, doing: &str) -> Result<LinkTarget, HostError> {
    let met = meet(place, own, doing)?.ok_or_else(|| HostError::Gone {
        doing: doing.to_owned(),
    })?;
    met.must_be(link, doing)?;
    Ok(LinkTarget {
        uid: met.stat.st_uid,
        gid: met.stat.st_gid,
        mtime_ns: Wide(files::mtime_ns(&met.stat)),
        ..link.clone()
    })
}

/// Whether our own name already holds the link: an earlier worker died between its two steps.
fn is_rest(place: &Place, own: &[u8], link: &LinkTarget, doing: &str) -> Result<bool, HostError> {
    let Ok(Some(met)) = meet(place, own, doing) else {
        return Ok(false);
    };
    let gone = matches!(
        statat(&place.dir, &place.name[..], AtFlags::SYMLINK_NOFOLLOW),
        Err(Errno::NOENT)
    );
    Ok(met.is(link) && gone)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::path::Path;

    use super::*;
    use crate::platform::linux::hands::bench;
    use crate::query::FileId;

    fn link_target(path: &Path) -> LinkTarget {
        let meta = fs::symlink_metadata(path).expect("it is there");
        let target = fs::read_link(path).expect("a link");
        LinkTarget {
            mount: bench::mount_of(path),
            path: bench::host_path(path),
            id: FileId {
                dev: Wide(meta.dev()),
                inode: Wide(meta.ino()),
            },
            target: bench::host_path(&target),
            uid: meta.uid(),
            gid: meta.gid(),
            mtime_ns: Wide(meta.mtime() as u64 * 1_000_000_000 + meta.mtime_nsec() as u64),
        }
    }

    fn listing(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).expect("a folder");
        let mut names: Vec<String> = names
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_link_goes_and_its_target_stays() {
        let home = bench::home();
        let path = home.path().join("S99x");
        fs::write(home.path().join("x"), "script").expect("a file");
        symlink("../x", &path).expect("a link");
        let link = link_target(&path);
        let done = remove(&link).expect("it is the one meant");
        assert_eq!(
            done,
            Done::Changed {
                undo: Undo::RestoreLink { link: link.clone() }
            }
        );
        assert_eq!(listing(home.path()), ["x"]);
        assert_eq!(remove(&link), Ok(Done::Gone));

        assert_eq!(restore(&link, Arming::Disarmed), Ok(Done::Changed { undo: Undo::None }));
        assert_eq!(
            restore(&link, Arming::Disarmed),
            Ok(Done::Gone),
            "done twice is done once"
        );
        assert_eq!(listing(home.path()), [".S99x.disarmed", "x"]);
        assert_eq!(restore(&link, Arming::Armed), Ok(Done::Changed { undo: Undo::None }));
        let back = link_target(&path);
        assert_eq!(
            (back.target, back.uid, back.mtime_ns),
            (link.target, link.uid, link.mtime_ns)
        );
        assert_eq!(listing(home.path()), [".S99x.disarmed", "S99x", "x"]);
    }

    #[test]
    fn the_rest_of_an_earlier_removal() {
        let home = bench::home();
        let path = home.path().join("S99x");
        symlink("/tmp/x", &path).expect("a link");
        let link = link_target(&path);
        tidy(&link).expect("nothing was cut");
        let own = String::from_utf8(link.name_in_removal().file_name().to_vec()).expect("ours");
        fs::rename(&path, home.path().join(&own)).expect("ours");
        tidy(&link).expect("the name is free");
        assert_eq!(listing(home.path()), ["S99x"]);
        fs::rename(&path, home.path().join(&own)).expect("ours");
        assert!(matches!(remove(&link), Ok(Done::Changed { .. })));
        assert!(listing(home.path()).is_empty());
        symlink("/tmp/y", home.path().join(&own)).expect("planted");
        tidy(&link).expect("not ours");
        assert_eq!(listing(home.path()), [own], "another link gets no name");
    }

    #[test]
    fn a_name_planted_in_our_way_is_left_alone() {
        let home = bench::home();
        let path = home.path().join("S99x");
        symlink("/tmp/x", &path).expect("a link");
        let link = link_target(&path);
        let own = String::from_utf8(link.name_in_removal().file_name().to_vec()).expect("ours");
        fs::write(home.path().join(&own), "planted").expect("a file");
        assert!(matches!(remove(&link), Ok(Done::Changed { .. })));
        assert_eq!(listing(home.path()), [own]);
    }

    #[test]
    fn another_object_stays() {
        type Alter = fn(&Path, &mut LinkTarget);
        let rows: [(&str, Alter); 6] = [
            ("another target", |path, _| {
                fs::remove_file(path).expect("ours");
                symlink("/tmp/y", path).expect("a link");
            }),
            ("same target, another inode", |_, link| {
                link.id.inode = Wide(link.id.inode.0 + 1)
            }),
            ("a regular file", |path, _| {
                fs::remove_file(path).expect("ours");
                fs::write(path, "/tmp/x").expect("a file");
            }),
            ("a directory", |path, _| {
                fs::remove_file(path).expect("ours");
                fs::create_dir(path).expect("a folder");
            }),
            ("another device", |_, link| link.id.dev = Wide(link.id.dev.0 + 1)),
            ("outside of its mount", |_, link| {
                link.mount = bench::host_path(Path::new("/dev/shm"));
            }),
        ];
        for (name, alter) in rows {
            let home = bench::home();
            let path = home.path().join("S99x");
            symlink("/tmp/x", &path).expect("a link");
            let mut link = link_target(&path);
            alter(&path, &mut link);
            let before = listing(home.path());
            let result = remove(&link);
            assert!(
                matches!(result, Err(HostError::Changed { .. } | HostError::Protected { .. })),
                "{name}: {result:?}"
            );
            assert_eq!(listing(home.path()), before, "{name}");
        }
    }

    #[test]
    fn a_link_on_the_way_is_not_followed() {
        let home = bench::home();
        fs::create_dir(home.path().join("real")).expect("a folder");
        symlink("/tmp/x", home.path().join("real/S99x")).expect("a link");
        let mut link = link_target(&home.path().join("real/S99x"));
        symlink("real", home.path().join("rc3.d")).expect("a link");
        link.path = bench::host_path(&home.path().join("rc3.d/S99x"));
        // Root's own links in its own directories are the system's; a test's folder is only that when root runs it.
        let followed = remove(&link);
        match rustix::process::geteuid().is_root() {
            true => assert!(matches!(followed, Ok(Done::Changed { .. })), "{followed:?}"),
            false => assert!(matches!(followed, Err(HostError::Protected { .. })), "{followed:?}"),
        }
    }

    #[test]
    fn what_took_the_place_stays() {
        let home = bench::home();
        let path = home.path().join("S99x");
        symlink("/tmp/x", &path).expect("a link");
        let link = link_target(&path);
        fs::remove_file(&path).expect("ours");
        for (name, put) in [
            (
                "a file",
                (|path: &Path| fs::write(path, "another").expect("a file")) as fn(&Path),
            ),
            ("another link", |path: &Path| symlink("/tmp/y", path).expect("a link")),
        ] {
            put(&path);
            let result = restore(&link, Arming::Armed);
            assert!(matches!(result, Err(HostError::Changed { .. })), "{name}: {result:?}");
            fs::remove_file(&path).expect("ours");
        }
        assert!(listing(home.path()).is_empty());
        let lost = LinkTarget {
            path: bench::host_path(&home.path().join("no/S99x")),
            ..link
        };
        assert!(matches!(restore(&lost, Arming::Armed), Err(HostError::Gone { .. })));
    }
}
