//! The slim worker: serves one controller over standard input and output, then leaves.

use std::process::ExitCode;

use deminer_worker::PROGRAM_WORKER;
use deminer_worker::platform::linux::Linux;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(PROGRAM_WORKER) | None => deminer_worker::serve::main_worker(&Linux::new()),
        Some(_) => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}
