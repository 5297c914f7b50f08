//! Taking removals and edits back. What comes back cannot run by itself: a file without its execute bits, a persistence
//! line as a comment.

use std::io::Write;

use rustix::fs::{OFlags, Timespec, Timestamps, futimens, linkat};
use rustix::io::Errno;

use super::files::{self, Place};
use super::rewrite::{Rewritten, create, rewrite};
use super::{changed, failed, lines, metadata, refused, remove};
use crate::action::{Arming, Done, FileTarget, LineTarget, Undo};
use crate::query::HostError;
use crate::text::Digest;

/// Writes a file again, never over another. One that stands there with the same content is found done.
pub(super) fn restore_file(target: &FileTarget, content: Option<&[u8]>, arming: Arming) -> Result<Done, HostError> {
    let doing = format!("restore `{}`", target.path);
    let Some(place) = Place::of(target, &doing)? else {
        return Err(HostError::Gone {
            doing: format!("{doing}: find its directory"),
        });
    };
    match place.now(&target.mount, &doing) {
        Ok(None) => {}
        Ok(Some(pinned)) => {
            let file = pinned.open(OFlags::RDONLY, &doing)?;
            files::same_content(&file, target, &doing)?;
            return Ok(Done::Gone);
        }
        Err(HostError::Protected { why, .. }) => return Err(changed(&doing, "a free name", why)),
        Err(error) => return Err(error),
    }
    let Some(content) = content else {
        return Err(HostError::Failed {
            doing,
            why: "the vault gave no content".to_owned(),
        });
    };
    let found = Digest::of(content);
    if found != target.sha256 {
        return Err(changed(
            &doing,
            format_args!("content {}", target.sha256.short()),
            format_args!("content {} from the vault", found.short()),
        ));
    }
    let temp = remove::random_name();
    let written = write_beside(&place, &temp, target, content, arming, &doing).and_then(|file| {
        match link_free(&place, &temp) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(changed(&doing, "a free name", "a file that came meanwhile")),
            Err(errno) => return Err(refused(&doing, errno)),
        }
        metadata::take_over_flags(&file, target.flags, &doing)
            .or_else(|error| place.unlink(&place.name, &doing).and(Err(error)))
    });
    place.unlink(&temp, &doing)?;
    place.sync();
    written.map(|()| Done::Changed { undo: Undo::None })
}

/// Writes a file that starts something again: disarmed beside its place, where nothing reads it. One that stands armed at
/// its place is found done; armed, what was put beside it goes.
pub(super) fn restore_starter(target: &FileTarget, content: Option<&[u8]>, arming: Arming) -> Result<Done, HostError> {
    let beside = FileTarget {
        path: target.name_disarmed(),
        ..target.clone()
    };
    match arming {
        Arming::Disarmed => {
            let doing = format!("restore `{}`", target.path);
            if let Some(place) = Place::of(target, &doing)?
                && let Ok(Some(pinned)) = place.now(&target.mount, &doing)
                && files::same_content(&pinned.open(OFlags::RDONLY, &doing)?, target, &doing).is_ok()
            {
                return Ok(Done::Gone);
            }
            restore_file(&beside, content, Arming::Disarmed)
        }
        Arming::Armed => {
            let done = restore_file(target, content, Arming::Armed)?;
            let doing = format!("remove `{}`", beside.path);
            if let Some(place) = Place::of(&beside, &doing)?
                && let Ok(Some(pinned)) = place.now(&beside.mount, &doing)
                && files::same_content(&pinned.open(OFlags::RDONLY, &doing)?, &beside, &doing).is_ok()
            {
                place.unlink(&place.name, &doing)?;
            }
            Ok(done)
        }
    }
}

/// Writes the file under a name of ours, with all that it had; disarmed without what lets it run.
fn write_beside(
    place: &Place,
    temp: &[u8],
    target: &FileTarget,
    content: &[u8],
    arming: Arming,
    doing: &str,
) -> Result<std::fs::File, HostError> {
    let armed = arming == Arming::Armed;
    let mode = if armed { target.mode } else { target.mode & 0o666 };
    let mut file = create(place, temp, doing)?;
    file.write_all(content).map_err(|error| failed(doing, &error))?;
    metadata::set_owner(&file, target.uid, target.gid, mode, doing)?;
    let harmless = |name: &[u8]| armed || name != b"security.capability";
    metadata::set_xattrs(&file, &target.xattrs, harmless, doing)?;
    // An access list brings its own execute bits.
    metadata::set_owner(&file, target.uid, target.gid, mode, doing)?;
    futimens(&file, &times_of(target)).map_err(|errno| refused(doing, errno))?;
    file.sync_all().map_err(|error| failed(doing, &error))?;
    Ok(file)
}

/// The time at which its content last changed, for both times that can be set.
fn times_of(target: &FileTarget) -> Timestamps {
    let time = Timespec {
        tv_sec: i64::try_from(target.mtime_ns.0 / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(target.mtime_ns.0 % 1_000_000_000).unwrap_or(0),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// Gives the file its name, and never over something: by a link, or where the file system has none, by a rename.
fn link_free(place: &Place, temp: &[u8]) -> Result<(), Errno> {
    match linkat(
        &place.dir,
        temp,
        &place.dir,
        &place.name[..],
        rustix::fs::AtFlags::empty(),
    ) {
        Err(Errno::PERM | Errno::OPNOTSUPP) => remove::rename_free(place, temp, &place.name),
        linked => linked,
    }
}

/// Puts lines back where they stood. Where the text is by that what it was before the edit, its time is too.
pub(super) fn restore_lines(target: &FileTarget, lines: &[LineTarget], arming: Arming) -> Result<Done, HostError> {
    let doing = format!("restore lines of `{}`", target.path);
    let rewritten = rewrite(target, &doing, |text| {
        Ok(lines::put_back(text, lines, arming).map(|text| {
            let same = Digest::of(&text) == target.sha256;
            (text, same)
        }))
    })?;
    match rewritten {
        Rewritten::Gone => Err(HostError::Gone { doing }),
        Rewritten::Nothing => Ok(Done::Gone),
        Rewritten::Done(_, same) => {
            if same
                && let Some(place) = Place::of(target, &doing)?
                && let Some(pinned) = place.now(&target.mount, &doing)?
            {
                let file = pinned.open(OFlags::RDONLY, &doing)?;
                futimens(&file, &times_of(target)).map_err(|errno| refused(&doing, errno))?;
            }
            Ok(Done::Changed { undo: Undo::None })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;
    use crate::platform::linux::hands::{bench, edit};
    use crate::text::HostBytes;

    #[test]
    fn a_file_comes_back_and_cannot_run() {
        let home = bench::home();
        let path = home.path().join("miner");
        fs::write(&path, "bytes").expect("a file");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o6755)).expect("ours");
        let target = bench::file_target(&path);
        let Ok(Done::Changed {
            undo: Undo::RestoreFile { file },
        }) = remove::remove(&target)
        else {
            panic!("it is the one meant")
        };
        let result = restore_file(&file, Some(b"other"), Arming::Disarmed);
        assert!(matches!(result, Err(HostError::Changed { .. })), "{result:?}");
        assert!(matches!(
            restore_file(&file, None, Arming::Disarmed),
            Err(HostError::Failed { .. })
        ));
        assert!(!path.exists());
        assert_eq!(
            restore_file(&file, Some(b"bytes"), Arming::Disarmed),
            Ok(Done::Changed { undo: Undo::None })
        );
        let meta = fs::metadata(&path).expect("it is back");
        assert_eq!(
            (meta.mode() & 0o7777, meta.uid(), meta.gid()),
            (0o644, target.uid, target.gid)
        );
        assert_eq!(bench::file_target(&path).mtime_ns, target.mtime_ns);
        assert_eq!(
            restore_file(&file, Some(b"bytes"), Arming::Disarmed),
            Ok(Done::Gone),
            "done twice is done once"
        );
        assert_eq!(fs::read_dir(home.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn what_took_the_place_stays() {
        let home = bench::home();
        let path = home.path().join("miner");
        fs::write(&path, "bytes").expect("a file");
        let target = bench::file_target(&path);
        fs::write(&path, "another").expect("ours");
        let result = restore_file(&target, Some(b"bytes"), Arming::Disarmed);
        assert!(matches!(result, Err(HostError::Changed { .. })), "{result:?}");
        assert_eq!(fs::read(&path).expect("ours"), b"another");
        fs::remove_file(&path).expect("ours");
        symlink("/etc/hostname", &path).expect("a link");
        let result = restore_file(&target, Some(b"bytes"), Arming::Disarmed);
        assert!(matches!(result, Err(HostError::Changed { .. })), "{result:?}");
        fs::remove_file(&path).expect("ours");
        fs::create_dir(&path).expect("a folder");
        let result = restore_file(&target, Some(b"bytes"), Arming::Disarmed);
        assert!(matches!(result, Err(HostError::Changed { .. })), "{result:?}");
        let mut lost = target.clone();
        lost.path = bench::host_path(&home.path().join("no/miner"));
        assert!(matches!(
            restore_file(&lost, Some(b"bytes"), Arming::Disarmed),
            Err(HostError::Gone { .. })
        ));
    }

    #[test]
    fn lines_come_back_as_comments() {
        let home = bench::home();
        let path = home.path().join("root");
        fs::write(&path, "a\nm\nb\n").expect("a file");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("ours");
        let target = bench::file_target(&path);
        let condemned = LineTarget {
            number: 2,
            line: HostBytes::from("m"),
            mark: HostBytes::from("m"),
        };
        let Ok(Done::Changed {
            undo: Undo::RestoreLines { file, lines },
        }) = edit::edit(&target, &[condemned], None)
        else {
            panic!("it stands there")
        };
        assert!(matches!(
            restore_lines(&file, &lines, Arming::Disarmed),
            Ok(Done::Changed { .. })
        ));
        assert_eq!(fs::read(&path).expect("ours"), b"a\n#deminer-disarmed# m\nb\n");
        assert_eq!(fs::metadata(&path).expect("ours").mode() & 0o7777, 0o600);
        assert_eq!(restore_lines(&file, &lines, Arming::Disarmed), Ok(Done::Gone));
        fs::remove_file(&path).expect("ours");
        assert!(matches!(
            restore_lines(&file, &lines, Arming::Disarmed),
            Err(HostError::Gone { .. })
        ));
    }
}
