//! What people are told, in their language.
//!
//! Every phrase is a method of one of the traits here, and each language is a type that has them all, in a folder of its
//! own: a phrase that one language lacks does not compile. Phrases are given values that are harmless already
//! ([`plain`](super::plain)); codes, paths, commands, hashes and times are written the same in every language, and so is
//! everything that is for programs.
//!
//! Sentences of findings and the words of playbooks come from elsewhere, in English; [`Things::authored`] knows those that
//! are shipped.

mod approval;
mod ask;
mod audit;
mod en;
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
mod zh;

pub(crate) use self::approval::{ApprovalWords, Approved};
pub(crate) use self::ask::AskWords;
pub(crate) use self::audit::{AuditWords, Unsound};
pub(crate) use self::environment::EnvironmentWords;
pub(crate) use self::explain::ExplainWords;
pub(crate) use self::inventory::{Entry, InventoryWords};
pub(crate) use self::plan::PlanWords;
pub(crate) use self::progress::{Crowd, ProgressWords, Slow};
pub(crate) use self::quiet::QuietWords;
pub(crate) use self::report::{Advice, ChainsEnd, Names, Obstacle, Outcome, ReportWords};
pub(crate) use self::review::{ReviewWord, ReviewWords};
pub(crate) use self::show::{Condition, ProcessIdentity, ShowWords, WayBack};
pub(crate) use self::testing::{CaseEnd, TestWords};
pub(crate) use self::things::{Label, Noun, Removed, Things};
pub(crate) use self::undo::{GivesBack, UndoWords};
pub(crate) use self::walk::WalkWords;

/// The languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Lang {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

impl Lang {
    /// The one of this code.
    pub(crate) fn of_code(code: &str) -> Option<Lang> {
        match code {
            "en" => Some(Lang::En),
            "zh" => Some(Lang::Zh),
            _ => None,
        }
    }

    /// `en`, `zh`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::Zh => "zh",
        }
    }

    /// Its words.
    pub(crate) fn words(self) -> &'static dyn Words {
        match self {
            Lang::En => &en::English,
            Lang::Zh => &zh::Chinese,
        }
    }
}

/// All phrases of a language.
pub(crate) trait Words:
    Things
    + PlanWords
    + ShowWords
    + ProgressWords
    + ApprovalWords
    + AskWords
    + AuditWords
    + EnvironmentWords
    + ExplainWords
    + ReportWords
    + ReviewWords
    + TestWords
    + UndoWords
    + QuietWords
    + WalkWords
    + InventoryWords
    + Sync
{
}

impl<
    T: Things
        + PlanWords
        + ShowWords
        + ProgressWords
        + ApprovalWords
        + AskWords
        + AuditWords
        + EnvironmentWords
        + ExplainWords
        + ReportWords
        + ReviewWords
        + TestWords
        + UndoWords
        + QuietWords
        + WalkWords
        + InventoryWords
        + Sync,
> Words for T
{
}
