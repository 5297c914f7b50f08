//! Words of the page on which a plan is reviewed.

/// A text of the page. In braces stands what the page's script fills in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReviewWord {
    Title,
    NoScript,
    Intro,
    Made,
    GoodUntil,
    File,
    Version,
    Filter,
    OnlyChanges,
    TickAll,
    TickNone,
    ApproveHosts,
    WhyHostLeft,
    WhyLeftOut,
    NeedsIt,
    ManyTargets,
    ManyUnread,
    BringsBack,
    Details,
    Summary,
    NoHost,
    Expired,
    NoName,
    Name,
    HostReason,
    ActionReason,
    ClassAll,
    ClassContain,
    ClassPreserve,
    Download,
    Reject,
    Rejected,
    SignWith,
    NothingFound,
    Destroys,
    Contains,
    Preserves,
}

impl ReviewWord {
    /// All of them.
    pub(crate) const ALL: [ReviewWord; 37] = [
        ReviewWord::Title,
        ReviewWord::NoScript,
        ReviewWord::Intro,
        ReviewWord::Made,
        ReviewWord::GoodUntil,
        ReviewWord::File,
        ReviewWord::Version,
        ReviewWord::Filter,
        ReviewWord::OnlyChanges,
        ReviewWord::TickAll,
        ReviewWord::TickNone,
        ReviewWord::ApproveHosts,
        ReviewWord::WhyHostLeft,
        ReviewWord::WhyLeftOut,
        ReviewWord::NeedsIt,
        ReviewWord::ManyTargets,
        ReviewWord::ManyUnread,
        ReviewWord::BringsBack,
        ReviewWord::Details,
        ReviewWord::Summary,
        ReviewWord::NoHost,
        ReviewWord::Expired,
        ReviewWord::NoName,
        ReviewWord::Name,
        ReviewWord::HostReason,
        ReviewWord::ActionReason,
        ReviewWord::ClassAll,
        ReviewWord::ClassContain,
        ReviewWord::ClassPreserve,
        ReviewWord::Download,
        ReviewWord::Reject,
        ReviewWord::Rejected,
        ReviewWord::SignWith,
        ReviewWord::NothingFound,
        ReviewWord::Destroys,
        ReviewWord::Contains,
        ReviewWord::Preserves,
    ];

    /// Its name in the page's script.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ReviewWord::Title => "title",
            ReviewWord::NoScript => "no_script",
            ReviewWord::Intro => "intro",
            ReviewWord::Made => "made",
            ReviewWord::GoodUntil => "good_until",
            ReviewWord::File => "file",
            ReviewWord::Version => "version",
            ReviewWord::Filter => "filter",
            ReviewWord::OnlyChanges => "only_changes",
            ReviewWord::TickAll => "tick_all",
            ReviewWord::TickNone => "tick_none",
            ReviewWord::ApproveHosts => "approve_hosts",
            ReviewWord::WhyHostLeft => "why_host_left",
            ReviewWord::WhyLeftOut => "why_left_out",
            ReviewWord::NeedsIt => "needs_it",
            ReviewWord::ManyTargets => "many_targets",
            ReviewWord::ManyUnread => "many_unread",
            ReviewWord::BringsBack => "brings_back",
            ReviewWord::Details => "details",
            ReviewWord::Summary => "summary",
            ReviewWord::NoHost => "no_host",
            ReviewWord::Expired => "expired",
            ReviewWord::NoName => "no_name",
            ReviewWord::Name => "name",
            ReviewWord::HostReason => "host_reason",
            ReviewWord::ActionReason => "action_reason",
            ReviewWord::ClassAll => "class_all",
            ReviewWord::ClassContain => "class_contain",
            ReviewWord::ClassPreserve => "class_preserve",
            ReviewWord::Download => "download",
            ReviewWord::Reject => "reject",
            ReviewWord::Rejected => "rejected",
            ReviewWord::SignWith => "sign_with",
            ReviewWord::NothingFound => "nothing_found",
            ReviewWord::Destroys => "destroys",
            ReviewWord::Contains => "contains",
            ReviewWord::Preserves => "preserves",
        }
    }
}

/// See the module.
pub(crate) trait ReviewWords {
    /// A text of the page.
    fn review(&self, word: ReviewWord) -> &'static str;

    /// That the page is there.
    fn page_is_written(&self, file: &str) -> String;
}
