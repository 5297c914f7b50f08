//! Chinese.

mod ask;
mod authored;
mod inventory;
mod plan;
mod progress;
mod protection;
mod quiet;
mod report;
mod show;
mod things;
mod undo;

/// Chinese.
pub(super) struct Chinese;
