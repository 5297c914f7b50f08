//! What is typed on the terminal: one reader for all that ask, since a read from a terminal cannot be broken off. It reads a
//! line only while one is waited for: another program may ask on the same terminal afterwards.

use std::io::{self, BufRead, Write};
use std::sync::mpsc;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{Mutex, MutexGuard};

/// The terminal's lines. Nothing is read before somebody listens.
#[derive(Default)]
pub(crate) struct Typing {
    typed: Mutex<Option<Typed>>,
}

/// The terminal's lines, for one question.
pub(crate) struct Listening<'a>(MutexGuard<'a, Option<Typed>>);

/// The lines that were typed, and how one is asked for.
struct Typed {
    lines: UnboundedReceiver<String>,
    wants: mpsc::Sender<()>,
    /// Whether one is being read that nobody has had yet.
    is_reading: bool,
}

impl Typing {
    /// These lines.
    #[cfg(test)]
    pub(crate) fn of(lines: UnboundedReceiver<String>) -> Typing {
        let typed = Typed {
            lines,
            wants: mpsc::channel().0,
            is_reading: false,
        };
        Typing {
            typed: Mutex::new(Some(typed)),
        }
    }

    /// Listens, when nobody else does. What was typed before answers nothing and is thrown away.
    pub(crate) async fn listen(&self) -> Listening<'_> {
        let mut typed = self.typed.lock().await;
        // Where it is no terminal there is nothing to throw away.
        let _ = rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush);
        let before = typed.get_or_insert_with(begin);
        while before.lines.try_recv().is_ok() {
            before.is_reading = false;
        }
        Listening(typed)
    }
}

impl Listening<'_> {
    /// The next line, without blanks around it; `None` at the end of the input.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let typed = self.0.as_mut()?;
        if !typed.is_reading {
            // Where nobody reads any more, no line comes.
            let _ = typed.wants.send(());
            typed.is_reading = true;
        }
        let line = typed.lines.recv().await?;
        typed.is_reading = false;
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

/// The lines that are typed from now on, each when it is asked for. The thread that reads them ends with the program, or
/// where the input ends.
fn begin() -> Typed {
    let (sender, lines) = unbounded_channel();
    let (wants, wanted) = mpsc::channel();
    std::thread::spawn(move || {
        while wanted.recv().is_ok() {
            let line = io::stdin().lock().lines().next();
            let sent = line.and_then(Result::ok).is_some_and(|line| sender.send(line).is_ok());
            if !sent {
                return;
            }
        }
    });
    Typed {
        lines,
        wants,
        is_reading: false,
    }
}
