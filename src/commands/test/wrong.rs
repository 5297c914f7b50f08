//! What is not as a case wants it, in fields; the words are made where it is shown.

/// Something that is not as it must be.
pub(crate) enum Wrong {
    /// It could not be played.
    Failed(String),
    /// A recorded host was asked what it does not answer.
    NotRecorded {
        host: String,
        /// The query, cut.
        query: String,
    },
    /// A host has no plan.
    NotPlanned { host: String, why: String },
    /// Another thing came out.
    Other { what: Aspect, wanted: Side, came: Side },
    /// A snapshot differs, or is not there.
    Differs {
        /// `plan`, `report`
        shot: &'static str,
        file: String,
        /// `None`: there is none.
        was: Option<String>,
        is: String,
    },
}

/// What of a case is compared.
pub(crate) enum Aspect {
    /// The verdict of this host.
    Verdict(String),
    /// How this host ended.
    Status(String),
    /// How many actions of this kind there are.
    Actions(String),
    /// Whether a finding has this signal.
    Finding(String),
    /// What is done at this path and below it.
    Below(String),
    /// Why this host was stopped.
    Stopped(String),
    /// With which message something was refused.
    Refused,
}

/// What was wanted of it, or what came.
#[derive(PartialEq, Eq)]
pub(crate) enum Side {
    /// A code, a number or an author's words: the same in every language.
    Word(String),
    /// There is none of it.
    None,
    Yes,
    No,
    /// Nothing is done.
    Nothing,
    /// These are, by kind and path.
    Acts(Vec<(&'static str, String)>),
    /// The playbook went through.
    Through,
    /// It failed.
    Failed {
        place: String,
        why: String,
    },
    /// It was not refused.
    NotRefused,
}

impl Side {
    /// Whether something is there.
    pub(super) fn is(there: bool) -> Side {
        match there {
            true => Side::Yes,
            false => Side::No,
        }
    }
}
