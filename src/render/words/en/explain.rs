//! English words around the explanation of a code.

use super::super::explain::ExplainWords;
use super::English;

impl ExplainWords for English {
    fn code_heading(&self) -> &'static str {
        "code"
    }

    fn meaning_heading(&self) -> &'static str {
        "what it means"
    }

    fn wrong(&self) -> &'static str {
        "wrong"
    }

    fn right(&self) -> &'static str {
        "right"
    }
}
