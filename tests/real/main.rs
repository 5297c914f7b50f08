//! The command on real hosts: systemd as their first process, cron, sshd, accounts, packages, an address of their own.
//!
//! Where there can be none, each test says `SKIPPED` and why.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
#[path = "../common/mod.rs"]
mod common;

mod adversary;
mod clean;
mod contained;
mod faults;
mod fleet;
mod hostile;
mod infected;
mod site;
mod undo;
mod users;
mod watched;
mod ways;
#[allow(dead_code, reason = "the bench is there for tests to come")]
mod world;
