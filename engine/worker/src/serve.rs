//! The loop of a worker: one question or one transaction after the other, over any pair of streams.

use std::io::{self, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::action::Act;
use crate::frame::{self, EvidenceItem, FrameError, FromWorker, PROTOCOL, Part, ToWorker, TransactionEvent};
use crate::platform::simulated::WorkerKilled;
use crate::platform::{Pace, Platform};
use crate::query::{Answer, HostError, Observed, Query};
use crate::text::{Digest, HostPath, Wide};
use crate::{arrival, stamp, take_back, transaction};

/// The controller, from the worker: what it says and how it is told.
///
/// Once the link is lost it stays lost: nothing more is written, and waiting gives [`Said::Lost`] at once.
pub struct Controller {
    output: Box<dyn Write + Send>,
    inbox: Receiver<Result<ToWorker, FrameError>>,
    heard: Heard,
    lost: bool,
    evidence: u32,
    looking: Arc<AtomicBool>,
}

/// What becomes of a worker whose controller is gone while it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alone {
    /// It answers to the end; then it finds that nobody listens.
    Answers,
    /// Its process ends: nothing that it looks at is changed, and nobody wants the answer.
    Leaves,
}

/// When the controller was heard last; `None` before it said [`ToWorker::Here`] for the first time.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Option<Instant>>>);

impl Heard {
    /// Something came; `here` where it was the sign of life itself.
    fn note(&self, here: bool) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if here || last.is_some() {
            *last = Some(Instant::now());
        }
    }

    /// How much longer it may be silent before it is gone, `limit` in all; `None` as long as it may be so for ever.
    fn patience(&self, limit: Duration) -> Option<Duration> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.map(|last| limit.saturating_sub(last.elapsed()))
    }
}

/// What waiting for the controller gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// A message.
    Message(ToWorker),
    /// Nothing within the time.
    Nothing,
    /// The link is gone, or what came over it is no message.
    Lost,
}

impl Controller {
    /// Listens on `input` with a thread of its own and speaks on `output`.
    pub fn new(input: impl Read + Send + 'static, output: impl Write + Send + 'static) -> Controller {
        Controller::with(input, output, Alone::Answers)
    }

    fn with(input: impl Read + Send + 'static, output: impl Write + Send + 'static, alone: Alone) -> Controller {
        let (sender, inbox) = sync_channel(64);
        let heard = Heard::default();
        let notes = heard.clone();
        let looking = Arc::new(AtomicBool::new(false));
        let looks = Arc::clone(&looking);
        std::thread::spawn(move || {
            listen(input, &sender, &notes);
            if alone == Alone::Leaves && looks.load(Ordering::SeqCst) {
                std::process::exit(0);
            }
        });
        Controller {
            looking,
            output: Box::new(output),
            inbox,
            heard,
            lost: false,
            evidence: 0,
        }
    }

    /// Whether nobody listens any more.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// Goes on as if nobody listened any more.
    pub fn give_up(&mut self) {
        self.lost = true;
    }

    /// Says something; if nobody listens any more, notes that.
    pub fn say(&mut self, message: &FromWorker) {
        if !self.lost && frame::send_message(&mut self.output, message).is_err() {
            self.lost = true;
        }
    }

    /// Tells an event of the transaction.
    pub fn tell(&mut self, event: TransactionEvent) {
        self.say(&FromWorker::Event(event));
    }

    /// Sends bytes of evidence.
    pub fn piece(&mut self, number: u32, bytes: &[u8]) {
        for piece in bytes.chunks(frame::PIECE_BYTES) {
            if !self.lost && frame::send_piece(&mut self.output, number, piece).is_err() {
                self.lost = true;
            }
        }
    }

    /// The next number for evidence.
    pub fn next_evidence(&mut self) -> u32 {
        self.evidence += 1;
        self.evidence
    }

    /// Waits for the next message, `None` for as long as the link stands.
    pub fn wait(&mut self, ms: Option<u64>) -> Said {
        if self.lost {
            return Said::Lost;
        }
        let until = ms.map(|ms| Instant::now() + Duration::from_millis(ms));
        loop {
            // Before its first sign of life it is looked again as soon as one may have come.
            let patience = self.heard.patience(frame::SILENT).unwrap_or(frame::BEAT);
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            match self
                .inbox
                .recv_timeout(left.map_or(patience, |left| left.min(patience)))
            {
                Ok(Ok(message)) => return Said::Message(message),
                Err(RecvTimeoutError::Timeout) if self.heard.patience(frame::SILENT) == Some(Duration::ZERO) => break,
                Err(RecvTimeoutError::Timeout) if left.is_some_and(|left| left <= patience) => return Said::Nothing,
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.lost = true;
        Said::Lost
    }
}

fn listen(input: impl Read, sender: &SyncSender<Result<ToWorker, FrameError>>, heard: &Heard) {
    let mut input = BufReader::new(input);
    loop {
        let received = frame::receive_order(&mut input);
        let here = matches!(received, Ok(ToWorker::Here));
        heard.note(here);
        if here {
            continue;
        }
        let last = received.is_err();
        if sender.send(received).is_err() || last {
            return;
        }
    }
}

/// Serves one controller until it says good-bye or is gone. What was frozen for it runs again or is dead by then.
pub fn serve(platform: &dyn Platform, controller: &mut Controller) {
    match controller.wait(None) {
        Said::Message(ToWorker::Hello { protocol: PROTOCOL }) => {}
        _ => {
            controller.say(&hello());
            return;
        }
    }
    controller.say(&hello());
    let mut spent = transaction::Spent::default();
    loop {
        match controller.wait(None) {
            Said::Message(ToWorker::Ask { id, query }) => {
                // A program of the host is not left behind by itself.
                let leaves = !matches!(query, Query::Command(_));
                controller.looking.store(leaves, Ordering::SeqCst);
                let result = answer(platform, &query);
                controller.looking.store(false, Ordering::SeqCst);
                controller.say(&FromWorker::Answer { id, result });
            }
            Said::Message(ToWorker::Begin(begin)) => {
                platform.pace(Pace::Stroke);
                transaction::run(platform, controller, &begin, &mut spent);
                platform.pace(Pace::Look);
            }
            Said::Message(ToWorker::Recall { journal, acts }) => {
                // Held until all is told: nothing is at work that could still write to it.
                let lock = platform.lock();
                let busy = matches!(lock, Err(HostError::Busy));
                let mut left = None;
                if !busy {
                    left = tidy(platform, &acts).err();
                    tell_spool(platform, controller, &journal);
                }
                let records = match platform.recall_journal(&journal) {
                    Ok(Some(bytes)) => crate::journal::read(&bytes),
                    Ok(None) | Err(_) => Vec::new(),
                };
                controller.say(&FromWorker::Recalled { records, busy, left });
            }
            Said::Message(ToWorker::Forget { journal }) => {
                let result = platform.forget_journal(&journal);
                controller.say(&FromWorker::Forgotten { result });
            }
            Said::Message(ToWorker::TakeBack(order)) => {
                platform.pace(Pace::Stroke);
                take_back::run(platform, controller, &order);
                platform.pace(Pace::Look);
            }
            // An acknowledgement or a commit that comes after its transaction ended means nothing.
            Said::Message(
                ToWorker::Kept { .. }
                | ToWorker::Noted
                | ToWorker::Commit
                | ToWorker::Abort
                | ToWorker::Piece(_)
                | ToWorker::Given { .. }
                | ToWorker::Here
                | ToWorker::Hello { .. },
            ) => {}
            Said::Message(ToWorker::Bye) | Said::Nothing | Said::Lost => return,
        }
    }
}

/// Sends what an earlier worker left sealed in its spool, item by item, as evidence is sent.
fn tell_spool(platform: &dyn Platform, controller: &mut Controller, directory: &HostPath) {
    let item = |path, expected| EvidenceItem {
        action: None,
        part: Part::Content,
        path,
        process: None,
        expected,
    };
    let told = platform.recall_spool(directory, &mut |sealed, bytes| {
        let number = controller.next_evidence();
        let path = directory.join(sealed.to_string().as_bytes());
        controller.tell(TransactionEvent::Keeping {
            number,
            item: item(path, Some(sealed)),
        });
        controller.piece(number, bytes);
        controller.tell(TransactionEvent::KeptAll {
            number,
            sha256: Digest::of(bytes),
            size: Wide(bytes.len() as u64),
        });
    });
    if let Err(why) = told {
        let item = item(directory.clone(), None);
        controller.tell(TransactionEvent::NotKept { item, why });
    }
}

/// Puts in order what a dead worker left half done of these acts: all that can be; gives the first that cannot.
fn tidy(platform: &dyn Platform, acts: &[Act]) -> Result<(), HostError> {
    let mut left = Ok(());
    for act in acts {
        left = left.and(platform.tidy(act));
    }
    left
}

fn hello() -> FromWorker {
    FromWorker::Hello {
        protocol: PROTOCOL,
        version: stamp::version(),
        pid: std::process::id(),
    }
}

/// One hostile file that makes a reader panic costs one answer, not the worker.
fn answer(platform: &dyn Platform, query: &Query) -> Result<Observed<Answer>, HostError> {
    catch_unwind(AssertUnwindSafe(|| platform.answer(query))).unwrap_or_else(|panic| {
        if panic.is::<WorkerKilled>() {
            resume_unwind(panic);
        }
        Err(HostError::Failed {
            doing: "answer a query".to_owned(),
            why: "the worker's own fault (a panic)".to_owned(),
        })
    })
}

/// Serves over standard input and output; where standard input is a socket, over that socket both ways.
///
/// Begins a session of its own, so that a key press on the operator's terminal or the end of a login does not reach a
/// stroke that has begun.
pub fn main_worker(platform: &dyn Platform) {
    // Already leading a session is no error: then the terminal's signals do not come here either.
    let _ = rustix::process::setsid();
    let input = std::io::stdin();
    let Ok(socket) = rustix::io::fcntl_dupfd_cloexec(&input, 3) else {
        return;
    };
    let both_ways = rustix::net::sockopt::socket_type(&socket).is_ok();
    let mut controller = if both_ways {
        let socket = std::os::unix::net::UnixStream::from(socket);
        let Ok(output) = socket.try_clone() else { return };
        if output.set_write_timeout(Some(frame::UNREAD)).is_err() {
            return;
        }
        Controller::with(socket, output, Alone::Leaves)
    } else {
        let Ok(output) = Patient::new(&std::io::stdout()) else {
            return;
        };
        Controller::with(std::io::stdin(), output, Alone::Leaves)
    };
    serve(platform, &mut controller);
}

/// As [`main_worker`], for a program that was sent to `directory`: first it leaves no file there, and steps back behind the
/// host's own work.
pub fn main_sent_worker(platform: &dyn Platform, directory: &Path) {
    // What stays in spite of it is seen by who looks for what is left; a worker is needed all the same.
    let _ = arrival::unlink_own_file(directory);
    platform.pace(Pace::Look);
    main_worker(platform);
}

/// A pipe that is written to for as long as somebody reads: not for ever where nobody does any more.
struct Patient(OwnedFd);

impl Patient {
    fn new(output: &impl AsFd) -> io::Result<Patient> {
        let output = rustix::io::fcntl_dupfd_cloexec(output, 3)?;
        let flags = rustix::fs::fcntl_getfl(&output)?;
        rustix::fs::fcntl_setfl(&output, flags | OFlags::NONBLOCK)?;
        Ok(Patient(output))
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::io::write(&self.0, bytes) {
                Ok(written) => return Ok(written),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let limit = Timespec::try_from(frame::UNREAD).map_err(io::Error::other)?;
                    let mut ready = [PollFd::new(&self.0, PollFlags::OUT)];
                    if rustix::io::retry_on_intr(|| poll(&mut ready, Some(&limit)))? == 0 {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controller() -> (Controller, std::os::unix::net::UnixStream) {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a socket pair");
        let output = theirs.try_clone().expect("our own socket");
        (Controller::new(theirs, output), ours)
    }

    #[test]
    fn who_never_said_that_it_is_there_may_be_silent() {
        let (mut controller, _ours) = controller();
        assert_eq!(controller.wait(Some(5)), Said::Nothing);
        assert_eq!(controller.heard.patience(Duration::ZERO), None);
    }

    #[test]
    fn a_sign_of_life_is_no_message_and_its_lack_is_noticed() {
        let (mut controller, mut ours) = controller();
        frame::send_message(&mut ours, &ToWorker::Here).expect("somebody listens");
        frame::send_message(&mut ours, &ToWorker::Bye).expect("somebody listens");
        assert_eq!(controller.wait(Some(5_000)), Said::Message(ToWorker::Bye));
        assert!(controller.heard.patience(Duration::from_secs(60)) > Some(Duration::ZERO));
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(
            controller.heard.patience(Duration::from_millis(10)),
            Some(Duration::ZERO)
        );
        drop(ours);
        assert_eq!(controller.wait(None), Said::Lost);
    }

    #[test]
    fn a_pipe_that_is_read_takes_everything() {
        let (read, write) = rustix::pipe::pipe().expect("a pipe");
        let reading = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            std::fs::File::from(read).read_to_end(&mut bytes).map(|_| bytes)
        });
        let mut patient = Patient::new(&write).expect("our own pipe");
        drop(write);
        let bytes: Vec<u8> = (0..1 << 20).map(|number: u32| number as u8).collect();
        patient.write_all(&bytes).expect("somebody reads");
        drop(patient);
        assert_eq!(reading.join().expect("a reader").expect("bytes"), bytes);
    }
}
