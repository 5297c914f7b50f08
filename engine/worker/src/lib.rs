//! The far side of Deminer: what runs on a host.
//!
//! Reading order: [`query`] is everything that may be asked, [`action`] everything that may be changed, [`order`] what a
//! reviewer approved ([`many`] what of it must be approved by name), [`frame`] how both travel. [`platform`] answers one query or carries out one act; over it stand ONE
//! loop ([`serve`]) and ONE [`transaction`]; [`take_back`] takes what one did back. [`journal`] is what a host remembers while nobody listens.
//!
//! The crate has no async runtime, no name service and no template engine: it stays small, and nothing in it can be made
//! to load a library of the host.

pub mod accounts;
pub mod action;
pub mod argv;
pub mod arrival;
pub mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod journal;
pub mod lines;
pub mod many;
pub mod network;
pub mod order;
pub mod platform;
pub mod protect;
pub mod query;
pub mod serve;
pub mod shadow;
pub mod stamp;
pub mod sudoers;
pub mod take_back;
pub mod text;
pub mod transaction;
pub mod unit_name;

/// The argument by which a program that contains the worker is told to be one.
pub const PROGRAM_WORKER: &str = "worker";

/// The argument by which the worker's program is told to be its keeper.
pub const PROGRAM_KEEPER: &str = "keeper";

/// The argument by which the worker's program is asked whether it has the SHA-256 that follows; it exits with 0 if so.
pub const PROGRAM_WHOLE: &str = "whole";
