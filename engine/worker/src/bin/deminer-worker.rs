//! The slim worker: with the argument `worker` it serves one controller over standard input and output, then leaves.
//!
//! `worker DIRECTORY` first removes the file that it was started from, which was sent there. `whole SHA256` says by the exit
//! code whether that file arrived whole.

use std::process::ExitCode;

use deminer_worker::platform::linux::Linux;
use deminer_worker::platform::linux::hands::keeper;
use deminer_worker::{PROGRAM_KEEPER, PROGRAM_WHOLE, PROGRAM_WORKER, arrival, serve};

/// The exit code of a wrong command line (sysexits.h, `EX_USAGE`).
const WRONG_WORDS: u8 = 64;

/// The exit code of a file that is not whole (sysexits.h, `EX_DATAERR`).
const NOT_WHOLE: u8 = 65;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [PROGRAM_KEEPER] => keeper::main_keeper(),
        [PROGRAM_WORKER] => serve::main_worker(&Linux::new()),
        [PROGRAM_WORKER, directory] => serve::main_sent_worker(&Linux::sent(), directory.as_ref()),
        [PROGRAM_WHOLE, sha256] if arrival::is_whole(sha256).unwrap_or(false) => {}
        [PROGRAM_WHOLE, _] => return ExitCode::from(NOT_WHOLE),
        _ => return ExitCode::from(WRONG_WORDS),
    }
    ExitCode::SUCCESS
}
