//! English.

mod approval;
mod ask;
mod audit;
mod environment;
mod explain;
mod inventory;
mod plan;
mod progress;
mod quiet;
mod report;
mod review;
mod show;
mod testing;
mod things;
mod undo;
mod walk;

/// English.
pub(super) struct English;
