//! The slim worker: with the argument `worker` it serves one controller over standard input and output, then leaves.

use std::process::ExitCode;

use deminer_worker::platform::linux::Linux;
use deminer_worker::platform::linux::hands::keeper;
use deminer_worker::{PROGRAM_KEEPER, PROGRAM_WORKER};

/// The exit code of a wrong command line (sysexits.h, `EX_USAGE`).
const WRONG_WORDS: u8 = 64;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [PROGRAM_KEEPER] => keeper::main_keeper(),
        [PROGRAM_WORKER] => deminer_worker::serve::main_worker(&Linux::new()),
        _ => return ExitCode::from(WRONG_WORDS),
    }
    ExitCode::SUCCESS
}
