//! Unlinking one name of a file.

use rustix::fs::{AtFlags, OFlags, RenameFlags, renameat, renameat_with, statat};
use rustix::io::Errno;

use super::files::{self, Place};
use super::{changed, metadata, random_digits, refused};
use crate::action::{Done, FileTarget, Undo};
use crate::query::HostError;
use crate::text::HostPath;

/// How names that we make are called, before 16 hexadecimal digits; as [`FileTarget::name_in_removal`] has them.
const PREFIX: &str = ".deminer-";

/// A name of ours that nobody can have foreseen.
pub(super) fn random_name() -> Vec<u8> {
    format!("{PREFIX}{}", random_digits()).into_bytes()
}

/// Moves the file to a name of our own, checks there that it is the one meant, and unlinks it.
pub(super) fn remove(target: &FileTarget) -> Result<Done, HostError> {
    let doing = format!("remove `{}`", target.path);
    let Some(place) = Place::of(target, &doing)? else {
        return Ok(Done::Gone);
    };
    let Some(own) = take_name(&place, target, &doing)? else {
        return Ok(Done::Gone);
    };
    let file = unlink(&place, &own, "file", &doing, || check(&place, &own, target, &doing))?;
    Ok(Done::Changed {
        undo: Undo::RestoreFile { file },
    })
}

/// Unlinks what has our own name, if it is what `check` meets there, and looks that it is gone; else gives the `kind` of
/// object its name back.
pub(super) fn unlink<T>(
    place: &Place,
    own: &[u8],
    kind: &str,
    doing: &str,
    check: impl FnOnce() -> Result<T, HostError>,
) -> Result<T, HostError> {
    let met = match check().and_then(|met| place.unlink(own, doing).map(|()| met)) {
        Ok(met) => met,
        Err(error) => return Err(put_back(place, own, error, kind, doing)),
    };
    place.sync();
    match statat(&place.dir, own, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(met),
        Ok(_) => Err(changed(doing, "nothing under the name that was unlinked", "a file")),
        Err(errno) => Err(refused(doing, errno)),
    }
}

/// The same for a file that starts something: it comes back where nothing reads it.
pub(super) fn remove_starter(target: &FileTarget) -> Result<Done, HostError> {
    Ok(match remove(target)? {
        Done::Changed {
            undo: Undo::RestoreFile { file },
        } => Done::Changed {
            undo: Undo::RestoreStarter { file },
        },
        done => done,
    })
}

/// Gives the file its name back that a removal held under ours when its worker died.
///
/// # Errors
/// When the system refuses.
pub(super) fn tidy(target: &FileTarget) -> Result<(), HostError> {
    let doing = format!("give `{}` its name back", target.path);
    // A place that is not reached the plain way was never written to.
    let Ok(Some(place)) = Place::of(target, &doing) else {
        return Ok(());
    };
    let own = target.name_in_removal().file_name().to_vec();
    if rest_of_an_earlier_removal(&place, &own, target, &doing)? {
        rename_free(&place, &own, &place.name).map_err(|errno| refused(&doing, errno))?;
        place.sync();
    }
    Ok(())
}

/// Gives the file a name of our own, if it is the one meant; `None` when there is no such file.
fn take_name(place: &Place, target: &FileTarget, doing: &str) -> Result<Option<Vec<u8>>, HostError> {
    let own = target.name_in_removal().file_name().to_vec();
    if rest_of_an_earlier_removal(place, &own, target, doing)? {
        return Ok(Some(own));
    }
    let Some((_pinned, file)) = files::same(place, target, doing)? else {
        return Ok(None);
    };
    if metadata::flags(&file, doing)?.is_some_and(|flags| flags & metadata::HOLDS_FAST != 0) {
        return Err(HostError::Denied {
            doing: format!("{doing}: clear its immutable and append-only flags first"),
        });
    }
    rename_own(place, own, doing)
}

/// Gives what stands in the place our own name, or another of ours where that is taken: somebody may have planted the name
/// that we would have after a crash. `None` when nothing stands there.
pub(super) fn rename_own(place: &Place, own: Vec<u8>, doing: &str) -> Result<Option<Vec<u8>>, HostError> {
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

/// Checks inode and content of what now has our own name, and gives it as it is met.
fn check(place: &Place, own: &[u8], target: &FileTarget, doing: &str) -> Result<FileTarget, HostError> {
    let pinned = place.pin(own, &target.mount, doing)?.ok_or_else(|| HostError::Gone {
        doing: doing.to_owned(),
    })?;
    pinned.must_be(target, doing)?;
    let file = pinned.open(OFlags::RDONLY, doing)?;
    files::same_content(&file, target, doing)?;
    metadata::as_met(target, &pinned.stat, &file, target.sha256, doing)
}

/// Whether our own name already holds the file: an earlier worker died between its two steps.
fn rest_of_an_earlier_removal(place: &Place, own: &[u8], target: &FileTarget, doing: &str) -> Result<bool, HostError> {
    let Ok(Some(pinned)) = place.pin(own, &target.mount, doing) else {
        return Ok(false);
    };
    // Under its old name too it is an ordinary removal, and the other name was planted.
    Ok(pinned.is(target) && place.now(&target.mount, doing)?.is_none())
}

/// Renames, and never over something. Where the kernel cannot promise that (before 3.15), the name is looked at first.
pub(super) fn rename_free(place: &Place, from: &[u8], to: &[u8]) -> Result<(), Errno> {
    match renameat_with(&place.dir, from, &place.dir, to, RenameFlags::NOREPLACE) {
        Err(Errno::NOSYS | Errno::INVAL) => match statat(&place.dir, to, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => renameat(&place.dir, from, &place.dir, to),
            Ok(_) => Err(Errno::EXIST),
            Err(errno) => Err(errno),
        },
        renamed => renamed,
    }
}

/// Gives what is not the one meant its name back, and gives the error that told so.
fn put_back(place: &Place, own: &[u8], error: HostError, kind: &str, doing: &str) -> HostError {
    match rename_free(place, own, &place.name) {
        Ok(()) => error,
        Err(errno) => HostError::Failed {
            doing: format!("{doing}: {error}; give the {kind} its name back"),
            why: format!("{errno}; it stands beside it as `{}`", HostPath::new(own)),
        },
    }
}

#[cfg(test)]
#[expect(clippy::type_complexity, reason = "rows of tables")]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use super::*;
    use crate::platform::linux::hands::bench;
    use crate::text::{Digest, Wide};

    fn listing(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(dir)
            .expect("a folder")
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_goes_and_stays_gone() {
        let home = bench::home();
        let path = home.path().join("miner");
        std::fs::write(&path, "bytes").expect("a file");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o751)).expect("ours");
        std::fs::hard_link(&path, home.path().join("second")).expect("a link");
        let target = bench::file_target(&path);
        let done = remove(&target).expect("it is the one meant");
        let Done::Changed {
            undo: Undo::RestoreFile { file },
        } = done
        else {
            panic!("{done:?}")
        };
        assert_eq!((file.mode, file.sha256, file.links), (0o751, Digest::of(b"bytes"), 2));
        assert_eq!(listing(home.path()), ["second"], "only this name went");
        assert_eq!(remove(&target), Ok(Done::Gone));
    }

    #[test]
    fn the_rest_of_an_earlier_removal_goes_too() {
        let home = bench::home();
        let path = home.path().join("miner");
        std::fs::write(&path, "bytes").expect("a file");
        let target = bench::file_target(&path);
        let own = target.name_in_removal().file_name().to_vec();
        let own = home.path().join(std::str::from_utf8(&own).expect("ours"));
        std::fs::rename(&path, own).expect("ours");
        assert!(matches!(remove(&target), Ok(Done::Changed { .. })));
        assert!(listing(home.path()).is_empty());
    }

    #[test]
    fn a_removal_that_was_cut_is_put_in_order() {
        let home = bench::home();
        let path = home.path().join("miner");
        std::fs::write(&path, "bytes").expect("a file");
        let target = bench::file_target(&path);
        tidy(&target).expect("nothing was cut");
        assert_eq!(listing(home.path()), ["miner"]);
        let own = String::from_utf8(target.name_in_removal().file_name().to_vec()).expect("ours");
        std::fs::rename(&path, home.path().join(&own)).expect("ours");
        tidy(&target).expect("the name is free");
        assert_eq!(listing(home.path()), ["miner"]);
        std::fs::write(home.path().join(&own), "planted").expect("a file");
        tidy(&target).expect("not ours");
        assert_eq!(listing(home.path()), [own.as_str(), "miner"]);
        std::fs::remove_file(&path).expect("ours");
        tidy(&target).expect("not ours");
        assert_eq!(listing(home.path()), [own], "another file gets no name");
    }

    #[test]
    fn a_name_planted_in_our_way_is_left_alone() {
        let home = bench::home();
        let path = home.path().join("miner");
        std::fs::write(&path, "bytes").expect("a file");
        let target = bench::file_target(&path);
        let own = String::from_utf8(target.name_in_removal().file_name().to_vec()).expect("ours");
        std::fs::write(home.path().join(&own), "planted").expect("a file");
        assert!(matches!(remove(&target), Ok(Done::Changed { .. })));
        assert_eq!(listing(home.path()), [own]);
    }

    #[test]
    fn another_file_stays() {
        let rows: [(&str, fn(&Path, &mut FileTarget)); 7] = [
            ("other content", |path, _| std::fs::write(path, "other").expect("ours")),
            ("other size", |path, _| {
                std::fs::write(path, "longer bytes").expect("ours")
            }),
            ("same content, other inode", |path, _| {
                std::fs::write(path.with_extension("new"), "bytes").expect("ours");
                std::fs::rename(path.with_extension("new"), path).expect("ours");
            }),
            ("a link to the same", |path, _| {
                std::fs::rename(path, path.with_extension("old")).expect("ours");
                symlink(path.with_extension("old"), path).expect("a link");
            }),
            ("a directory", |path, _| {
                std::fs::remove_file(path).expect("ours");
                std::fs::create_dir(path).expect("a folder");
            }),
            ("another device", |_, target| target.id.dev = Wide(target.id.dev.0 + 1)),
            ("outside of its mount", |_, target| {
                target.mount = bench::host_path(Path::new("/dev/shm"));
            }),
        ];
        for (name, alter) in rows {
            let home = bench::home();
            let path = home.path().join("miner");
            std::fs::write(&path, "bytes").expect("a file");
            let mut target = bench::file_target(&path);
            alter(&path, &mut target);
            let before = listing(home.path());
            let result = remove(&target);
            assert!(
                matches!(result, Err(HostError::Changed { .. } | HostError::Protected { .. })),
                "{name}: {result:?}"
            );
            assert_eq!(listing(home.path()), before, "{name}");
        }
    }

    #[test]
    fn what_is_not_ours_to_remove_is_put_back() {
        let home = bench::home();
        let path = home.path().join("own");
        std::fs::write(&path, "innocent").expect("a file");
        let target = bench::file_target(&home.path().join("own"));
        let place = Place::of(&target, "test").expect("ours").expect("it is there");
        rename_free(&place, b"own", b".deminer-x").expect("free");
        let error = changed("test", "a", "b");
        assert_eq!(put_back(&place, b".deminer-x", error.clone(), "file", "test"), error);
        assert_eq!(listing(home.path()), ["own"]);
        rename_free(&place, b"own", b".deminer-x").expect("free");
        std::fs::write(&path, "somebody was faster").expect("a file");
        let result = put_back(&place, b".deminer-x", error, "file", "test");
        assert!(
            matches!(&result, HostError::Failed { why, .. } if why.contains(".deminer-x")),
            "{result:?}"
        );
        assert_eq!(listing(home.path()), [".deminer-x", "own"], "nobody's file is lost");
    }
}
