//! `deminer demo`

use crate::cli::Demo;
use crate::demo::{self, NoWorld};
use crate::exit::Exit;

use super::Desk;

/// Plays the demo in a private world, or on the simulated host where the kernel refuses one.
///
/// # Errors
/// When the demo does not end as it must.
pub(crate) fn run(desk: &Desk, arguments: &Demo) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout();
    if let Some(root) = &arguments.inside {
        return demo::inside(root, &desk.runs, &mut out);
    }
    std::fs::create_dir_all(&desk.runs)?;
    if !arguments.simulated {
        match demo::in_private_world(&desk.runs, &mut out) {
            Err(error) if error.is::<NoWorld>() => desk.screen.say(&format!("{error}\n")),
            ended => return ended,
        }
    }
    demo::simulated(&desk.runs, &mut out)
}
