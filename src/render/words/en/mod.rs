//! English.

mod approval;
mod ask;
mod inventory;
mod plan;
mod progress;
mod quiet;
mod report;
mod show;
mod things;
mod undo;
mod walk;

/// English.
pub(super) struct English;
