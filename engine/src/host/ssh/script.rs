//! What the login shell is told: one line that starts a POSIX shell, which receives the worker and becomes it.
//!
//! The line holds no newline, no backslash and no quote but the outer ones, so that sh, bash, dash, zsh, csh and fish read it
//! alike. The script is for the host's `/bin/sh` and runs of the host's programs `mkdir`, `chmod` and `head`, once each, `gzip`
//! where there is one, and `uname` where the kernel is older than 6.1; `rm` only where something failed. What it says begins with a random mark, so
//! that a banner in front of it does no harm.
//!
//! It never trusts a name: the directory has a random one, is made exclusively with mode 0700, and only where no other account
//! could rename it (the parent is sticky, or our own). Under sudo this shell is already root's.

use deminer_worker::{PROGRAM_WHOLE, PROGRAM_WORKER, arrival};

use super::{Become, DIRECTORIES, SshTarget};

/// What a script says, after its mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// It has a directory on this kind of machine, and waits for the worker.
    Ready {
        /// As uname(1) says.
        machine: String,
        /// Whether it can unpack what gzip(1) packed.
        gzip: bool,
        /// The directory that it made.
        directory: String,
    },
    /// No directory will do.
    NoDirectory,
    /// There is no sudo.
    NoSudo,
    /// The worker lies there.
    Got,
    /// It could not be written.
    Full,
    /// It is not what was sent.
    Damaged,
    /// The host does not run it.
    Blocked,
    /// It runs next; what follows are frames.
    Run,
}

impl Said {
    /// What this line means, which begins after the mark.
    pub(super) fn parse(line: &str) -> Option<Said> {
        if let Some(ready) = line.strip_prefix("ready ") {
            let mut words = ready.splitn(3, ' ');
            let (machine, form, directory) = (words.next()?, words.next()?, words.next()?);
            return Some(Said::Ready {
                machine: machine.to_owned(),
                gzip: form == Form::Gzip.word(),
                directory: directory.to_owned(),
            });
        }
        let mut words = line.splitn(3, ' ');
        match (words.next()?, words.next(), words.next()) {
            ("nodir", None, None) => Some(Said::NoDirectory),
            ("nosudo", None, None) => Some(Said::NoSudo),
            ("got", None, None) => Some(Said::Got),
            ("full", None, None) => Some(Said::Full),
            ("damaged", None, None) => Some(Said::Damaged),
            ("blocked", None, None) => Some(Said::Blocked),
            ("run", None, None) => Some(Said::Run),
            _ => None,
        }
    }
}

/// The directories that are tried, in this order, as words of the script.
pub(super) fn directories(target: &SshTarget) -> Vec<String> {
    match target.directories.is_empty() {
        true => DIRECTORIES.iter().map(|word| format!("\"{word}\"")).collect(),
        false => target
            .directories
            .iter()
            .map(|path| format!("\"{}\"", path.display()))
            .collect(),
    }
}

/// The line for the login shell. `mark` and `name` are random letters and digits.
pub(super) fn line(target: &SshTarget, mark: &str, name: &str, directories: &[String]) -> String {
    let script = receive(mark, name, directories);
    match &target.r#become {
        Become::No => format!("exec /bin/sh -c '{script}'"),
        Become::Sudo { password } => {
            let how = match password {
                None => "-n".to_owned(),
                Some(_) => format!("-S -p {}", prompt(mark)),
            };
            let find = "for s in /usr/bin/sudo /usr/local/bin/sudo /bin/sudo /run/wrappers/bin/sudo";
            let start =
                format!("LC_ALL=C; export LC_ALL; {find}; do [ -x $s ] && exec $s {how} -- /bin/sh -c \"$0\"; done");
            format!("exec /bin/sh -c '{start}; echo; echo {mark} nosudo' '{script}'")
        }
    }
}

/// By what sudo asks for the password.
pub(super) fn prompt(mark: &str) -> String {
    format!("{mark}-password")
}

/// What the controller says once the worker lies there. The shell reads it byte by byte and leaves what follows.
pub(super) const GO: &[u8] = b"go\n";

/// The form in which a worker travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Plain,
    /// As gzip(1) packs it.
    Gzip,
}

impl Form {
    fn word(self) -> &'static str {
        match self {
            Form::Plain => "plain",
            Form::Gzip => "gzip",
        }
    }
}

/// What the controller says before the bytes: how many there are, the worker's SHA-256, and their form.
pub(super) fn announcement(length: u64, sha256: &str, form: Form) -> String {
    format!("{length} {sha256} {}\n", form.word())
}

/// What receives the worker. Each line ends so that all may stand in one.
fn receive(mark: &str, name: &str, directories: &[String]) -> String {
    let tried = directories.join(" ");
    let file = arrival::FILE;
    // It first says an empty line, so that a banner without a line end does not stand before the mark.
    let lines = [
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin; LC_ALL=C; export PATH LC_ALL; umask 077; d=; a=; n=; s=; g=; z=plain;",
        &format!("say() {{ echo \"{mark} $*\"; }};"),
        "clean() { [ -z \"$d\" ] || rm -rf \"$d\"; d=; };",
        "trap clean EXIT; trap \"exit 1\" HUP INT TERM; trap \"\" PIPE; echo;",
        "[ -r /proc/sys/kernel/arch ] && read -r a </proc/sys/kernel/arch; [ -n \"$a\" ] || a=$(uname -m);",
        &format!("for p in {tried};"),
        "do [ -d \"$p\" ] && [ -w \"$p\" ] && { [ -k \"$p\" ] || [ -O \"$p\" ]; } || continue;",
        &format!("d=\"$p/.{name}\"; mkdir \"$d\" 2>/dev/null || {{ d=; continue; }}; f=\"$d/{file}\";"),
        ": >\"$f\" && chmod 700 \"$f\" && [ -x \"$f\" ] && break; clean; done;",
        "[ -n \"$d\" ] || { say nodir; exit 1; };",
        "command -v gzip >/dev/null 2>&1 && z=gzip; say ready \"$a\" $z \"$d\"; read -r n s z || exit 1;",
        "if [ \"$z\" = gzip ]; then head -c \"$n\" | gzip -dc >\"$f\"; else head -c \"$n\" >\"$f\"; fi || { say full; exit 1; };",
        "say got; read -r g && [ \"$g\" = go ] || exit 1;",
        &format!("\"$f\" {PROGRAM_WHOLE} \"$s\" </dev/null;"),
        "case $? in 0) ;; 126|127) say blocked; exit 1;; *) say damaged; exit 1;; esac;",
        &format!("say run; exec \"$f\" {PROGRAM_WORKER} \"$d\""),
    ];
    lines.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ssh::Secret;

    #[test]
    fn a_line_is_one_word_for_any_shell() {
        let sudo = SshTarget {
            r#become: Become::Sudo {
                password: Some(Secret::new("hunter2")),
            },
            ..SshTarget::new("web")
        };
        for (target, quotes) in [(SshTarget::new("web"), 2), (sudo, 4)] {
            let line = line(&target, "m0", "n0", &directories(&target));
            assert!(!line.contains(['\n', '\\', '!', '`']), "{line}");
            assert_eq!(line.matches('\'').count(), quotes, "{line}");
            assert!(!line.contains("hunter2"));
        }
    }

    #[test]
    fn what_a_script_says_is_read_and_nothing_else() {
        let ready = |gzip, directory: &str| Said::Ready {
            machine: "x86_64".to_owned(),
            gzip,
            directory: directory.to_owned(),
        };
        let rows = [
            ("ready x86_64 gzip /dev/shm/.a", Some(ready(true, "/dev/shm/.a"))),
            ("ready x86_64 plain /home/a b/.a", Some(ready(false, "/home/a b/.a"))),
            ("ready x86_64 plain", None),
            ("ready x86_64", None),
            ("got", Some(Said::Got)),
            ("got more", None),
            ("run", Some(Said::Run)),
            ("", None),
            ("say", None),
        ];
        for (line, expected) in rows {
            assert_eq!(Said::parse(line), expected, "{line}");
        }
    }
}
