//! Unlinking one symbolic link, and making it again. What it points to is never touched.

use rustix::fs::{
    AtFlags, FileType, Gid, Stat, Timespec, Timestamps, Uid, chownat, readlinkat, statat, symlinkat, utimensat,
};
use rustix::io::Errno;

use super::files::{self, Place};
use super::{changed, refused, remove};
use crate::action::{Arming, Done, LinkTarget, Undo};
use crate::query::{FileId, HostError};
use crate::text::{HostPath, Wide};

/// Moves the link to a name of our own, checks there that it is the one meant, and unlinks it.
pub(super) fn remove(target: &LinkTarget) -> Result<Done, HostError> {
    let doing = format!("remove `{}`", target.path);
    let Some(place) = files::place(&target.mount, &target.path, &doing)? else {
        return Ok(Done::Gone);
    };
    let Some(own) = take_name(&place, target, &doing)? else {
        return Ok(Done::Gone);
    };
    let link = remove::unlink(&place, &own, "link", &doing, || met(&place, &own, target, &doing))?;
    Ok(Done::Changed {
        undo: Undo::RestoreLink { link },
    })
}

/// Gives the link its name back that a removal held under ours when its worker died.
///
/// # Errors
/// When the system refuses.
pub(super) fn tidy(target: &LinkTarget) -> Result<(), HostError> {
    let doing = format!("give `{}` its name back", target.path);
    // A place that is not reached the plain way was never written to.
    let Ok(Some(place)) = files::place(&target.mount, &target.path, &doing) else {
        return Ok(());
    };
    let own = target.name_in_removal().file_name().to_vec();
    if rest_of_an_earlier_removal(&place, &own, target, &doing)? {
        remove::rename_free(&place, &own, &place.name).map_err(|errno| refused(&doing, errno))?;
        place.sync();
    }
    Ok(())
}

/// Makes the link again, never over something: disarmed beside its place, where nothing follows it. One that stands at its
/// place and points there is found done; armed, what was put beside it goes.
pub(super) fn restore(target: &LinkTarget, arming: Arming) -> Result<Done, HostError> {
    let doing = format!("restore `{}`", target.path);
    let gone = || HostError::Gone {
        doing: format!("{doing}: find its directory"),
    };
    let place = files::place(&target.mount, &target.path, &doing)?.ok_or_else(gone)?;
    let beside = target.name_disarmed().file_name().to_vec();
    let points_there = |name: &[u8]| {
        readlinkat(&place.dir, name, Vec::new()).is_ok_and(|to| to.as_bytes() == target.target.as_bytes())
    };
    if points_there(&place.name) {
        if arming == Arming::Armed && points_there(&beside) {
            place.unlink(&beside, &doing)?;
        }
        return Ok(Done::Gone);
    }
    let name = match arming {
        Arming::Disarmed => &beside,
        Arming::Armed => &place.name,
    };
    if arming == Arming::Disarmed && points_there(name) {
        return Ok(Done::Gone);
    }
    let temp = remove::random_name();
    symlinkat(target.target.as_path(), &place.dir, &temp[..]).map_err(|errno| refused(&doing, errno))?;
    let made = dress(&place, &temp, target, &doing).and_then(|()| match remove::rename_free(&place, &temp, name) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => Err(changed(&doing, "a free name", "something that stands there")),
        Err(errno) => Err(refused(&doing, errno)),
    });
    if let Err(error) = made {
        place.unlink(&temp, &doing)?;
        return Err(error);
    }
    if arming == Arming::Armed && points_there(&beside) {
        place.unlink(&beside, &doing)?;
    }
    place.sync();
    Ok(Done::Changed { undo: Undo::None })
}

/// Gives a link that we made its owner and its time.
fn dress(place: &Place, name: &[u8], target: &LinkTarget, doing: &str) -> Result<(), HostError> {
    let (uid, gid) = (Uid::from_raw(target.uid), Gid::from_raw(target.gid));
    chownat(&place.dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|errno| refused(doing, errno))?;
    let time = Timespec {
        tv_sec: i64::try_from(target.mtime_ns.0 / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(target.mtime_ns.0 % 1_000_000_000).unwrap_or(0),
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(&place.dir, name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(|errno| refused(doing, errno))
}

/// Gives the link a name of our own, if it is the one meant; `None` when there is nothing.
fn take_name(place: &Place, target: &LinkTarget, doing: &str) -> Result<Option<Vec<u8>>, HostError> {
    let own = target.name_in_removal().file_name().to_vec();
    if rest_of_an_earlier_removal(place, &own, target, doing)? {
        return Ok(Some(own));
    }
    if stat(place, &place.name, doing)?.is_none() {
        return Ok(None);
    }
    met(place, &place.name, target, doing)?;
    remove::rename_own(place, own, doing)
}

fn stat(place: &Place, name: &[u8], doing: &str) -> Result<Option<Stat>, HostError> {
    match statat(&place.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(refused(doing, errno)),
    }
}

/// The link as it is met under a name.
///
/// # Errors
/// `Changed` when it is no link, another inode, or points elsewhere; `Gone` when nothing is there.
fn met(place: &Place, name: &[u8], target: &LinkTarget, doing: &str) -> Result<LinkTarget, HostError> {
    let gone = || HostError::Gone {
        doing: doing.to_owned(),
    };
    let stat = stat(place, name, doing)?.ok_or_else(gone)?;
    let id = FileId {
        dev: Wide(stat.st_dev),
        inode: Wide(stat.st_ino),
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        return Err(changed(doing, "a symbolic link", "another kind of file"));
    }
    let points_to = readlinkat(&place.dir, name, Vec::new()).map_err(|errno| refused(doing, errno))?;
    let points_to = HostPath::new(points_to.as_bytes());
    if id != target.id || points_to != target.target {
        return Err(changed(
            doing,
            format_args!("a link {}:{} to `{}`", target.id.dev, target.id.inode, target.target),
            format_args!("{}:{} to `{points_to}`", id.dev, id.inode),
        ));
    }
    Ok(LinkTarget {
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime_ns: Wide(files::mtime_ns(&stat)),
        ..target.clone()
    })
}

/// Whether our own name already holds the link: an earlier worker died between its two steps.
fn rest_of_an_earlier_removal(place: &Place, own: &[u8], target: &LinkTarget, doing: &str) -> Result<bool, HostError> {
    Ok(met(place, own, target, doing).is_ok() && stat(place, &place.name, doing)?.is_none())
}

#[cfg(test)]
#[expect(clippy::type_complexity, reason = "rows of tables")]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::path::Path;

    use super::*;
    use crate::platform::linux::hands::bench;

    /// A link, as a plan names it.
    fn target_of(path: &Path) -> LinkTarget {
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

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .expect("a folder")
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_link_goes_and_what_it_points_to_stays() {
        let home = bench::home();
        fs::write(home.path().join("a.service"), "unit").expect("a file");
        let path = home.path().join("wants.service");
        symlink("a.service", &path).expect("a link");
        let target = target_of(&path);
        let Ok(Done::Changed {
            undo: Undo::RestoreLink { link },
        }) = remove(&target)
        else {
            panic!("it is the one meant")
        };
        assert_eq!(link, target);
        assert_eq!(names(home.path()), ["a.service"]);
        assert_eq!(remove(&target), Ok(Done::Gone), "done twice is done once");

        let changed = Ok(Done::Changed { undo: Undo::None });
        assert_eq!(restore(&link, Arming::Disarmed), changed);
        assert_eq!(restore(&link, Arming::Disarmed), Ok(Done::Gone));
        assert_eq!(names(home.path()), [".wants.service.disarmed", "a.service"]);
        assert_eq!(restore(&link, Arming::Armed), changed);
        assert_eq!(restore(&link, Arming::Armed), Ok(Done::Gone));
        assert_eq!(names(home.path()), ["a.service", "wants.service"]);
        let back = target_of(&path);
        assert_eq!((back.target, back.mtime_ns), (target.target, target.mtime_ns));
    }

    #[test]
    fn a_dangling_link_goes_too() {
        let home = bench::home();
        let path = home.path().join("wants.service");
        symlink("/nowhere/a.service", &path).expect("a link");
        assert!(matches!(remove(&target_of(&path)), Ok(Done::Changed { .. })));
        assert!(names(home.path()).is_empty());
    }

    #[test]
    fn another_link_stays() {
        let rows: [(&str, fn(&Path, &mut LinkTarget)); 5] = [
            ("points elsewhere", |path, _| {
                fs::remove_file(path).expect("ours");
                symlink("other.service", path).expect("a link");
            }),
            ("made anew", |path, _| {
                // Made before the old one goes, so that it has another inode.
                symlink("a.service", path.with_extension("new")).expect("a link");
                fs::rename(path.with_extension("new"), path).expect("ours");
            }),
            ("a file by now", |path, _| {
                fs::remove_file(path).expect("ours");
                fs::write(path, "a file").expect("ours");
            }),
            ("a directory by now", |path, _| {
                fs::remove_file(path).expect("ours");
                fs::create_dir(path).expect("ours");
            }),
            ("outside of its mount", |_, target| {
                target.mount = bench::host_path(Path::new("/dev/shm"));
            }),
        ];
        for (name, alter) in rows {
            let home = bench::home();
            let path = home.path().join("wants.service");
            symlink("a.service", &path).expect("a link");
            let mut target = target_of(&path);
            alter(&path, &mut target);
            let before = names(home.path());
            let result = remove(&target);
            assert!(
                matches!(result, Err(HostError::Changed { .. } | HostError::Protected { .. })),
                "{name}: {result:?}"
            );
            assert_eq!(names(home.path()), before, "{name}");
        }
    }

    #[test]
    fn a_removal_that_was_cut_is_put_in_order() {
        let home = bench::home();
        let path = home.path().join("wants.service");
        symlink("a.service", &path).expect("a link");
        let target = target_of(&path);
        let own = String::from_utf8(target.name_in_removal().file_name().to_vec()).expect("ours");
        fs::rename(&path, home.path().join(&own)).expect("ours");
        tidy(&target).expect("the name is free");
        assert_eq!(names(home.path()), ["wants.service"]);
        fs::rename(&path, home.path().join(&own)).expect("ours");
        assert!(matches!(remove(&target), Ok(Done::Changed { .. })), "the rest goes too");
        assert!(names(home.path()).is_empty());
    }

    #[test]
    fn a_taken_place_is_left_alone() {
        let home = bench::home();
        let path = home.path().join("wants.service");
        symlink("a.service", &path).expect("a link");
        let target = target_of(&path);
        fs::remove_file(&path).expect("ours");
        fs::write(&path, "somebody was faster").expect("ours");
        let result = restore(&target, Arming::Armed);
        assert!(matches!(result, Err(HostError::Changed { .. })), "{result:?}");
        assert_eq!(names(home.path()), ["wants.service"]);
    }
}
