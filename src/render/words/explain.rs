//! Words around the explanation of a code.

/// See the module.
pub(crate) trait ExplainWords {
    /// Heads the column of codes.
    fn code_heading(&self) -> &'static str;

    /// Heads the column of what they mean.
    fn meaning_heading(&self) -> &'static str;

    /// Before the example with the mistake.
    fn wrong(&self) -> &'static str;

    /// Before the example without it.
    fn right(&self) -> &'static str;
}
