//! Clearing and setting inode flags (ioctl_iflags(2)).

use rustix::fs::OFlags;

use super::files::{Pinned, Place};
use super::{changed, metadata};
use crate::action::{Done, FileTarget, Undo};
use crate::query::HostError;

/// The flags of a pinned file, which must be on a file system that has them.
fn of(pinned: &Pinned, doing: &str) -> Result<(std::fs::File, u32), HostError> {
    let file = pinned.open(OFlags::RDONLY, doing)?;
    match metadata::flags(&file, doing)? {
        Some(flags) => Ok((file, flags)),
        None => Err(HostError::Unsupported {
            doing: doing.to_owned(),
            why: "its file system has no flags".to_owned(),
        }),
    }
}

/// Sets all flags of a file, and reads them again.
fn write(file: &std::fs::File, flags: u32, doing: &str) -> Result<(), HostError> {
    metadata::set_flags(file, flags, doing)?;
    match metadata::flags(file, doing)? {
        Some(found) if found == flags => Ok(()),
        found => Err(HostError::Failed {
            doing: doing.to_owned(),
            why: format!("asked for {flags:#x}, the file system has {:#x}", found.unwrap_or(0)),
        }),
    }
}

/// Clears these bits of exactly this inode. Its content may have grown since: append-only keeps what was there.
pub(super) fn clear(target: &FileTarget, bits: u32) -> Result<Done, HostError> {
    let doing = format!("clear flags of `{}`", target.path);
    let pinned = match Place::of(target, &doing)? {
        Some(place) => place.now(&target.mount, &doing)?,
        None => None,
    };
    let Some(pinned) = pinned else { return Ok(Done::Gone) };
    pinned.must_be(target, &doing)?;
    let (file, flags) = of(&pinned, &doing)?;
    if flags & bits == 0 {
        return Ok(Done::Gone);
    }
    let met = metadata::as_met(target, &pinned.stat, &file, target.sha256, &doing)?;
    write(&file, flags & !bits, &doing)?;
    Ok(Done::Changed {
        undo: Undo::SetFlags { file: met, flags },
    })
}

/// Sets the flags that a file had. A removal or an edit that was taken back before made another inode of the same owner.
pub(super) fn set(target: &FileTarget, wanted: u32) -> Result<Done, HostError> {
    let doing = format!("set flags of `{}` again", target.path);
    let place = Place::of(target, &doing)?;
    let pinned = match &place {
        Some(place) => place.now(&target.mount, &doing)?,
        None => None,
    };
    let Some(pinned) = pinned else {
        let disarmed = target.name_disarmed();
        let beside = place.map(|place| place.pin(disarmed.file_name(), &target.mount, &doing));
        // Under another name it is to be harmless, not to hold fast.
        return match beside {
            Some(Ok(Some(_))) => Ok(Done::Gone),
            _ => Err(HostError::Gone { doing }),
        };
    };
    let same_owner =
        (pinned.stat.st_dev, pinned.stat.st_uid, pinned.stat.st_gid) == (target.id.dev.0, target.uid, target.gid);
    if !pinned.is(target) && !same_owner {
        return Err(changed(
            &doing,
            format_args!("a file of {}:{}", target.uid, target.gid),
            format_args!("one of {}:{}", pinned.stat.st_uid, pinned.stat.st_gid),
        ));
    }
    let (file, flags) = of(&pinned, &doing)?;
    if flags == wanted {
        return Ok(Done::Gone);
    }
    write(&file, wanted, &doing)?;
    Ok(Done::Changed { undo: Undo::None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::linux::hands::bench;
    use crate::text::Wide;

    const IMMUTABLE: u32 = 0x10;
    const NODUMP: u32 = 0x40;

    /// The flag that we may set here: immutable takes root.
    fn settable() -> u32 {
        if rustix::process::geteuid().is_root() {
            IMMUTABLE
        } else {
            NODUMP
        }
    }

    #[test]
    fn flags_go_and_come_back() {
        let home = bench::home();
        let path = home.path().join("held");
        std::fs::write(&path, "bytes").expect("a file");
        let target = bench::file_target(&path);
        let bit = settable();
        let Some(flags) = target.flags else {
            let result = clear(&target, bit);
            assert!(matches!(result, Err(HostError::Unsupported { .. })), "{result:?}");
            return;
        };
        match set(&target, flags | bit) {
            Ok(done) => assert_eq!(done, Done::Changed { undo: Undo::None }),
            Err(HostError::Unsupported { .. }) => return,
            Err(error) => panic!("{error}"),
        }
        let mut other = target.clone();
        other.id.inode = Wide(other.id.inode.0 + 1);
        assert!(matches!(clear(&other, bit), Err(HostError::Changed { .. })));
        let done = clear(&target, bit).expect("it is the one meant");
        assert!(matches!(&done, Done::Changed { undo: Undo::SetFlags { flags: all, .. } } if *all == flags | bit));
        assert_eq!(clear(&target, bit), Ok(Done::Gone));
        std::fs::remove_file(&path).expect("its flags are gone");
        assert_eq!(clear(&target, bit), Ok(Done::Gone));
        assert!(matches!(set(&target, flags), Err(HostError::Gone { .. })));
    }

    #[test]
    fn a_directory_keeps_its_flags() {
        let home = bench::home();
        let path = home.path().join("held");
        std::fs::write(&path, "bytes").expect("a file");
        let target = bench::file_target(&path);
        std::fs::remove_file(&path).expect("ours");
        std::fs::create_dir(&path).expect("a folder");
        let result = clear(&target, IMMUTABLE);
        assert!(matches!(result, Err(HostError::Protected { .. })), "{result:?}");
    }
}
