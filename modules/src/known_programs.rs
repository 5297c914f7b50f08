//! Programs that run other programs or files named in their arguments, and how those arguments are read.

use crate::option_words::{Options, split_options, value_after};
use crate::shell_text::Word;

/// A program that runs another one, named in its arguments.
pub(crate) struct Wrapper {
    pub(crate) name: &'static str,
    /// Its options of one letter that take a value, as one string.
    pub(crate) letters: &'static str,
    /// Its long options that take a value as the next word.
    pub(crate) long: &'static [&'static str],
    /// Words of its own before the command.
    pub(crate) operands: usize,
}

const fn wrapper(name: &'static str, letters: &'static str, long: &'static [&'static str], operands: usize) -> Wrapper {
    Wrapper {
        name,
        letters,
        long,
        operands,
    }
}

pub(crate) const WRAPPERS: &[Wrapper] = &[
    wrapper("nohup", "", &[], 0),
    wrapper("exec", "a", &[], 0),
    wrapper("setsid", "", &[], 0),
    wrapper("command", "", &[], 0),
    wrapper("builtin", "", &[], 0),
    wrapper("nice", "n", &["--adjustment"], 0),
    wrapper("ionice", "cn", &["--class", "--classdata"], 0),
    wrapper("timeout", "sk", &["--signal", "--kill-after"], 1),
    wrapper(
        "sudo",
        "ugUhpCrtTDR",
        &["--user", "--group", "--host", "--prompt", "--chdir"],
        0,
    ),
    wrapper("doas", "uC", &[], 0),
    wrapper("env", "uCS", &["--unset", "--chdir", "--split-string"], 0),
    wrapper("stdbuf", "ioe", &["--input", "--output", "--error"], 0),
    wrapper("chrt", "TPD", &[], 1),
    wrapper("taskset", "", &[], 1),
    wrapper("time", "fo", &["--format", "--output"], 0),
    wrapper("chronic", "", &[], 0),
    wrapper("cronic", "", &[], 0),
    wrapper(
        "flock",
        "wEc",
        &["--wait", "--timeout", "--conflict-exit-code", "--command"],
        1,
    ),
    wrapper("busybox", "", &[], 0),
    wrapper("toybox", "", &[], 0),
    wrapper(
        "xargs",
        "IndPLsEa",
        &["--max-args", "--max-procs", "--arg-file", "--delimiter"],
        0,
    ),
    wrapper("runuser", "ugGs", &["--user", "--group"], 0),
    wrapper("watch", "n", &["--interval"], 0),
    wrapper("unshare", "SGRw", &["--setuid", "--setgid", "--root", "--wd"], 0),
    wrapper("nsenter", "tSG", &["--target", "--setuid", "--setgid"], 0),
    wrapper(
        "systemd-run",
        "uptMH",
        &["--unit", "--property", "--uid", "--gid", "--slice", "--description"],
        0,
    ),
    wrapper("systemd-cat", "tp", &["--identifier", "--priority"], 0),
    wrapper("proot", "rbwk", &[], 0),
    wrapper("screen", "SctTep", &[], 0),
];

/// Dynamic loaders run the program that their first argument names (ld.so(8)).
pub(crate) const LOADER: Wrapper = wrapper("", "", &["--library-path", "--preload", "--audit", "--argv0"], 0);

/// Programs that run a file named by their first argument that is no option.
pub(crate) struct Interpreter {
    pub(crate) name: &'static str,
    /// Options of one letter that take a value.
    letters: &'static str,
    /// Options of one letter whose value is the code itself.
    code: &'static str,
    /// Long options that take a value as the next word.
    long: &'static [&'static str],
}

const fn interpreter(
    name: &'static str,
    letters: &'static str,
    code: &'static str,
    long: &'static [&'static str],
) -> Interpreter {
    Interpreter {
        name,
        letters,
        code,
        long,
    }
}

pub(crate) const INTERPRETERS: &[Interpreter] = &[
    interpreter("python", "WXQ", "cm", &[]),
    interpreter("pypy", "WX", "cm", &[]),
    interpreter("perl", "IMmix", "eE", &[]),
    interpreter("ruby", "Ir", "e", &[]),
    interpreter("node", "r", "ep", &["--require", "--import"]),
    interpreter("nodejs", "r", "ep", &["--require", "--import"]),
    interpreter("deno", "", "", &[]),
    interpreter("bun", "", "e", &[]),
    interpreter("php", "dcz", "rBRE", &[]),
    interpreter("lua", "l", "e", &[]),
    interpreter("luajit", "l", "e", &[]),
    interpreter("tclsh", "", "", &[]),
    interpreter("expect", "", "c", &[]),
    interpreter(
        "java",
        "",
        "",
        &["-cp", "-classpath", "--class-path", "-p", "--module-path"],
    ),
    interpreter("make", "CI", "", &[]),
];

pub(crate) const SHELLS: [&str; 11] = [
    "sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "rbash", "fish", "csh", "tcsh",
];

/// Of programs that give the value of `-c` to a shell: `su`, `runuser`, and with one operand `flock`, `script`.
pub(crate) const HANDED: Options = Options {
    values: "uUgGswEItOBm",
    long: &["--user", "--group", "--shell", "--wait", "--timeout"],
    code: "c",
    long_code: &["--command", "--session-command"],
    operands: 2,
};

pub(crate) const SHELL: Options = Options {
    values: "oO",
    long: &["--rcfile", "--init-file"],
    code: "c",
    long_code: &["--command"],
    operands: 0,
};

pub(crate) const ENV: Options = Options {
    values: "uC",
    long: &["--unset", "--chdir"],
    code: "S",
    long_code: &["--split-string"],
    operands: 0,
};

/// Words of the shell's own grammar that stand before a command.
pub(crate) const KEYWORDS: [&[u8]; 13] = [
    b"if", b"then", b"elif", b"else", b"fi", b"while", b"until", b"do", b"done", b"!", b"{", b"}", b"coproc",
];

/// Words of the shell that set what their arguments say.
pub(crate) const SETTING: [&[u8]; 5] = [b"export", b"declare", b"typeset", b"readonly", b"local"];

/// Settings whose value is loaded or run by the program they stand before.
pub(crate) const LOADING: [&[u8]; 5] = [b"LD_PRELOAD", b"LD_AUDIT", b"BASH_ENV", b"ENV", b"PERL5DB"];

impl Interpreter {
    /// The file that it would run; `None` where the code stands in the arguments or comes from the input.
    pub(crate) fn script<'a>(&self, arguments: &'a [Word]) -> Option<&'a Word> {
        match self.name {
            "java" => return value_after(arguments, b"-jar"),
            "make" => return value_after(arguments, b"-f"),
            "php" => {
                if let Some(file) = value_after(arguments, b"-f") {
                    return Some(file);
                }
            }
            _ => {}
        }
        let options = Options {
            values: self.letters,
            long: self.long,
            code: self.code,
            long_code: &["--eval", "--print"],
            operands: 0,
        };
        let split = split_options(arguments, &options);
        split.rest.first().filter(|_| split.code.is_none())
    }
}

/// The name without a version: `python3.11` is `python`.
pub(crate) fn stem(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-')
}

pub(crate) fn is_loader(name: &str) -> bool {
    name.starts_with("ld-linux") || name.starts_with("ld-musl") || name == "ld.so"
}
