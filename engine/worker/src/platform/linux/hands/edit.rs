//! Taking condemned lines out of a text file.

use super::rewrite::{Rewritten, rewrite};
use super::{changed, lines};
use crate::action::{Done, FileTarget, LineTarget, Syntax, Undo};
use crate::query::HostError;

/// Takes the lines out of what the file holds now, whichever inode it is by now. A text that has to be of a form is left as
/// it is where it would not be any more.
pub(super) fn edit(target: &FileTarget, condemned: &[LineTarget], syntax: Option<Syntax>) -> Result<Done, HostError> {
    let doing = format!("edit `{}`", target.path);
    let rewritten = rewrite(target, &doing, |text| {
        let taken = match lines::take_out(text, condemned) {
            Ok(Some(taken)) => taken,
            Ok(None) => return Ok(None),
            Err(altered) => {
                return Err(changed(
                    &doing,
                    format_args!("the line `{}`", altered.expected),
                    format_args!("`{}`", altered.found),
                ));
            }
        };
        if let Some(syntax) = syntax {
            let doing = doing.clone();
            syntax
                .allows(text, &taken.text)
                .map_err(|why| HostError::Failed { doing, why })?;
        }
        Ok(Some((taken.text, taken.lines)))
    })?;
    Ok(match rewritten {
        Rewritten::Gone | Rewritten::Nothing => Done::Gone,
        Rewritten::Done(file, lines) => Done::Changed {
            undo: Undo::RestoreLines { file: *file, lines },
        },
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::platform::linux::hands::bench;
    use crate::platform::linux::hands::rewrite::{SETTLE, SETTLE_MOVED};
    use crate::text::HostBytes;

    const MINER: &str = "* * * * * /tmp/.x/m";

    fn miner(number: u32) -> LineTarget {
        LineTarget {
            number,
            line: HostBytes::from(MINER),
            mark: HostBytes::from("/tmp/.x/m"),
        }
    }

    fn names(dir: &Path) -> usize {
        fs::read_dir(dir).expect("a folder").count()
    }

    #[test]
    fn an_edit_that_was_cut_is_put_in_order() {
        let rows: [(&str, Option<&str>, &str, &str); 5] = [
            ("not begun", None, "a\nX\n", "a\nX\n"),
            ("before the exchange", Some("a\n"), "a\nX\n", "a\nX\n"),
            ("half written", Some(""), "a\nX\n", "a\nX\n"),
            ("after the exchange", Some("a\nX\n"), "a\n", "a\n"),
            (
                "after the exchange, and grown",
                Some("a\nX\nb\nc\n"),
                "a\nb\n",
                "a\nb\nc\n",
            ),
        ];
        for (name, beside, stands, expected) in rows {
            let home = bench::home();
            let path = home.path().join("root");
            fs::write(&path, "a\nX\n").expect("a file");
            let target = bench::file_target(&path);
            fs::write(&path, stands).expect("a file");
            if let Some(beside) = beside {
                let own = target.name_in_edit().file_name().to_vec();
                let own = std::str::from_utf8(&own).expect("ours");
                fs::write(home.path().join(own), beside).expect("a file");
            }
            super::super::rewrite::tidy(&target).expect(name);
            assert_eq!(fs::read_to_string(&path).expect("ours"), expected, "{name}");
            assert_eq!(names(home.path()), 1, "{name}: nothing of ours is left");
        }
    }

    #[test]
    fn a_line_goes_and_all_else_stays() {
        let home = bench::home();
        let path = home.path().join("root");
        fs::write(&path, format!("# mine\r\n{MINER}\n\0\u{ff}\n@daily b")).expect("a file");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).expect("ours");
        let named = rustix::fs::setxattr(&path, "user.kept", b"v", rustix::fs::XattrFlags::empty()).is_ok();
        let target = bench::file_target(&path);
        let done = edit(&target, &[miner(2)], None).expect("it stands there");
        let Done::Changed {
            undo: Undo::RestoreLines { file, lines },
        } = done
        else {
            panic!("{done:?}")
        };
        assert_eq!(lines, [miner(2)]);
        assert_eq!((file.sha256, file.mode), (target.sha256, 0o640));
        assert_eq!(
            fs::read(&path).expect("ours"),
            "# mine\r\n\0\u{ff}\n@daily b".as_bytes()
        );
        let after = bench::file_target(&path);
        assert_eq!(
            (after.mode, after.uid, after.gid, after.flags),
            (0o640, target.uid, target.gid, target.flags)
        );
        assert_eq!(after.xattrs, target.xattrs);
        assert!(
            !named
                || after
                    .xattrs
                    .iter()
                    .any(|xattr| xattr.name == HostBytes::from("user.kept"))
        );
        assert!(after.mtime_ns >= target.mtime_ns, "cron has to notice");
        assert_eq!(names(home.path()), 1, "nothing of ours is left");
        assert_eq!(
            edit(&target, &[miner(2)], None),
            Ok(Done::Gone),
            "done twice is done once"
        );
    }

    #[test]
    fn another_inode_with_the_same_line_is_edited() {
        let home = bench::home();
        let path = home.path().join("root");
        fs::write(&path, format!("{MINER}\n")).expect("a file");
        let target = bench::file_target(&path);
        fs::write(home.path().join("new"), format!("# new\n{MINER}\n")).expect("a file");
        fs::rename(home.path().join("new"), &path).expect("ours");
        assert!(matches!(edit(&target, &[miner(1)], None), Ok(Done::Changed { .. })));
        assert_eq!(fs::read(&path).expect("ours"), b"# new\n");
    }

    #[test]
    fn what_is_not_the_line_meant_stays() {
        let home = bench::home();
        let path = home.path().join("root");
        let text = format!("a\n*/2 {MINER}\n");
        fs::write(&path, &text).expect("a file");
        let target = bench::file_target(&path);
        let before = fs::metadata(&path).expect("ours");
        let result = edit(&target, &[miner(2)], None);
        assert!(matches!(result, Err(HostError::Changed { .. })), "{result:?}");
        let after = fs::metadata(&path).expect("ours");
        assert_eq!(fs::read_to_string(&path).expect("ours"), text);
        assert_eq!((before.ino(), before.ctime_nsec()), (after.ino(), after.ctime_nsec()));

        fs::rename(&path, home.path().join("moved")).expect("ours");
        assert_eq!(edit(&target, &[miner(2)], None), Ok(Done::Gone));
        symlink("moved", &path).expect("a link");
        let result = edit(&target, &[miner(2)], None);
        assert!(
            matches!(result, Err(HostError::Changed { .. })),
            "a link swapped in: {result:?}"
        );
        fs::remove_file(&path).expect("ours");
        fs::create_dir(&path).expect("a folder");
        let result = edit(&target, &[miner(2)], None);
        assert!(matches!(result, Err(HostError::Protected { .. })), "{result:?}");
        fs::remove_dir(&path).expect("ours");
        fs::File::create(&path)
            .and_then(|file| file.set_len(9 << 20))
            .expect("a file");
        let result = edit(&target, &[miner(2)], None);
        assert!(matches!(result, Err(HostError::TooLarge { .. })), "{result:?}");
        fs::remove_file(&path).expect("ours");
        assert_eq!(names(home.path()), 1);
    }

    #[test]
    fn sudoers_is_not_torn() {
        let home = bench::home();
        let path = home.path().join("sudoers");
        let text = "root ALL=(ALL:ALL) ALL\nx ALL=(ALL) \\\n  NOPASSWD: ALL\n";
        fs::write(&path, text).expect("a file");
        let target = bench::file_target(&path);
        let line = |number: u32| {
            let line = HostBytes::from(text.lines().nth(number as usize - 1).expect("a line"));
            LineTarget {
                number,
                mark: line.clone(),
                line,
            }
        };
        let result = edit(&target, &[line(2)], Some(Syntax::Sudoers));
        assert!(matches!(result, Err(HostError::Failed { .. })), "{result:?}");
        assert_eq!(fs::read_to_string(&path).expect("ours"), text);
        let result = edit(&target, &[line(2), line(3)], Some(Syntax::Sudoers));
        assert!(matches!(result, Ok(Done::Changed { .. })), "{result:?}");
        assert_eq!(fs::read_to_string(&path).expect("ours"), "root ALL=(ALL:ALL) ALL\n");
        assert_eq!(names(home.path()), 1, "nothing of ours is left");
    }

    #[test]
    fn the_rest_of_an_earlier_edit_is_removed() {
        let home = bench::home();
        let path = home.path().join("root");
        fs::write(&path, "a\n").expect("a file");
        let target = bench::file_target(&path);
        fs::write(target.name_in_edit().as_path(), MINER).expect("a file");
        assert_eq!(edit(&target, &[miner(1)], None), Ok(Done::Gone));
        assert_eq!(names(home.path()), 1);
    }

    /// How many steps after a line it can still be lost: it waits in one of them, and the next few read it not.
    const REACH: u32 = 40;

    /// What is appended while lines are taken out.
    #[derive(Default)]
    struct Appending {
        over: AtomicBool,
        /// The lines that no slow step can have cost.
        sure: AtomicU32,
    }

    impl Appending {
        /// Appends numbered lines, as fast as it can for 20 of them and then after a short rest, in turn by appending and by
        /// writing a new file over the old one, and now and then the condemned line; gives the number of benign lines, and
        /// those whose step took about as long as an edit waits for such a one: the machine was busy.
        fn run(&self, path: &Path) -> (u32, Vec<u32>) {
            let beside = path.with_extension("beside");
            let (mut count, mut slow) = (0, Vec::new());
            let mut condemned = Instant::now();
            while !self.over.load(Ordering::Relaxed) {
                let mut line = format!("benign {count}\n");
                if condemned.elapsed() > Duration::from_millis(100) {
                    condemned = Instant::now();
                    line.push_str(&format!("{MINER}\n"));
                }
                let (step, settle) = (Instant::now(), if count % 2 == 0 { SETTLE } else { SETTLE_MOVED });
                if count % 2 == 0 {
                    let mut file = fs::OpenOptions::new()
                        .append(true)
                        .open(path)
                        .expect("it is always there");
                    file.write_all(line.as_bytes()).expect("ours");
                } else {
                    let mut text = fs::read(path).expect("it is always there");
                    text.extend_from_slice(line.as_bytes());
                    fs::write(&beside, text).expect("ours");
                    fs::rename(&beside, path).expect("ours");
                }
                if step.elapsed() > settle * 2 / 3 {
                    slow.push(count);
                }
                count += 1;
                if slow.last().map_or(0, |last| last + 1) + REACH < count {
                    self.sure.fetch_add(1, Ordering::Relaxed);
                }
                if count % 20 == 0 {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            (count, slow)
        }
    }

    #[test]
    fn lines_appended_meanwhile_are_kept() {
        let home = bench::home();
        let path = home.path().join("root");
        fs::write(&path, format!("{MINER}\n")).expect("a file");
        let target = bench::file_target(&path);
        let appending = Appending::default();
        let mut edits = 0;
        let (count, slow) = std::thread::scope(|scope| {
            let appender = scope.spawn(|| appending.run(&path));
            let begin = Instant::now();
            let (shortest, longest) = (Duration::from_secs(2), Duration::from_secs(60));
            let enough = |edits: u32| edits > 0 && appending.sure.load(Ordering::Relaxed) >= 200;
            while begin.elapsed() < shortest || (!enough(edits) && begin.elapsed() < longest) {
                match edit(&target, &[miner(1)], None) {
                    Ok(Done::Changed { .. }) => edits += 1,
                    Ok(_) => {}
                    // Somebody who writes without a pause may win; then nothing was done.
                    Err(HostError::Failed { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            appending.over.store(true, Ordering::Relaxed);
            appender.join().expect("the appender does not fail")
        });
        let copies = fs::read_to_string(&path).expect("ours").matches(MINER).count();
        let left: Vec<LineTarget> = (0..copies).map(|_| miner(1)).collect();
        edit(&target, &left, None).expect("nobody writes any more");
        let text = fs::read_to_string(&path).expect("ours");
        let mut kept: Vec<u32> = text
            .lines()
            .filter_map(|line| line.strip_prefix("benign ")?.parse().ok())
            .collect();
        kept.sort_unstable();
        kept.dedup();
        let is_sure = |n: &u32| !slow.iter().any(|slow| (*n..=n + REACH).contains(slow));
        let lost: Vec<u32> = (0..count)
            .filter(|n| kept.binary_search(n).is_err() && is_sure(n))
            .collect();
        assert!(
            lost.is_empty(),
            "{} of {count} lines were lost in {edits} edits: {lost:?}",
            lost.len()
        );
        assert!(!text.contains(MINER));
        let sure = appending.sure.into_inner();
        assert!(
            edits > 0 && sure >= 200,
            "the test did not test: {sure} of {count} lines, {edits} edits"
        );
        assert_eq!(names(home.path()), 1, "nothing of ours is left");
    }
}
