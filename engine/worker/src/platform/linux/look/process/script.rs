//! The file that an interpreter runs.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use super::Reader;
use crate::platform::linux::look::Scene;
use crate::platform::linux::look::file::{Depth, Meta, Place, describe, path_of};
use crate::platform::linux::look::gaps::{Gaps, pid_object};
use crate::platform::linux::look::mounts::MountTable;
use crate::platform::linux::look::procfs::{PidDir, TABLE_BYTES};
use crate::query::{FileKind, FileStat, GapReason};
use crate::text::HostPath;

/// What the options of an interpreter mean for its script.
struct Interpreter {
    /// What its file name begins with; a version may follow.
    name: &'static str,
    /// Letters of short options after which the program stands in the arguments, or is named otherwise.
    inline: &'static [u8],
    /// Letters of short options that take the next argument.
    takes: &'static [u8],
    /// Long options of both sorts, the inline ones first.
    long_inline: &'static [&'static str],
    long_takes: &'static [&'static str],
}

const SHELL: Interpreter = Interpreter {
    name: "sh",
    inline: b"cs",
    takes: b"oO",
    long_inline: &[],
    long_takes: &["--rcfile", "--init-file"],
};

const INTERPRETERS: [Interpreter; 13] = [
    SHELL,
    Interpreter { name: "dash", ..SHELL },
    Interpreter { name: "bash", ..SHELL },
    Interpreter { name: "ash", ..SHELL },
    Interpreter {
        name: "busybox",
        ..SHELL
    },
    Interpreter { name: "zsh", ..SHELL },
    Interpreter { name: "ksh", ..SHELL },
    Interpreter {
        name: "python",
        inline: b"cm",
        takes: b"WX",
        long_inline: &[],
        long_takes: &["--check-hash-based-pycs"],
    },
    Interpreter {
        name: "perl",
        inline: b"eE",
        takes: b"I",
        long_inline: &[],
        long_takes: &[],
    },
    Interpreter {
        name: "ruby",
        inline: b"e",
        takes: b"IrEC",
        long_inline: &[],
        long_takes: &["--encoding", "--external-encoding", "--internal-encoding"],
    },
    Interpreter {
        name: "php",
        inline: b"rBRF",
        takes: b"cdzS",
        long_inline: &["--run"],
        long_takes: &["--php-ini", "--define"],
    },
    Interpreter {
        name: "node",
        inline: b"ep",
        takes: b"rC",
        long_inline: &["--eval", "--print"],
        long_takes: &["--require", "--import", "--loader", "--conditions"],
    },
    Interpreter {
        name: "lua",
        inline: b"e",
        takes: b"l",
        long_inline: &[],
        long_takes: &[],
    },
];

/// The argument that names the script, by the interpreter's own rules: the first that is no option and no option's
/// value. What comes after it is the script's business and may name anybody's files.
pub(in crate::platform::linux::look) fn script_argument<'a>(
    exe: &[u8],
    mut arguments: impl Iterator<Item = &'a [u8]>,
) -> Option<&'a [u8]> {
    let zeroth = arguments.next()?;
    if is_version_of(exe, "tclsh") {
        return arguments.next().filter(|first| !first.starts_with(b"-"));
    }
    let interpreter = INTERPRETERS.iter().find(|known| is_version_of(exe, known.name))?;
    let mut arguments = arguments.peekable();
    if interpreter.name == "busybox" {
        let base = |path: &[u8]| path.rsplit(|byte| *byte == b'/').next().map(<[u8]>::to_vec);
        let is_shell = |name: Option<Vec<u8>>| name.is_some_and(|name| matches!(&name[..], b"sh" | b"ash" | b"hush"));
        if base(zeroth).is_some_and(|name| name == b"busybox") {
            arguments.next().filter(|applet| is_shell(base(applet)))?;
        } else if !is_shell(base(zeroth.strip_prefix(b"-").unwrap_or(zeroth))) {
            return None;
        }
    }
    while let Some(argument) = arguments.next() {
        match argument {
            b"--" => return arguments.next(),
            b"-" | b"" => return None,
            [b'-', b'-', ..] => {
                let is = |names: &[&str]| names.iter().any(|name| name.as_bytes() == argument);
                let begins = |name: &&str| {
                    argument
                        .strip_prefix(name.as_bytes())
                        .is_some_and(|r| r.starts_with(b"="))
                };
                if is(interpreter.long_inline) || interpreter.long_inline.iter().any(begins) {
                    return None;
                }
                if is(interpreter.long_takes) {
                    arguments.next();
                }
            }
            [sign @ (b'-' | b'+'), letters @ ..] if *sign == b'-' || interpreter.takes == SHELL.takes => {
                let decides = letters
                    .iter()
                    .enumerate()
                    .find(|(_, letter)| interpreter.inline.contains(letter) || interpreter.takes.contains(letter));
                match decides {
                    Some((_, letter)) if *sign == b'-' && interpreter.inline.contains(letter) => return None,
                    Some((at, _)) if at + 1 == letters.len() => {
                        arguments.next();
                    }
                    _ => {}
                }
            }
            path => return Some(path),
        }
    }
    None
}

/// Whether a file name is that of a program, with or without a version: `python3.11`, `perl5.36.0`, `nodejs`, `ksh93`.
fn is_version_of(file: &[u8], program: &str) -> bool {
    let Some(rest) = file.strip_prefix(program.as_bytes()) else {
        return false;
    };
    let rest = rest.strip_prefix(b"js").filter(|_| program == "node").unwrap_or(rest);
    let rest = rest.strip_suffix(b"-static").unwrap_or(rest);
    rest.iter()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'))
}

impl Reader {
    /// The script of an interpreter, where the argument leads to a regular file as the process sees it. In another mount
    /// namespace the path goes through `/proc/PID/root`.
    pub(super) fn script(
        &self,
        dir: &PidDir,
        pid: u32,
        argument: &[u8],
        mount_namespace: Option<u64>,
        gaps: &mut Gaps,
        beat: &dyn Fn(),
    ) -> Option<FileStat> {
        let file = resolve(dir, argument).ok()?;
        beat();
        let found = Meta::of_fd(file.as_fd())
            .ok()
            .filter(|found| found.kind == FileKind::Regular)?;
        let named = path_of(file.as_fd())?;
        let foreign = mount_namespace.is_some() && mount_namespace != self.own_mount_namespace;
        let (path, table) = if foreign {
            let root = format!("/proc/{pid}/root");
            let mut bytes = Vec::new();
            let read = dir.read(c"mountinfo", TABLE_BYTES, &mut bytes);
            let table = if read.is_ok() {
                MountTable::parse(&bytes, gaps).below(&root)
            } else {
                MountTable::default()
            };
            (HostPath::new([root.as_bytes(), named.as_bytes()].concat()), Some(table))
        } else {
            (named, None)
        };
        let depth = if self.ask.digest { Depth::Digest } else { Depth::Outside };
        let foreign_scene = table.map(|mounts| Scene {
            mounts,
            digests: self.scene.digests.clone(),
            crew: self.scene.crew.clone(),
        });
        let scene = foreign_scene.as_ref().unwrap_or(&self.scene);
        let told = Place::of(&path)
            .and_then(|place| describe(scene, place.dir.as_fd(), &place.name, &path, depth, gaps, beat));
        match told {
            Ok(stat) if stat.id == found.id => Some(stat),
            Ok(_) => {
                gaps.note("script", pid_object(pid), GapReason::Changed);
                None
            }
            Err(errno) => {
                gaps.errno("script", pid_object(pid), errno);
                None
            }
        }
    }
}

/// Opens, as a path only, what an argument leads to for the process: below its own root, links of its own followed.
fn resolve(dir: &PidDir, argument: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    if !argument.starts_with(b"/") {
        return openat(dir, [b"cwd/", argument].concat(), flags, Mode::empty());
    }
    let root = openat(dir, c"root", flags | OFlags::DIRECTORY, Mode::empty())?;
    match openat2(
        &root,
        argument,
        flags,
        Mode::empty(),
        ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
    ) {
        Err(Errno::NOSYS | Errno::PERM) => openat(dir, [b"root", argument].concat(), flags, Mode::empty()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arguments_of_interpreters() {
        let rows: [(&str, &[&str], Option<&str>); 27] = [
            ("bash", &["bash", "/tmp/x.sh", "/etc/passwd"], Some("/tmp/x.sh")),
            ("bash", &["-bash"], None),
            ("bash", &["bash", "-c", "curl x | sh", "/etc/passwd"], None),
            ("bash", &["bash", "-xec", "x"], None),
            ("bash", &["bash", "-x", "-o", "pipefail", "x.sh"], Some("x.sh")),
            ("bash", &["bash", "+o", "posix", "x.sh"], Some("x.sh")),
            ("bash", &["bash", "--rcfile", "/etc/rc", "x.sh"], Some("x.sh")),
            ("bash", &["bash", "--norc", "--", "-x.sh"], Some("-x.sh")),
            ("dash", &["sh", "-s", "/etc/passwd"], None),
            ("dash", &["sh", "-"], None),
            ("busybox", &["busybox", "sh", "x"], Some("x")),
            ("busybox", &["busybox", "httpd", "/etc/passwd"], None),
            ("busybox", &["/bin/sh", "x"], Some("x")),
            ("busybox", &["crond", "x"], None),
            (
                "python3.11",
                &["python3", "-u", "-W", "ignore", "/opt/a.py"],
                Some("/opt/a.py"),
            ),
            ("python3.11", &["python3", "-m", "http.server"], None),
            ("python3.11", &["python3", "-Ic", "x", "/etc/passwd"], None),
            (
                "perl5.36.0",
                &["perl", "-w", "-I", "/lib", "-I/other", "x.pl"],
                Some("x.pl"),
            ),
            ("perl", &["perl", "-e", "x", "/etc/passwd"], None),
            ("php8.2", &["php", "-d", "a=b", "x.php"], Some("x.php")),
            ("node", &["node", "--require", "a", "--inspect=1", "x.js"], Some("x.js")),
            ("nodejs", &["node", "--eval=1", "x.js"], None),
            ("ruby3.1", &["ruby", "x.rb"], Some("x.rb")),
            ("tclsh8.6", &["tclsh", "x.tcl"], Some("x.tcl")),
            ("cat", &["cat", "/etc/passwd"], None),
            ("shred", &["shred", "/etc/passwd"], None),
            ("lua5.4", &["lua", "-l", "m", "x.lua"], Some("x.lua")),
        ];
        for (exe, argv, expected) in rows {
            let told = script_argument(exe.as_bytes(), argv.iter().map(|argument| argument.as_bytes()));
            assert_eq!(told, expected.map(str::as_bytes), "{exe} {argv:?}");
        }
    }

    proptest! {
        #[test]
        fn no_arguments_panic(exe in 0_usize..14, argv: Vec<Vec<u8>>) {
            let exe = INTERPRETERS.get(exe).map_or("tclsh", |known| known.name);
            let _ = script_argument(exe.as_bytes(), argv.iter().map(Vec::as_slice));
        }
    }
}
