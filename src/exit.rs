//! Exit codes: told apart by what the caller should do next. Scripts rely on them; they do not change.

use std::process::ExitCode;

/// What a command comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: it did what it was asked: a plan was made, shown or applied and verified, a report was written.
    Done,
    /// 1: it failed; nothing is known that was not known before. The message says what to do.
    Failed,
    /// 2: the command line or the playbook is wrong; no host was touched.
    Usage,
    /// 4: refused: wrong hash, changed or expired plan, an approval that does not cover it. No host was touched.
    Refused,
    /// 5: a person must look: suspected, drifted, partial, or the host could not be judged.
    Look,
    /// 6: the miner came back.
    Returned,
    /// 7: a host could not be reached, another Deminer works on it, or its window was over: try again.
    Again,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Refused => 4,
            Exit::Look => 5,
            Exit::Returned => 6,
            Exit::Again => 7,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
