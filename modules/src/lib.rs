//! The modules that Deminer ships, one file each, and the list that is the whole truth of what they can do.

use deminer_engine::module::Module;

pub mod account_list;
pub mod account_lock;
mod account_signs;
pub mod authorized_keys;
mod base64_text;
pub mod command_read;
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
pub mod key_list;
pub mod key_remove;
mod known_keys;
mod known_programs;
mod line_edits;
pub mod lines_remove;
mod linked_files;
pub mod login_list;
pub mod login_records;
mod login_signs;
mod login_story;
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
mod session_key;
mod shell_text;
pub mod sshd_config;
pub mod starter;
pub mod sudoers_list;
pub mod sudoers_remove;
pub mod trace;
pub mod unit_exec;
pub mod unit_file;
pub mod users_trace;
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
        Module::collector(login_list::LoginList),
        Module::collector(key_list::KeyList),
        Module::collector(sudoers_list::SudoersList),
        Module::collector(cron_list::CronList),
        Module::collector(preload_list::PreloadList),
        Module::collector(command_read::CommandRead),
        Module::analyzer(judge::MinerJudge),
        Module::collector(trace::MinerTrace),
        Module::collector(users_trace::UsersTrace),
        Module::responder(evidence_keep::EvidenceKeep),
        Module::responder(lines_remove::LinesRemove),
        Module::responder(key_remove::KeyRemove),
        Module::responder(sudoers_remove::SudoersRemove),
        Module::responder(account_lock::AccountLock),
        Module::responder(process_kill::ProcessKill),
        Module::responder(file_remove::FileRemove),
        Module::collector(verify_gone::VerifyGone),
        Module::collector(verify_quiet::VerifyQuiet),
    ]
}
