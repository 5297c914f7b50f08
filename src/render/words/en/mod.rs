//! English.

mod ask;
mod plan;
mod progress;
mod report;
mod show;
mod things;
mod undo;

/// English.
pub(super) struct English;
