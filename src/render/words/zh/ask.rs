//! Chinese words of questions.

use super::super::ask::AskWords;
use super::super::{Noun, Things};
use super::Chinese;

impl AskWords for Chinese {
    fn asks(&self, host: &str, step: &str, question: &str) -> String {
        format!("{host}，步骤 {step}：{question}")
    }

    fn answer_with(&self, answers: &[String], default: Option<&str>) -> String {
        format!("请回答{}", with(answers, default))
    }

    fn no_answer(&self, answers: &[String], default: Option<&str>) -> String {
        format!("这不是有效回答；请回答{}", with(answers, default))
    }

    fn leaves_out(&self, actions: &[String]) -> String {
        format!("已排除：{}。", actions.join("；"))
    }

    fn only_preserves(&self) -> &'static str {
        "仅留存证据：不改动任何东西。"
    }

    fn only_contains(&self) -> &'static str {
        "仅留存证据并遏制：不破坏任何东西。"
    }

    fn type_the_hash(&self, hosts: u64) -> String {
        format!(
            "要在 {}上批准，请输入上面哈希的前 4 位或更多；输入其他内容则不改动任何东西：",
            self.count(hosts, Noun::Host)
        )
    }

    fn type_the_component(&self, name: &str) -> String {
        format!("{name} 需要单独批准。核对其目标之后，请输入 {name}；输入其他内容则不改动任何东西：")
    }

    fn approved_here(&self, at: &str, actions: u64, hosts: u64) -> String {
        format!(
            "已于 {at} 在此终端批准：{}，{}",
            self.count(actions, Noun::Action),
            self.count(hosts, Noun::Host)
        )
    }

    fn not_approved(&self) -> &'static str {
        "未批准。未改动任何东西。"
    }

    fn still_there(&self, command: &str) -> String {
        format!("计划已保存：{command}")
    }
}

fn with(answers: &[String], default: Option<&str>) -> String {
    let default = default.map(|word| format!("（空行即 {word}）")).unwrap_or_default();
    match answers.is_empty() {
        true => format!("一行文字{default}"),
        false => format!("其中之一：{}{default}", answers.join("、")),
    }
}
