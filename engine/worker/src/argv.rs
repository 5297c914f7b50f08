//! What a program may be given that a plan runs: a program and its arguments, never a line for a shell. Pure.

use crate::query::limits;
use crate::text::{HostBytes, HostPath};

/// The bytes of all arguments together.
pub const BYTES: usize = 64 << 10;

/// Shells, by the names of their files.
const SHELLS: [&[u8]; 14] = [
    b"sh", b"ash", b"bash", b"csh", b"dash", b"fish", b"ksh", b"ksh93", b"lksh", b"mksh", b"rbash", b"tcsh", b"yash",
    b"zsh",
];

/// What runs the text of an argument, by the beginnings of file names, and the options before such a text.
const INTERPRETERS: [(&[u8], &[&[u8]]); 7] = [
    (b"python", &[b"-c"]),
    (b"perl", &[b"-e", b"-E"]),
    (b"ruby", &[b"-e"]),
    (b"php", &[b"-r", b"-R", b"--run"]),
    (b"node", &[b"-e", b"-p", b"--eval", b"--print"]),
    (b"lua", &[b"-e"]),
    (b"tclsh", &[]),
];

/// Why a program must not be run with these arguments, its own name first; `None` where it may be.
pub fn fault(program: &HostPath, argv: &[HostBytes]) -> Option<&'static str> {
    let Some((named, arguments)) = argv.split_first() else {
        return Some("it has no arguments, not even its own name");
    };
    if named.as_bytes() != program.as_bytes() && named.as_bytes() != program.file_name() {
        return Some("its own name is not the program's");
    }
    if argv.len() > limits::COMMAND_ARGUMENTS || argv.iter().map(HostBytes::len).sum::<usize>() > BYTES {
        return Some("it has too many arguments");
    }
    if argv.iter().any(|argument| argument.as_bytes().contains(&0)) {
        return Some("an argument holds a zero byte");
    }
    let name = base(named.as_bytes());
    if SHELLS.contains(&name) {
        return Some("it is a shell: name the program itself, and its arguments");
    }
    let runs_text = INTERPRETERS.iter().filter(|(begin, _)| name.starts_with(begin));
    for (_, options) in runs_text {
        let is_text = |argument: &HostBytes| options.iter().any(|option| argument.as_bytes().starts_with(option));
        if arguments.iter().any(is_text) {
            return Some("an argument is text for an interpreter: name the program itself, and its arguments");
        }
    }
    let lines = arguments.windows(2).any(|pair| {
        let option = pair[1].as_bytes();
        let is_short = option.starts_with(b"-") && !option.starts_with(b"--");
        SHELLS.contains(&base(pair[0].as_bytes())) && is_short && option.contains(&b'c')
    });
    lines.then_some("an argument is a line for a shell: name the program itself, and its arguments")
}

fn base(word: &[u8]) -> &[u8] {
    word.rsplit(|byte| *byte == b'/').next().unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_and_its_arguments() {
        let rows: [(&str, &[&str], bool); 17] = [
            ("plain", &["/usr/sbin/a"], true),
            ("with arguments", &["/usr/sbin/a", "--now", "$HOME; *"], true),
            (
                "a shell as a value",
                &["/usr/sbin/usermod", "-s", "/bin/bash", "deploy"],
                true,
            ),
            ("an option of its own", &["/usr/sbin/a", "-c", "x"], true),
            (
                "an interpreter with a file",
                &["/usr/bin/python3", "/opt/a.py", "--x"],
                true,
            ),
            ("nothing", &[], false),
            ("its own name alone", &["a", "x"], true),
            ("another name", &["b"], false),
            ("a shell", &["/bin/sh", "-c", "true"], false),
            ("a shell with a script", &["/bin/bash", "/opt/a.sh"], false),
            (
                "a shell behind another program",
                &["/usr/bin/env", "sh", "-c", "true"],
                false,
            ),
            (
                "its options in one",
                &["/usr/bin/nsenter", "-t", "1", "/bin/bash", "-lc", "true"],
                false,
            ),
            ("one of many", &["/bin/busybox", "sh", "-c", "true"], false),
            ("text for an interpreter", &["/usr/bin/python3.11", "-c", "x"], false),
            ("glued to its option", &["/usr/bin/perl", "-esystem"], false),
            ("by its long option", &["/usr/bin/node", "--eval=1"], false),
            ("a zero byte", &["/usr/sbin/a", "a\0b"], false),
        ];
        for (name, argv, may) in rows {
            let program = match name {
                "its own name alone" | "another name" => "/usr/sbin/a",
                _ => argv.first().copied().unwrap_or("/usr/sbin/a"),
            };
            let argv: Vec<HostBytes> = argv.iter().map(|word| HostBytes::from(*word)).collect();
            let found = fault(&HostPath::from(program), &argv);
            assert_eq!(found.is_none(), may, "{name}: {found:?}");
        }
        let many = vec![HostBytes::from("/a"); limits::COMMAND_ARGUMENTS + 1];
        assert!(fault(&HostPath::from("/a"), &many).is_some());
        let long = ["/a", &"a".repeat(BYTES)].map(HostBytes::from);
        assert!(fault(&HostPath::from("/a"), &long).is_some());
    }
}
