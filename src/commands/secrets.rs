//! Opens the places of secrets on this machine, each once; nothing of what lies there is ever in a message.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use deminer_engine::environment::{SecretError, SecretSource, Secrets};

use super::playbook::read_bounded;

/// The longest secret.
const SECRET_BYTES: u64 = 64 << 10;

/// How long a program may take that gives one: somebody may have to touch a key.
const COMMAND: Duration = Duration::from_secs(60);

/// The program that opens encrypted files: of <https://age-encryption.org>.
const AGE: &str = "age";

/// What this machine holds.
#[derive(Default)]
pub(crate) struct Drawer {
    opened: Mutex<HashMap<SecretSource, Result<String, SecretError>>>,
}

impl Drawer {
    /// The variables of our environment that were opened.
    pub(crate) fn variables(&self) -> Vec<String> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let name = |source: &SecretSource| match source {
            SecretSource::Env(name) => Some(name.clone()),
            _ => None,
        };
        opened.keys().filter_map(name).collect()
    }
}

impl Secrets for Drawer {
    fn open(&self, source: &SecretSource) -> Result<String, SecretError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let open = || {
            let secret = open(source)?;
            match secret.is_empty() {
                true => Err(error(format!("{source} is empty"), None)),
                false => Ok(secret),
            }
        };
        opened.entry(source.clone()).or_insert_with(open).clone()
    }
}

fn error(why: String, help: Option<&str>) -> SecretError {
    SecretError {
        why,
        help: help.map(str::to_owned),
    }
}

fn open(source: &SecretSource) -> Result<String, SecretError> {
    match source {
        SecretSource::Env(name) => match std::env::var(name) {
            Ok(secret) => Ok(secret),
            Err(std::env::VarError::NotPresent) => Err(error(format!("{source} is not set"), None)),
            Err(std::env::VarError::NotUnicode(_)) => Err(error(format!("{source} is not UTF-8"), None)),
        },
        SecretSource::File(path) => {
            let text = read_bounded(Path::new(path), SECRET_BYTES);
            text.map(line)
                .map_err(|why| error(format!("{source}: {}", why.kind()), None))
        }
        SecretSource::Command(words) => said_by(source, words),
        SecretSource::Age { file, identity } => {
            let words = [AGE, "--decrypt", "--identity", identity, "--", file].map(str::to_owned);
            said_by(source, &words)
        }
    }
}

fn line(text: String) -> String {
    text.strip_suffix('\n').map_or(text.clone(), str::to_owned)
}

/// What a program says; only how it ended is told of it, since its words may hold the secret.
fn said_by(source: &SecretSource, words: &[String]) -> Result<String, SecretError> {
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| error(format!("{source} names no program"), None))?;
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = started.map_err(|why| {
        let help = (program == AGE).then_some("install `age`, or its twin `rage` under that name");
        error(format!("{source}: `{program}` does not start: {}", why.kind()), help)
    })?;
    let mut pipe = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = pipe
            .as_mut()
            .map(|pipe| pipe.take(SECRET_BYTES + 1).read_to_end(&mut bytes));
        drop(pipe);
        read.and_then(Result::ok).map(|_| bytes)
    });
    let until = Instant::now() + COMMAND;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error(
                    format!("{source} gave nothing within {} s", COMMAND.as_secs()),
                    None,
                ));
            }
        }
    };
    let bytes = reader.join().ok().flatten().unwrap_or_default();
    // One that is not heard to its end may be ended by that.
    if bytes.len() as u64 > SECRET_BYTES {
        return Err(error(format!("{source} gave more than {SECRET_BYTES} bytes"), None));
    }
    if !status.success() {
        let help = Some("run it by hand: what it says is not repeated here, since it may hold the secret");
        return Err(error(format!("{source} ended with {status}"), help));
    }
    String::from_utf8(bytes)
        .map(line)
        .map_err(|_| error(format!("{source} gave no UTF-8"), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Result<String, SecretError> {
        let words = ["/bin/sh", "-c", text].map(str::to_owned).to_vec();
        Drawer::default().open(&SecretSource::Command(words))
    }

    #[test]
    fn a_program_gives_a_secret_and_its_failure_does_not() {
        assert_eq!(command("printf 'hunter22\\n'").as_deref(), Ok("hunter22"));
        for (name, text, expected) in [
            ("nothing", "true", "is empty"),
            ("it fails", "echo hunter22; echo hunter22 >&2; exit 3", "exit status: 3"),
            ("too much", "yes hunter22 | head -c 70000", "more than 65536 bytes"),
            ("no text", "printf '\\377\\376abc'", "no UTF-8"),
        ] {
            let why = command(text).expect_err(name).why;
            assert!(why.contains(expected), "{name}: {why}");
            assert!(!why.replace(text, "").contains("hunter22"), "{name}: {why}");
        }
    }

    #[test]
    fn a_place_is_opened_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        std::fs::write(&file, "hunter22\n").expect("written");
        let source = SecretSource::File(file.to_string_lossy().into_owned());
        let drawer = Drawer::default();
        assert_eq!(drawer.open(&source).as_deref(), Ok("hunter22"));
        std::fs::write(&file, "another1\n").expect("written");
        assert_eq!(drawer.open(&source).as_deref(), Ok("hunter22"));
        assert!(
            Drawer::default()
                .open(&SecretSource::File("/nonexistent".to_owned()))
                .is_err()
        );
    }
}
