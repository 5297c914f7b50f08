//! The modules that Deminer ships, one file each, and the list that is the whole truth of what they can do.

use deminer_engine::module::{Module, Registry};

pub mod account_list;
pub mod account_lock;
mod account_presence;
mod account_signs;
pub mod authorized_keys;
pub mod catalogue;
pub mod command_read;
pub mod command_run;
pub mod command_words;
mod condemned_list;
pub mod container;
pub mod container_list;
pub mod cron_list;
pub mod crontab;
mod drop_places;
mod duration_param;
pub mod evidence_keep;
#[cfg(test)]
mod example_rows;
pub mod file_drops;
pub mod file_flags;
pub mod file_holders;
pub mod file_remove;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod host_facts;
pub mod host_resources;
pub mod incident_correlate;
pub mod judge;
mod kernel_modules;
pub mod key_list;
pub mod key_remove;
mod known_keys;
mod known_programs;
pub mod library;
mod line_edits;
pub mod lines_remove;
mod linked_files;
pub mod login_list;
pub mod login_records;
mod login_signs;
mod login_story;
pub mod net_block;
pub mod net_isolate;
pub mod net_ports;
pub mod net_sockets;
mod option_words;
mod our_login;
mod outbound;
pub mod package_verify;
pub mod persistence_list;
mod place_walk;
mod places;
pub mod preload_list;
mod presence;
pub mod process_files;
pub mod process_kill;
pub mod process_list;
pub mod process_row;
pub mod process_throttle;
pub mod process_tree;
mod questions;
pub mod remnant;
mod resource_text;
pub mod sample;
mod saying;
mod session_key;
mod shell_statements;
mod shell_text;
pub mod sshd_config;
pub mod starter;
/// What `deminer new module` writes.
#[cfg(test)]
#[path = "../../src/commands/new/module.rs"]
pub mod starter_lines;
pub mod starter_remove;
pub mod starter_review;
mod starter_search;
mod starter_text;
pub mod startup_list;
pub mod sudoers_list;
pub mod sudoers_remove;
pub mod trace;
pub mod unit_exec;
pub mod unit_file;
pub mod unit_list;
mod unit_places;
pub mod unit_remove;
pub mod unit_row;
mod unit_search;
mod unit_settings;
pub mod users_trace;
mod verify_alone;
pub mod verify_gone;
pub mod verify_quiet;
pub mod wallet;

pub use condemned_list::Proposed;
pub use duration_param::{DurationError, DurationParam};

/// Every module and the library: what playbooks are checked against.
pub fn registry() -> Registry {
    Registry::new(all()).with_library(library::LIBRARY)
}

/// Every module, in the order of the path.
pub fn all() -> Vec<Module> {
    vec![
        Module::collector(host_facts::HostFacts),
        Module::collector(host_resources::HostResources),
        Module::collector(process_list::ProcessList),
        Module::analyzer(process_tree::ProcessTree),
        Module::collector(process_files::ProcessFiles),
        Module::collector(container_list::ContainerList),
        Module::collector(net_sockets::NetSockets),
        Module::collector(net_ports::NetPorts),
        Module::collector(file_holders::FileHolders),
        Module::collector(file_drops::FileDrops),
        Module::collector(file_flags::FileFlags),
        Module::collector(package_verify::PackageVerify),
        Module::collector(account_list::AccountList),
        Module::collector(login_list::LoginList),
        Module::collector(key_list::KeyList),
        Module::collector(sudoers_list::SudoersList),
        Module::collector(cron_list::CronList),
        Module::collector(startup_list::StartupList),
        Module::collector(preload_list::PreloadList),
        Module::collector(persistence_list::PersistenceList),
        Module::collector(command_read::CommandRead),
        Module::collector(unit_list::UnitList),
        Module::analyzer(judge::MinerJudge),
        Module::analyzer(incident_correlate::IncidentCorrelate),
        Module::collector(sample::MinerConfig),
        Module::collector(starter_review::StarterReview),
        Module::collector(trace::MinerTrace),
        Module::analyzer(users_trace::UsersTrace),
        Module::responder(evidence_keep::EvidenceKeep),
        Module::responder(lines_remove::LinesRemove),
        Module::responder(starter_remove::StarterRemove),
        Module::responder(net_block::NetBlock),
        Module::responder(net_isolate::NetIsolate),
        Module::responder(process_throttle::ProcessThrottle),
        Module::responder(unit_remove::UnitRemove),
        Module::responder(key_remove::KeyRemove),
        Module::responder(sudoers_remove::SudoersRemove),
        Module::responder(account_lock::AccountLock),
        Module::responder(command_run::CommandRun),
        Module::responder(process_kill::ProcessKill),
        Module::responder(file_remove::FileRemove),
        Module::collector(verify_gone::VerifyGone),
        Module::collector(verify_quiet::VerifyQuiet),
    ]
}
