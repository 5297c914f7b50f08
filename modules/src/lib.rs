//! The modules that Deminer ships, one file each, and the list that is the whole truth of what they can do.

use deminer_engine::module::Module;

pub mod account_list;
pub mod command_words;
mod condemned_list;
pub mod cron_list;
pub mod crontab;
mod duration_param;
pub mod evidence_keep;
#[cfg(test)]
mod example_rows;
pub mod file_remove;
pub mod host_facts;
pub mod judge;
mod known_programs;
pub mod lines_remove;
pub mod net_sockets;
mod option_words;
mod outbound;
mod places;
pub mod preload_list;
mod presence;
pub mod process_kill;
pub mod process_list;
pub mod process_row;
mod questions;
pub mod remnant;
mod saying;
mod shell_text;
pub mod starter;
pub mod trace;
pub mod verify_gone;
pub mod verify_quiet;

pub use condemned_list::Proposed;
pub use duration_param::{DurationError, DurationParam};

/// Every module, in the order of the path.
pub fn all() -> Vec<Module> {
    vec![
        Module::collector(host_facts::HostFacts),
        Module::collector(process_list::ProcessList),
        Module::collector(net_sockets::NetSockets),
        Module::collector(account_list::AccountList),
        Module::collector(cron_list::CronList),
        Module::collector(preload_list::PreloadList),
        Module::analyzer(judge::MinerJudge),
        Module::collector(trace::MinerTrace),
        Module::responder(evidence_keep::EvidenceKeep),
        Module::responder(lines_remove::LinesRemove),
        Module::responder(process_kill::ProcessKill),
        Module::responder(file_remove::FileRemove),
        Module::collector(verify_gone::VerifyGone),
        Module::collector(verify_quiet::VerifyQuiet),
    ]
}
