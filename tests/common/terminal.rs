//! The command on a terminal: somebody reads what it says, and types.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::command::{Deminer, program};

/// Longer than any answer takes.
const LONGEST: Duration = Duration::from_secs(120);

/// A command that has a terminal of its own.
pub(crate) struct Terminal {
    child: Child,
    screen: File,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    /// Starts a verb that keeps runs.
    pub(crate) fn start(deminer: &Deminer, words: &[&str]) -> Terminal {
        Terminal::within(deminer, words, &[])
    }

    /// The same, with these in its environment.
    pub(crate) fn within(deminer: &Deminer, words: &[&str], environment: &[(&str, &str)]) -> Terminal {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&screen).and_then(|()| unlockpt(&screen)).expect("ours");
        let size = Winsize {
            ws_row: 50,
            ws_col: 110,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&screen, size).expect("a size");
        let name = ptsname(&screen, Vec::new()).expect("its name");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let end = || -> OwnedFd { rustix::fs::open(&name, flags, Mode::empty()).expect("its other end") };
        let child = Command::new(program())
            .args(words)
            .arg("--runs")
            .arg(deminer.runs())
            .env("TERM", "xterm")
            .env_remove("COLUMNS")
            .env_remove("DEMINER_LANG")
            .env_remove("NO_COLOR")
            .envs(environment.iter().copied())
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("the command starts");
        let screen = File::from(screen);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut from, into) = (screen.try_clone().expect("a second handle"), Arc::clone(&shown));
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It ends when nobody holds the other end any more.
            while let Ok(read @ 1..) = from.read(&mut bytes) {
                into.lock().expect("only read").extend_from_slice(&bytes[..read]);
            }
        });
        Terminal {
            child,
            screen,
            shown,
            reader,
        }
    }

    /// What was shown so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().expect("only written")).into_owned()
    }

    /// Waits until this is shown.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        let began = Instant::now();
        while !self.text().contains(text) {
            assert!(began.elapsed() < LONGEST, "`{text}` does not come: {}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Types.
    pub(crate) fn types(&mut self, text: &str) {
        self.screen.write_all(text.as_bytes()).expect("the terminal is there");
    }

    /// Waits for the end; gives the exit code, and all that was shown.
    #[track_caller]
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                break status;
            }
            assert!(began.elapsed() < LONGEST, "it still runs: {}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        };
        // Its last words may not be read yet.
        while !self.reader.is_finished() {
            assert!(
                began.elapsed() < LONGEST,
                "somebody holds its terminal: {}",
                self.text()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        (status.code(), self.text())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Our own child; one that has ended cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
