//! CPU and wall time of a program that is started for it, from its fork to its end.

use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use rustix::time::ClockId;

use crate::used::{Used, clock};

/// A program at work.
pub(crate) struct Program {
    child: Child,
    began: Instant,
}

impl Program {
    /// Starts it; what it is asked goes in by the pipe that comes back.
    pub(crate) fn start(command: &mut Command) -> (Program, ChildStdin, ChildStdout) {
        let began = Instant::now();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let input = child.stdin.take().expect("its input is a pipe");
        let output = child.stdout.take().expect("its output is a pipe");
        (Program { child, began }, input, output)
    }

    /// Waits for its end. The scheduler counts its first thread, its start and its taking down included (the first
    /// field of `/proc/PID/schedstat`, nanoseconds); `others` is what its other threads used.
    pub(crate) fn end(mut self, others: Duration) -> Used {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a pid");
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).expect("a child of ours ends");
        let wall = self.began.elapsed();
        let line = std::fs::read_to_string(format!("/proc/{}/schedstat", self.child.id())).unwrap_or_default();
        let first = line.split(' ').next().and_then(|field| field.parse().ok());
        let first = Duration::from_nanos(first.expect("this kernel keeps scheduler statistics"));
        let status = self.child.wait().expect("it has ended");
        assert!(status.success(), "the program failed: {status}");
        Used {
            cpu: first + others,
            wall,
        }
    }
}

/// What this process's threads but the first used so far; called by the first.
pub(crate) fn other_threads_cpu() -> Duration {
    clock(ClockId::ProcessCPUTime).saturating_sub(clock(ClockId::ThreadCPUTime))
}

/// Runs a program of one thread to its end and gives what it wrote.
pub(crate) fn program(command: &mut Command) -> (Vec<u8>, Used) {
    let (program, input, mut output) = Program::start(command);
    drop(input);
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut output, &mut bytes).expect("what it writes can be read");
    (bytes, program.end(Duration::ZERO))
}
