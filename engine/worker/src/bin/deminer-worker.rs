//! The slim worker: serves one controller over standard input and output, then leaves.

use std::process::ExitCode;

use deminer_worker::platform::linux::Linux;
use deminer_worker::platform::linux::hands::keeper;
use deminer_worker::{PROGRAM_KEEPER, PROGRAM_WORKER};

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(PROGRAM_KEEPER) => keeper::main_keeper(),
        Some(PROGRAM_WORKER) | None => deminer_worker::serve::main_worker(&Linux::new()),
        Some(_) => return ExitCode::from(64),
    }
    ExitCode::SUCCESS
}
