//! English words of the page on which a plan is reviewed.

use super::super::review::{ReviewWord, ReviewWords};
use super::English;

impl ReviewWords for English {
    fn review(&self, word: ReviewWord) -> &'static str {
        match word {
            ReviewWord::Title => "Plan to review",
            ReviewWord::NoScript => {
                "This page works by the script that stands in it, and by no other. Allow scripts for this file, or read the plan with `deminer show`."
            }
            ReviewWord::Intro => {
                "Nothing on this page leaves it. Untick what you do not approve and say why; what you download says only what was approved, and is to be signed."
            }
            ReviewWord::Made => "made",
            ReviewWord::GoodUntil => "good until",
            ReviewWord::EnvironmentText => "The environment, as the plan holds it",
            ReviewWord::File => "file",
            ReviewWord::Version => "Deminer",
            ReviewWord::Filter => "filter: host, path, process, reason",
            ReviewWord::OnlyChanges => "only hosts that would be changed",
            ReviewWord::TickAll => "approve all",
            ReviewWord::TickNone => "approve none",
            ReviewWord::ApproveHosts => "approved on:",
            ReviewWord::WhyHostLeft => "why these hosts are left out",
            ReviewWord::WhyLeftOut => "why this is left out",
            ReviewWord::NeedsIt => "left out with it: it needs {action}",
            ReviewWord::ManyTargets => "component {component} has many targets: I have read every one of them",
            ReviewWord::ManyUnread => "Component {component} needs a yes of its own.",
            ReviewWord::BringsBack => {
                "What stays can bring back what goes: {objects}. Leave out the whole component, or none of it."
            }
            ReviewWord::Details => "all that identifies it, and what must hold",
            ReviewWord::Summary => "Approved changes: {actions}. Hosts: {hosts}. Left out: {left}.",
            ReviewWord::NoHost => "No host is approved.",
            ReviewWord::Expired => "The plan's time is over: it must be made anew.",
            ReviewWord::NoName => "Who approves?",
            ReviewWord::Name => "your name, as the allowed signers have it",
            ReviewWord::HostReason => "Say why hosts of {host} are left out.",
            ReviewWord::ActionReason => "Say why {action} is left out.",
            ReviewWord::ClassAll => "keep, contain and destroy",
            ReviewWord::ClassContain => "only contain",
            ReviewWord::ClassPreserve => "only keep the evidence",
            ReviewWord::Download => "download the approval",
            ReviewWord::Reject => "reject: download the reasons",
            ReviewWord::Rejected => "Plan {plan} is not approved.",
            ReviewWord::SignWith => "then sign it:",
            ReviewWord::NothingFound => "no host fits the filter",
            ReviewWord::Destroys => "destroys",
            ReviewWord::Contains => "contains",
            ReviewWord::Preserves => "keeps evidence",
        }
    }

    fn page_is_written(&self, file: &str) -> String {
        format!("{file}: open it in a browser; nothing in it leaves it")
    }
}
