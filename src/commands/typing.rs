//! What is typed on the terminal: one reader for all that ask, since a read from a terminal cannot be broken off.

use std::io::{self, BufRead, Write};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{Mutex, MutexGuard};

/// The terminal's lines. Nothing is read before somebody listens.
#[derive(Default)]
pub(crate) struct Typing {
    lines: Mutex<Option<UnboundedReceiver<String>>>,
}

/// The terminal's lines, for one question.
pub(crate) struct Listening<'a>(MutexGuard<'a, Option<UnboundedReceiver<String>>>);

impl Typing {
    /// These lines.
    #[cfg(test)]
    pub(crate) fn of(lines: UnboundedReceiver<String>) -> Typing {
        Typing {
            lines: Mutex::new(Some(lines)),
        }
    }

    /// Listens, when nobody else does. What was typed before answers nothing and is thrown away.
    pub(crate) async fn listen(&self) -> Listening<'_> {
        let mut lines = self.lines.lock().await;
        // Where it is no terminal there is nothing to throw away.
        let _ = rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush);
        let typed = lines.get_or_insert_with(typed);
        while typed.try_recv().is_ok() {}
        Listening(lines)
    }
}

impl Listening<'_> {
    /// The next line, without blanks around it; `None` at the end of the input.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let line = self.0.as_mut()?.recv().await?;
        Some(line.trim().to_owned())
    }
}

/// Asks for a line on the terminal that does not show what is typed.
///
/// # Errors
/// When there is no terminal, or nothing is typed.
pub(crate) fn hidden(prompt: &str) -> io::Result<String> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let terminal = std::fs::File::options().read(true).write(true).open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
    let mut line = String::new();
    let asked = (&terminal)
        .write_all(prompt.as_bytes())
        .and_then(|()| io::BufReader::new(&terminal).read_line(&mut line));
    tcsetattr(&terminal, OptionalActions::Flush, &before)?;
    (&terminal).write_all(b"\n")?;
    match asked? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end_matches('\n').to_owned()),
    }
}

/// The lines that are typed from now on. The thread that reads them ends with the program, or where the input ends.
fn typed() -> UnboundedReceiver<String> {
    let (sender, lines) = unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let sent = line.map(|line| sender.send(line).is_ok());
            if !sent.unwrap_or(false) {
                return;
            }
        }
    });
    lines
}
