//! Chinese.

mod approval;
mod ask;
mod audit;
mod authored;
mod environment;
mod explain;
mod inventory;
mod plan;
mod progress;
mod protection;
mod quiet;
mod report;
mod review;
mod show;
mod testing;
mod things;
mod undo;
mod walk;

/// Chinese.
pub(super) struct Chinese;
