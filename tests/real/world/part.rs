//! Writes harmless programs that play a part on a host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::host::Host;
use crate::common::infection::stripped;

/// Before the trailer's words; `stand_in.rs` reads it.
const MARK: &str = "\nDEMINER-STAND-IN ";

/// The trailer's length: a program may lie anywhere before it.
pub(crate) const TRAILER: usize = 512;

/// What a program plays: what it does beside being there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    words: Vec<String>,
}

impl Part {
    /// Waits.
    pub(crate) fn idle() -> Part {
        Part::default()
    }

    /// Burns so many percent of one CPU for three minutes, 20 at most.
    pub(crate) fn busy(percent: u8) -> Part {
        Part::idle().word("load", percent)
    }

    /// Logs in at a pool, as ADDRESS:PORT.
    pub(crate) fn mining_at(self, pool: &str) -> Part {
        self.word("stratum", pool)
    }

    /// Says honest lines to a server.
    pub(crate) fn talking_to(self, server: &str) -> Part {
        self.word("lines", server)
    }

    /// Begins what looks like TLS with a server.
    pub(crate) fn greeting_tls(self, server: &str) -> Part {
        self.word("tls", server)
    }

    /// Starts `target`, a copy of `copy`, whenever nothing runs it.
    pub(crate) fn guarding(mut self, copy: &str, target: &str) -> Part {
        // Paths stand alone, as in the strings of any program.
        self.words.push(format!("ward= {copy} {target}"));
        self
    }

    /// Ends at once where it runs already, as what a clock starts each minute does.
    pub(crate) fn alone(self) -> Part {
        self.word("alone", "yes")
    }

    /// Shows itself under another name.
    pub(crate) fn called(self, comm: &str) -> Part {
        self.word("comm", comm)
    }

    fn word(mut self, key: &str, value: impl std::fmt::Display) -> Part {
        self.words.push(format!("{key}={value}"));
        self
    }

    /// A program that plays this part: no two have the same content.
    pub(crate) fn program(&self) -> Vec<u8> {
        static SALT: AtomicU32 = AtomicU32::new(0);
        let made = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock after 1970");
        let salt = SALT.fetch_add(1, Ordering::Relaxed);
        let words = self.words.join(" ");
        let trailer = format!(
            "{MARK}made={} salt={}-{salt} {words}",
            made.as_secs(),
            std::process::id()
        );
        assert!(trailer.len() <= TRAILER, "too much for a trailer: {trailer}");
        let mut content = stripped(plain()).to_vec();
        content.extend_from_slice(format!("{trailer:<TRAILER$}").as_bytes());
        content
    }

    /// Writes it as a program of a host.
    pub(crate) fn write(&self, host: &Host<'_>, path: &str) {
        host.write(path, self.program(), 0o755);
    }
}

/// The program without a part.
fn plain() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| built(["--example", "stand-in"], "stand-in"))
}

/// A program of this repository, built where it is not yet.
pub(super) fn built(which: [&str; 2], name: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--locked", "--quiet"])
        .args(which)
        .args(["--message-format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo starts");
    let text = String::from_utf8(output.stdout).expect("JSON of cargo");
    let mut messages = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let executable = messages.find_map(|message| {
        let path = message["executable"].as_str().map(PathBuf::from);
        path.filter(|_| message["target"]["name"] == name)
    });
    let executable = executable.unwrap_or_else(|| panic!("cargo built no `{name}`"));
    assert!(
        fs::exists(&executable).is_ok_and(|there| there),
        "{}",
        executable.display()
    );
    executable
}
