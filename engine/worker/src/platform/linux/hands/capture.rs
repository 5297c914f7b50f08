//! Reading the parts of an object that are to be kept, in pieces, with nothing changed: not even an access time where
//! that can be had.

use std::fs::File;
use std::io::Read;

use rustix::fs::{OFlags, fstat};
use sha2::Digest as _;

use super::files::{self, Place};
use super::identity::{Seen, same_executable};
use super::{changed, deadline, failed, refused};
use crate::action::{FileTarget, ProcessTarget};
use crate::frame::{PIECE_BYTES, Part};
use crate::platform::CaptureSink;
use crate::query::{HostError, limits};
use crate::text::{Digest, HostBytes};

/// The bytes of a command line, an environment or a map that are kept.
const TEXT_BYTES: usize = 4 << 20;

/// The content of a file.
pub(super) fn file(target: &FileTarget, sink: &mut dyn CaptureSink) -> Result<(), HostError> {
    let doing = format!("capture `{}`", target.path);
    let gone = || HostError::Gone { doing: doing.clone() };
    let place = Place::of(target, &doing)?.ok_or_else(gone)?;
    let pinned = place.now(&target.mount, &doing)?.ok_or_else(gone)?;
    pinned.must_be(target, &doing)?;
    let file = match pinned.open(OFlags::RDONLY, &doing) {
        Ok(file) => file,
        Err(error) => {
            sink.missing(Part::Content, error);
            return Ok(());
        }
    };
    content(&file, Part::Content, &target.sha256, sink, &doing)
}

/// Hands a whole file on; its digest must be the one expected.
fn content(
    file: &File,
    part: Part,
    expected: &Digest,
    sink: &mut dyn CaptureSink,
    doing: &str,
) -> Result<(), HostError> {
    let stat = fstat(file).map_err(|errno| refused(doing, errno))?;
    if u64::try_from(stat.st_size).unwrap_or(u64::MAX) > limits::DIGEST_BYTES {
        sink.missing(
            part,
            HostError::TooLarge {
                doing: doing.to_owned(),
                limit: limits::DIGEST_BYTES,
            },
        );
        return Ok(());
    }
    if !sink.begin(part)? {
        return Ok(());
    }
    let mut hasher = sha2::Sha256::new();
    files::pieces(file, limits::DIGEST_BYTES, doing, |piece| {
        hasher.update(piece);
        sink.bytes(piece)
    })?;
    let found = Digest(hasher.finalize().into());
    if found != *expected {
        return Err(changed(
            doing,
            format_args!("content {}", expected.short()),
            format_args!("content {}", found.short()),
        ));
    }
    sink.end()
}

/// The parts asked for of a process that was identified.
pub(super) fn process(
    seen: &Seen,
    target: &ProcessTarget,
    parts: &[Part],
    sink: &mut dyn CaptureSink,
    doing: &str,
) -> Result<(), HostError> {
    for &part in parts {
        let text = match part {
            Part::Exe => {
                let name = seen.exe_name(doing)?;
                let fd = seen.open_file(&name, doing)?.ok_or_else(|| HostError::Gone {
                    doing: doing.to_owned(),
                })?;
                let stat = fstat(&fd).map_err(|errno| refused(doing, errno))?;
                same_executable(&stat, target, doing)?;
                content(&File::from(fd), part, &target.exe_sha256, sink, doing)?;
                continue;
            }
            Part::Argv => text(seen, "cmdline", doing),
            Part::Environ => text(seen, "environ", doing),
            Part::Maps => text(seen, "maps", doing),
            Part::Fds => descriptors(seen, doing),
            Part::Content => Err(HostError::Unsupported {
                doing: doing.to_owned(),
                why: "a process has no content of its own".to_owned(),
            }),
        };
        match text {
            Ok(bytes) => {
                if sink.begin(part)? {
                    bytes.chunks(PIECE_BYTES).try_for_each(|piece| sink.bytes(piece))?;
                    sink.end()?;
                }
            }
            Err(error) => sink.missing(part, error),
        }
    }
    // What was read belongs to the one meant only if it did not run another program meanwhile.
    match seen.exe_stat(doing)? {
        Some(stat) => same_executable(&stat, target, doing),
        None => Err(HostError::Gone {
            doing: doing.to_owned(),
        }),
    }
}

/// A file of `/proc/PID` as it is, its first [`TEXT_BYTES`].
fn text(seen: &Seen, name: &str, doing: &str) -> Result<Vec<u8>, HostError> {
    let fd = seen.open_file(name, doing)?.ok_or_else(|| HostError::Gone {
        doing: doing.to_owned(),
    })?;
    let what = format!("{doing}: read `{name}`");
    let doing = what.clone();
    deadline::within(deadline::MEMORY_MS, &doing, move || {
        let mut bytes = Vec::new();
        match File::from(fd).take(TEXT_BYTES as u64).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(failed(what, &error)),
        }
    })
}

/// A line for each descriptor: its number, ` -> `, what the link says in the written form.
fn descriptors(seen: &Seen, doing: &str) -> Result<Vec<u8>, HostError> {
    let mut text = String::new();
    for fd in seen.numbers("fd", doing)? {
        if let Some(link) = seen.link(&format!("fd/{fd}")) {
            text.push_str(&format!("{fd} -> {}\n", HostBytes::new(link)));
        }
        if text.len() > TEXT_BYTES {
            break;
        }
    }
    Ok(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Object;
    use crate::platform::linux::hands::{Hands, bench};
    use crate::text::Wide;

    #[derive(Default)]
    struct Kept {
        skip: bool,
        parts: Vec<(Part, Vec<u8>, bool)>,
        missing: Vec<(Part, HostError)>,
    }

    impl CaptureSink for Kept {
        fn begin(&mut self, part: Part) -> Result<bool, HostError> {
            self.parts.push((part, Vec::new(), false));
            Ok(!self.skip)
        }
        fn bytes(&mut self, bytes: &[u8]) -> Result<(), HostError> {
            let last = self.parts.last_mut().expect("begun");
            last.1.extend_from_slice(bytes);
            Ok(())
        }
        fn end(&mut self) -> Result<(), HostError> {
            self.parts.last_mut().expect("begun").2 = true;
            Ok(())
        }
        fn missing(&mut self, part: Part, why: HostError) {
            self.missing.push((part, why));
        }
    }

    #[test]
    fn a_process_in_all_its_parts() {
        let sleeper = bench::Sleeper::start();
        let process = sleeper.target();
        let parts = [Part::Exe, Part::Argv, Part::Environ, Part::Maps, Part::Fds];
        let mut kept = Kept::default();
        let object = Object::Process {
            process: process.clone(),
        };
        Hands::new().capture(&object, &parts, &mut kept).expect("ours");
        assert!(kept.missing.is_empty(), "{:?}", kept.missing);
        let part = |wanted| &kept.parts.iter().find(|(part, ..)| *part == wanted).expect("kept").1;
        assert!(kept.parts.iter().all(|(.., ended)| *ended));
        assert_eq!(Digest::of(part(Part::Exe)), process.exe_sha256);
        assert_eq!(part(Part::Argv), b"sleep\x0060\0");
        assert!(part(Part::Fds).starts_with(b"0 -> /dev/null\n"));
        assert!(part(Part::Maps).windows(5).any(|w| w == b"sleep"));

        let mut other = process;
        other.start_ticks = Wide(other.start_ticks.0 + 1);
        let result = Hands::new().capture(&Object::Process { process: other }, &parts, &mut Kept::default());
        assert!(matches!(result, Err(HostError::Gone { .. })), "{result:?}");
    }

    #[test]
    fn a_file_and_nothing_but_that_file() {
        let home = bench::home();
        let path = home.path().join("f");
        let bytes = vec![7; PIECE_BYTES + 5];
        std::fs::write(&path, &bytes).expect("a file");
        let target = bench::file_target(&path);
        let mut kept = Kept::default();
        file(&target, &mut kept).expect("ours");
        assert_eq!(kept.parts, [(Part::Content, bytes, true)]);
        let mut skipped = Kept {
            skip: true,
            ..Kept::default()
        };
        file(&target, &mut skipped).expect("ours");
        assert_eq!(skipped.parts, [(Part::Content, Vec::new(), false)]);

        std::fs::write(&path, "changed").expect("ours");
        let mut kept = Kept::default();
        assert!(matches!(file(&target, &mut kept), Err(HostError::Changed { .. })));
        assert!(!kept.parts[0].2, "what changed is not kept");
        std::fs::remove_file(&path).expect("ours");
        assert!(matches!(
            file(&target, &mut Kept::default()),
            Err(HostError::Gone { .. })
        ));
    }

    #[test]
    fn a_sparse_giant_is_not_read() {
        let home = bench::home();
        let path = home.path().join("f");
        std::fs::write(&path, "x").expect("a file");
        let target = bench::file_target(&path);
        std::fs::File::options()
            .write(true)
            .open(&path)
            .and_then(|f| f.set_len(900 << 30))
            .expect("sparse");
        let mut kept = Kept::default();
        file(&target, &mut kept).expect("the one meant");
        assert!(
            matches!(kept.missing[..], [(Part::Content, HostError::TooLarge { .. })]),
            "{:?}",
            kept.missing
        );
        assert!(kept.parts.is_empty());
    }
}
