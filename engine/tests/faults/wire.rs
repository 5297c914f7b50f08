//! The wire between a controller and the worker of a simulated host, in lock step: one of the two works, the other waits, so
//! that every run passes the same moments in the same order.
//!
//! The worker has the turn until it has sent a frame; then the controller has it until it has nothing more to do. Once
//! something went wrong the two have nothing more to do with each other, and both go on by themselves.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use deminer_worker::frame::{KIND_PIECE, ToWorker};
use deminer_worker::platform::simulated::WorkerKilled;
use deminer_worker::text::HostBytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::moment::{Fault, Kind, Moments, Side};

/// Longer than any turn takes.
const STUCK: Duration = Duration::from_secs(60);

/// What the task of a killed controller unwinds with.
pub(crate) struct ControllerKilled;

/// Who works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Worker,
    Controller,
}

#[derive(Debug)]
struct State {
    turn: Turn,
    to_worker: VecDeque<u8>,
    to_controller: VecDeque<u8>,
    /// Nothing more goes through.
    cut: bool,
    /// The worker ends where it stands.
    worker_dies: bool,
    worker_ended: bool,
    /// Nothing more is done by the controller.
    controller_dead: bool,
    reader: Option<Waker>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Wire {
    state: Mutex<State>,
    changed: Condvar,
    moments: Arc<Moments>,
}

impl Wire {
    pub(crate) fn new(moments: &Arc<Moments>) -> Arc<Wire> {
        Arc::new(Wire {
            state: Mutex::new(State {
                turn: Turn::Controller,
                to_worker: VecDeque::new(),
                to_controller: VecDeque::new(),
                cut: false,
                worker_dies: false,
                worker_ended: false,
                controller_dead: false,
                reader: None,
            }),
            changed: Condvar::new(),
            moments: Arc::clone(moments),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        // A dead controller is not woken: it would learn of its own end.
        let waker = state.reader.take().filter(|_| !state.controller_dead);
        drop(state);
        self.changed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wait<'s>(
        &self,
        state: MutexGuard<'s, State>,
        is_over: impl Fn(&State) -> bool,
        who: &str,
    ) -> MutexGuard<'s, State> {
        let waiting = |state: &mut State| !is_over(state);
        let (state, timeout) = self
            .changed
            .wait_timeout_while(state, STUCK, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "{who} waits for ever: {:?}", state.turn);
        state
    }

    /// Passes a moment of the worker.
    pub(crate) fn at_worker(&self, kind: Kind, side: Side, what: &str) {
        match self.moments.pass(kind, side, what) {
            None => {}
            Some(Fault::WorkerDies) => {
                self.change(|state| state.cut = true);
                resume_unwind(Box::new(WorkerKilled));
            }
            Some(Fault::LinkIsCut) => self.change(|state| state.cut = true),
            Some(Fault::ControllerDies) => self.change(|state| (state.cut, state.controller_dead) = (true, true)),
        }
    }

    /// Passes a moment of the controller; whether it still lives.
    fn at_controller(&self, kind: Kind, side: Side, what: &str) -> bool {
        match self.moments.pass(kind, side, what) {
            None => {}
            Some(Fault::WorkerDies) => self.change(|state| (state.cut, state.worker_dies) = (true, true)),
            Some(Fault::LinkIsCut) => self.change(|state| state.cut = true),
            Some(Fault::ControllerDies) => self.change(|state| (state.cut, state.controller_dead) = (true, true)),
        }
        !self.state().controller_dead
    }

    /// Passes a moment of the controller's own task, which ends where it stands if it dies there.
    pub(crate) fn at_journal(&self, side: Side, what: &str) {
        if !self.at_controller(Kind::Journal, side, what) {
            resume_unwind(Box::new(ControllerKilled));
        }
    }

    /// Lets the worker work until it has sent something, or nothing more comes.
    pub(crate) fn let_worker_work(&self) {
        self.change(|state| state.turn = Turn::Worker);
        let over = |state: &State| state.turn == Turn::Controller || state.cut || state.worker_ended;
        drop(self.wait(self.state(), over, "the controller"));
    }

    /// Whether the two have nothing more to do with each other.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.state();
        state.cut || state.worker_ended
    }

    pub(crate) fn is_controller_dead(&self) -> bool {
        self.state().controller_dead
    }

    pub(crate) fn cut(&self) {
        self.change(|state| state.cut = true);
    }

    pub(crate) fn worker_ended(&self) {
        self.change(|state| state.worker_ended = true);
    }

    /// Waits until the worker has the turn.
    pub(crate) fn wait_for_turn(&self) {
        let over = |state: &State| state.turn == Turn::Worker || state.cut || state.worker_dies;
        let state = self.wait(self.state(), over, "the worker");
        if state.worker_dies {
            drop(state);
            resume_unwind(Box::new(WorkerKilled));
        }
    }
}

/// The end that the worker holds.
pub(crate) struct WorkerEnd(pub(crate) Arc<Wire>);

impl Read for WorkerEnd {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.state();
        while state.to_worker.is_empty() && !state.cut && !state.worker_ended {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.to_worker.read(bytes)
    }
}

impl Write for WorkerEnd {
    fn write(&mut self, frame: &[u8]) -> io::Result<usize> {
        let wire = &self.0;
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        if wire.state().cut {
            return Err(broken());
        }
        let (kind, what) = (kind_from_worker(frame), said(frame));
        wire.at_worker(kind, Side::Before, &what);
        if wire.state().cut {
            return Err(broken());
        }
        wire.change(|state| state.to_controller.extend(frame));
        wire.at_worker(kind, Side::After, &what);
        wire.change(|state| state.turn = Turn::Controller);
        wire.wait_for_turn();
        Ok(frame.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The end that the controller holds.
pub(crate) struct ControllerEnd(pub(crate) Arc<Wire>);

impl AsyncRead for ControllerEnd {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        let over = state.cut || state.worker_ended;
        if state.controller_dead || (state.to_controller.is_empty() && !over) {
            state.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let length = state.to_controller.len().min(buffer.remaining());
        let read = state.to_controller.read(buffer.initialize_unfilled_to(length));
        Poll::Ready(read.map(|read| buffer.advance(read)))
    }
}

impl AsyncWrite for ControllerEnd {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, frame: &[u8]) -> Poll<io::Result<usize>> {
        let wire = &self.0;
        let broken = || Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        if wire.is_controller_dead() {
            return Poll::Pending;
        }
        if wire.is_over() {
            return broken();
        }
        let (kind, what) = (kind_to_worker(frame), said(frame));
        if !wire.at_controller(kind, Side::Before, &what) {
            return Poll::Pending;
        }
        if wire.is_over() {
            return broken();
        }
        wire.change(|state| state.to_worker.extend(frame));
        match wire.at_controller(kind, Side::After, &what) {
            true => Poll::Ready(Ok(frame.len())),
            false => Poll::Pending,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn kind_from_worker(frame: &[u8]) -> Kind {
    match frame.get(4) {
        Some(&KIND_PIECE) => Kind::Chunk,
        _ => Kind::FromWorker,
    }
}

/// Whether a frame says what the worker waits for before it goes on: each kind of message is named.
fn kind_to_worker(frame: &[u8]) -> Kind {
    match serde_json::from_slice::<ToWorker>(frame.get(5..).unwrap_or_default()) {
        Ok(ToWorker::Kept { .. } | ToWorker::Noted | ToWorker::Commit) => Kind::Acknowledgement,
        Ok(
            ToWorker::Hello { .. }
            | ToWorker::Ask { .. }
            | ToWorker::Begin(_)
            | ToWorker::Abort
            | ToWorker::Recall { .. }
            | ToWorker::Forget { .. }
            | ToWorker::TakeBack(_)
            | ToWorker::Given { .. }
            | ToWorker::Piece(_)
            | ToWorker::Here
            | ToWorker::Bye,
        )
        | Err(_) => Kind::ToWorker,
    }
}

/// The beginning of what a frame says.
fn said(frame: &[u8]) -> String {
    let beginning: Vec<u8> = frame.iter().skip(5).take(90).copied().collect();
    HostBytes::new(beginning).to_string()
}
