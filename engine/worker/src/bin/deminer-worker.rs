//! The slim worker that goes to a host.

use std::process::ExitCode;

use deminer_worker::platform::linux::hands::keeper;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match (arguments.next(), arguments.next()) {
        (Some(verb), None) if verb == "keeper" => {
            keeper::main_keeper();
            ExitCode::SUCCESS
        }
        // sysexits(3): EX_USAGE.
        _ => ExitCode::from(64),
    }
}
