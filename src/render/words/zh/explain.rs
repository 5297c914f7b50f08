//! Chinese words around the explanation of a code.

use super::super::explain::ExplainWords;
use super::Chinese;

impl ExplainWords for Chinese {
    fn code_heading(&self) -> &'static str {
        "代码"
    }

    fn meaning_heading(&self) -> &'static str {
        "含义"
    }

    fn wrong(&self) -> &'static str {
        "错误写法"
    }

    fn right(&self) -> &'static str {
        "正确写法"
    }
}
